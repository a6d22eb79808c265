# SPDX-License-Identifier: Apache-2.0
"""Connections that say nothing, or very slowly, while somebody asks real questions."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from .client import Place, ask, chat, head
from .pictures import body, drawn, user
from .report import mebibytes, rounded, spread
from .server import Program, Server, running
from .watch import Watch

QUIET_PROBES = 20
DRIP_SECONDS = 1.0  # between two bytes
CONNECTING = 250  # connections that are opened at the same time
CONNECT_SECONDS = 30.0
PROBE_SECONDS = 20.0  # in which a real request must be answered
SPARE_DESCRIPTORS = 200


def allow_descriptors(count: int) -> None:
    """Raises this process's limit on descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_DESCRIPTORS
    if most != resource.RLIM_INFINITY and wanted > most:
        raise OSError(f"{wanted} descriptors are needed, but only {most} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


@dataclass
class Probe:
    """Asks one real question after another, and measures the time."""

    place: Place
    first_tokens: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    async def once(self) -> None:
        # One picture, so that the server's cache of pictures does not grow while memory is measured.
        question = f"Question {len(self.first_tokens)}: what is this?"
        message = user(question, drawn(1, (336, 336), "PNG"))
        request = chat(body([message], max_tokens=8, stream=True, keep=64))
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                answer = await ask(self.place, request)
        except (OSError, EOFError, TimeoutError) as error:
            self.failures.append(f"{type(error).__name__} {error}")
            return
        if answer.status == 200 and answer.is_whole and answer.first_token_seconds is not None:
            self.first_tokens.append(answer.first_token_seconds)
        else:
            self.failures.append(f"status {answer.status}")

    @contextlib.contextmanager
    def asking(self) -> Iterator[Probe]:
        async def forever() -> None:
            while True:
                await self.once()
                await asyncio.sleep(0.1)

        task = asyncio.ensure_future(forever())
        try:
            yield self
        finally:
            task.cancel()

    def figures(self) -> dict:
        return {
            "first_token_seconds": spread(self.first_tokens),
            "failures": len(self.failures),
            "failure_examples": list(dict.fromkeys(self.failures))[:5],
        }


@dataclass
class Guests:
    """Connections, and how long the server kept them."""

    place: Place
    lifetimes: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)  # those that got an answer with status 503
    failed: int = 0
    open: int = 0

    async def stay(self, start: bytes, drip: bytes, gate: asyncio.Semaphore) -> None:
        """Connects, sends `start` and then `drip` byte by byte, until the server ends the connection."""
        loop = asyncio.get_running_loop()
        client = socket.socket()
        client.setblocking(False)
        try:
            async with gate, asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(client, ("127.0.0.1", self.place.port))
        except (OSError, TimeoutError):
            self.failed += 1
            client.close()
            return
        began = time.monotonic()
        self.open += 1
        dripping = asyncio.ensure_future(self._drip(client, start, drip))
        received = b""
        try:
            while more := await loop.sock_recv(client, 4096):
                received += more
        except OSError:
            pass
        finally:
            dripping.cancel()
            self.open -= 1
            client.close()
        lived = time.monotonic() - began
        (self.refused if b" 503 " in received[:16] else self.lifetimes).append(lived)

    async def _drip(self, client: socket.socket, start: bytes, drip: bytes) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await loop.sock_sendall(client, start)
            while drip:
                await asyncio.sleep(DRIP_SECONDS)
                await loop.sock_sendall(client, drip)

    def figures(self) -> dict:
        return {
            "not_connected": self.failed,
            "refused_with_503": len(self.refused),
            "cut": len(self.lifetimes),
            "seconds_until_cut": spread(self.lifetimes),
            "open_at_the_end": self.open,
        }


# What guests send first, and then again and again.
MANNERS = {
    "silent": (b"", b""),
    "kept_alive": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
    "dripping_head": (b"GET /v1/models HTTP/1.1\r\nX-Long: ", b"a"),
    "dripping_body": (head("POST", "/v1/chat/completions", 60_000_000) + b"{", b" "),
}


async def measure(
    program: Program, manners: list[str], count: int, seconds: float, limit: int | None
) -> dict:
    """Opens `count` connections of the given manners, in turn, and holds them for some seconds."""
    allow_descriptors(count)
    options = ("--max-connections", str(limit)) if limit else ()
    async with running(program, *options, "--quiet") as server:
        before = Probe(server.place)
        for _ in range(QUIET_PROBES):
            await before.once()
        resident = server.memory()
        guests = {name: Guests(server.place) for name in manners}
        gate = asyncio.Semaphore(CONNECTING)
        meanwhile, watch, started = Probe(server.place), Watch(server.process.pid), time.monotonic()
        with watch.sampled(), meanwhile.asking():
            tasks = [
                asyncio.ensure_future(guests[name].stay(*MANNERS[name], gate))
                for name in (manners[number % len(manners)] for number in range(count))
            ]
            most_open, most_held = 0, 0.0
            while time.monotonic() - started < seconds and not all(task.done() for task in tasks):
                await asyncio.sleep(0.25)
                most_open = max(most_open, sum(each.open for each in guests.values()))
                most_held = max(most_held, await held(server))
            took = time.monotonic() - started
        results = {name: each.figures() for name, each in guests.items()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        most = max(sample.resident for sample in watch.samples)
        return {
            "connections": count,
            "seconds": rounded(took),
            "most_open_as_clients_see_it": most_open,
            "most_open_as_the_server_sees_it": int(most_held),
            **results,
            "real_requests_before": before.figures(),
            "real_requests_meanwhile": meanwhile.figures(),
            "resident_mib_before": mebibytes(resident),
            "resident_mib_most": mebibytes(most),
            "kib_per_open_connection": rounded(max(0, most - resident) / 1024 / max(1.0, most_held)),
            "server_lives": server.is_alive,
        }


async def held(server: Server) -> float:
    """Connections as the server counts them; 0 where it does not answer in time."""
    try:
        async with asyncio.timeout(1):
            return await server.metric("connections")
    except (OSError, EOFError, TimeoutError):
        return 0.0
