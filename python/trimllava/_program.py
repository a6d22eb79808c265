# SPDX-License-Identifier: Apache-2.0
"""The program: where it is, and a server of it as a child process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from ._connection import Address
from ._errors import ConnectionLost, ProgramError, RequestError


def program_path() -> str:
    """The program: what TRIMLLAVA_PROGRAM names, the one inside this package, or the one on PATH.

    Raises ProgramError if there is none.
    """
    named = os.environ.get("TRIMLLAVA_PROGRAM")
    if named:
        return named
    packaged = Path(__file__).parent / "program" / "trimllava"
    if packaged.exists():
        return str(packaged)
    found = shutil.which("trimllava")
    if found and Path(found).read_bytes()[:2] != b"#!":
        return found
    raise ProgramError(
        "the program trimllava was not found: it is neither in this package nor on PATH, and "
        "TRIMLLAVA_PROGRAM does not name it"
    )


class ServerProcess:
    """`trimllava serve` as a child that ends with this process.

    It listens on a Unix socket in a folder that only this user can read. `arguments` are those of the
    command.

    Raises ProgramError.
    """

    def __init__(self, arguments: Sequence[str], *, program: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="trimllava-")
        socket = os.path.join(self._folder.name, "socket")
        command = [
            program or program_path(), "serve", "--unix-socket", socket, "--exit-with-parent",
            "--quiet", *arguments,
        ]  # fmt: skip
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log
            )
        except OSError as error:
            self._log.close()
            self._folder.cleanup()
            raise ProgramError(f"{command[0]}: {error.strerror}") from error
        self.url = f"unix:{socket}"
        self._ended = threading.Lock()
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def process_id(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the child has not ended."""
        return self._process.poll() is None

    def _wait_until_ready(self) -> None:
        """Waits for the line that says where the server listens, then until the weights are loaded."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            json.loads(line)
        except ValueError:
            raise self._failure() from None
        address = Address(self.url)
        while True:
            try:
                address.get("/health")
                return
            except RequestError as error:
                if error.status != 503:
                    raise
            except ConnectionLost:
                pass
            if not self._runs_for(0.02):
                raise self._failure()

    def _runs_for(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
            return False
        except subprocess.TimeoutExpired:
            return True

    def _failure(self) -> ProgramError:
        """Why the child did not start, in its own words."""
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            return ProgramError("trimllava serve did not say where it listens")
        self._log.seek(0)
        message = self._log.read().decode("utf-8", "replace").strip()
        return ProgramError(message or f"trimllava serve ended with status {code}")

    def close(self) -> None:
        """Ends the child; answers in progress are cut off after two seconds."""
        with self._ended:
            for end in (self._process.terminate, self._process.terminate, self._process.kill):
                if self._process.poll() is None:
                    end()
                    try:
                        self._process.wait(2)
                    except subprocess.TimeoutExpired:
                        continue
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._log.close()
            self._folder.cleanup()
