# SPDX-License-Identifier: Apache-2.0
"""Servers that are started for a measurement."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from .errors import ComparisonError

START_SECONDS = 600.0  # that a server may take until it answers


class ServerProcess:
    """A running server: `with` waits until it is ready to answer, and ends it afterwards."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int) -> None:
        self.name = name
        self.process = process
        self.port = port

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health"):
                    return self
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        self.process.kill()
        self.process.wait()
        raise ComparisonError(f"{self.name} did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def peak_bytes(self) -> int:
        """The largest resident set, from Linux's /proc."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise ComparisonError(f"the system does not report {self.name}'s peak memory")
