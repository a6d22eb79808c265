# SPDX-License-Identifier: Apache-2.0
"""Clients and servers that are killed, and logs that cannot be written."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .client import Place, ask, chat, get
from .pictures import body, drawn, pictures, user
from .report import rounded, spread
from .server import Program, Server, running

LONG = {"stream": True, "max_tokens": 3000, "ignore_eos": True}
MANY_LINES = 2000  # of a log, more than a pipe holds
REQUESTS = 20

# A client of its own, which says when its first text has come.
CLIENT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(sys.stdin.buffer.read())
received = b""
while b'"delta":{"content":' not in received:
    received += connection.recv(65536)
print(flush=True)
while connection.recv(65536):
    pass
"""


async def killed_clients(program: Program, count: int) -> dict:
    """Kills clients whose answers are in progress, or whose requests wait."""
    options = ("--max-queue", str(count), "--quiet")
    async with running(program, *options) as server:
        request = chat(body([user("Describe the picture.", drawn(1, (336, 336), "PNG"))], **LONG))
        processes = []
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-c", CLIENT, str(server.place.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            process.stdin.write(request)
            process.stdin.close()
            processes.append(process)
        await asyncio.to_thread(processes[0].stdout.readline)
        active = await server.metric("requests_processing")
        waiting = await server.metric("requests_deferred")
        generated = await server.metric("tokens_predicted_total")
        for process in processes:
            process.send_signal(signal.SIGKILL)
        idle = await server.wait_until_idle()
        for process in processes:
            process.wait()
            process.stdout.close()
        after = await server.metric("tokens_predicted_total")
        answer = await ask(server.place, chat(body([user("What?", drawn(2, (336, 336), "PNG"))])))
        return {
            "clients": count,
            "answers_in_work_when_killed": int(active),
            "requests_waiting_when_killed": int(waiting),
            "seconds_until_the_server_was_idle": rounded(idle),
            "tokens_of_the_killed_answers": int(after - generated),
            "status_of_the_next_request": answer.status,
        }


async def killed_server(program: Program, clients: int, rounds: int) -> dict:
    """Kills a server under load and starts it again at the same address, by port and by socket."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("port", "unix_socket"):
            path = str(Path(folder) / "socket")
            options = ("--quiet",) + (("--unix-socket", path) if name == "unix_socket" else ())
            server = await Server.start(program, *options)
            listening, ready, outcomes, statuses = [], [], Counter[str](), Counter[str]()
            for _ in range(rounds):
                broken = [asyncio.ensure_future(outcome(server.place)) for _ in range(clients)]
                await asyncio.sleep(0.5)
                server.kill()
                outcomes.update(await asyncio.gather(*broken))
                server.stop()
                server = await Server.start(program, *options, port=server.place.port or 0)
                listening.append(server.listening_seconds)
                ready.append(server.ready_seconds)
                request = chat(body([user("What?", drawn(3, (64, 64), "PNG"))], max_tokens=4))
                statuses[str((await ask(server.place, request)).status)] += 1
            server.stop()
            figures[name] = {
                "restarts": rounds,
                "what_clients_saw": dict(outcomes),
                "seconds_until_listening": spread(listening),
                "seconds_until_ready": spread(ready),
                "statuses_after_the_restart": dict(statuses),
            }
    return figures


async def outcome(place: Place) -> str:
    try:
        answer = await ask(place, chat(body([user("Hi", drawn(1, (64, 64), "PNG"))], **LONG)))
    except (OSError, EOFError, ValueError):
        return "the connection ended"
    return f"status {answer.status}"


async def unwritable_log(program: Program) -> dict:
    """Serves while the log goes where nothing can be written, or where nobody reads."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        reads, unread = os.pipe()
        with (
            open(Path(folder) / "log", "wb") as plain,
            open("/dev/full", "wb") as full,
            open(unread, "wb") as blocked,
        ):
            for name, log in (("file", plain), ("full_disk", full), ("pipe_nobody_reads", blocked)):
                figures[name] = await served(program, log)
            lines = (Path(folder) / "log").read_bytes().count(b"\n")
            figures["file"]["lines_in_the_log"] = lines
        os.close(reads)
    return figures


async def served(program: Program, log: object) -> dict:
    """Answers questions, and enough others to fill a pipe with their lines."""
    server = await Server.start(program, log=log)  # type: ignore[arg-type]
    statuses: Counter[str] = Counter()
    seconds: list[float] = []
    started = time.monotonic()
    try:
        for _ in range(MANY_LINES // 50):
            answers = await asyncio.gather(*(unknown(server.place) for _ in range(50)))
            statuses.update(answers)
        for file in pictures(REQUESTS):
            answer = await ask(server.place, chat(body([user("What?", file)], max_tokens=4)))
            statuses[str(answer.status)] += 1
            seconds.append(answer.seconds)
    except (OSError, EOFError, TimeoutError) as error:
        statuses[f"{type(error).__name__}"] += 1
    took, lives = time.monotonic() - started, server.is_alive
    server.process.terminate()
    try:
        code: object = await asyncio.to_thread(server.process.wait, 40)
    except subprocess.TimeoutExpired:
        code = "does not end"
    server.stop()
    return {
        "seconds": rounded(took),
        "statuses": dict(statuses),
        "answer_seconds": spread(seconds),
        "server_lives": lives,
        "exit_code": code,
    }


async def unknown(place: Place) -> str:
    async with asyncio.timeout(20):
        status, _ = await get(place, "/v1/nothing")
    return str(status)
