# SPDX-License-Identifier: Apache-2.0
"""A server under load: started, watched, killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .client import Place, get
from .watch import status

READY_SECONDS = 600.0  # that loading a model may take


class LoadError(Exception):
    """The load cannot be measured; the message says why."""


@dataclass(frozen=True)
class Program:
    """The program and the options of every server that is started."""

    path: Path
    options: list[str]

    def command(self, *options: str) -> list[str]:
        return [str(self.path), "serve", "--exit-with-parent", *self.options, *options]


class Server:
    """A running `trimllava serve`, ready to answer."""

    def __init__(self, process: subprocess.Popen, place: Place, listening_seconds: float) -> None:
        self.process, self.place = process, place
        self.listening_seconds = listening_seconds
        self.ready_seconds = 0.0

    @staticmethod
    async def start(
        program: Program, *options: str, log: int | IO[bytes] = subprocess.DEVNULL, port: int = 0
    ) -> Server:
        """Starts a server and waits until its model is loaded."""
        started = time.monotonic()
        place_options = () if "--unix-socket" in options else ("--port", str(port))
        command = program.command(*options, *place_options)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        if not line:
            raise LoadError(f"`{' '.join(command)}` ended with {process.wait()}")
        listening = json.loads(line)
        place = Place(listening.get("port"), listening.get("unix_socket"))
        server = Server(process, place, time.monotonic() - started)
        while (await get(place, "/health"))[0] != 200:
            if process.poll() is not None or time.monotonic() - started > READY_SECONDS:
                raise LoadError("the server did not load its model")
            await asyncio.sleep(0.05)
        server.ready_seconds = time.monotonic() - started
        return server

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ends it as a supervisor does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.process.stdout:
            self.process.stdout.close()

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def memory(self, name: str = "VmRSS") -> int:
        """Bytes of resident memory (VmRSS), or the most there ever were (VmHWM)."""
        numbers = status(self.process.pid)
        if name not in numbers:
            raise LoadError(f"the system does not report {name}")
        return numbers[name] << 10

    async def metric(self, name: str) -> float:
        _, text = await get(self.place, "/metrics")
        found = re.search(rf"^trimllava_{name} (\S+)$", text, re.MULTILINE)
        if found is None:
            raise LoadError(f"the server has no metric {name}")
        return float(found[1])

    async def wait_until_idle(self) -> float:
        """Seconds until no answer is in progress."""
        started = time.monotonic()
        while await self.metric("requests_processing") + await self.metric("requests_deferred") > 0:
            await asyncio.sleep(0.02)
        return time.monotonic() - started


@contextlib.asynccontextmanager
async def running(program: Program, *options: str, **more: object) -> AsyncIterator[Server]:
    server = await Server.start(program, *options, **more)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()
