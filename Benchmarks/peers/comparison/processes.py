# SPDX-License-Identifier: Apache-2.0
"""Runs commands: to install something, or to measure time and memory."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import ComparisonError

LAST_LINES = 20  # of a failed command, shown in the error


@dataclass(frozen=True)
class Line:
    """A line of output and when it was complete, in seconds since the process was started."""

    text: str
    seconds: float


@dataclass(frozen=True)
class Finished:
    """The output, time and memory of a measured process."""

    output: str
    messages: list[Line]  # of standard error
    first_output_seconds: float | None  # first byte on standard output
    seconds: float
    peak_bytes: int  # largest resident set


def install(command: list[str | Path], environment: dict[str, str] | None = None) -> None:
    """Runs a command that builds or installs something; its output goes to standard error."""
    print(f"$ {shlex.join(map(str, command))}", file=sys.stderr)
    status = subprocess.run(
        command, stdout=sys.stderr, env={**os.environ, **(environment or {})}
    ).returncode
    if status != 0:
        raise ComparisonError(f"`{shlex.join(map(str, command))}` ended with {status}")


def measure(command: list[str | Path], stop_at: str | None = None) -> Finished:
    """Runs a command to its end, or until a line of standard error holds `stop_at`."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    messages: list[Line] = []
    reader = threading.Thread(target=read_messages, args=(process, started, messages, stop_at))
    reader.start()
    first_byte = process.stdout.read(1)
    first_output_seconds = time.monotonic() - started if first_byte else None
    output = (first_byte + process.stdout.read()).decode(errors="replace")
    reader.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode != 0 and stop_at is None:
        last = "\n".join(line.text for line in messages[-LAST_LINES:])
        raise ComparisonError(
            f"`{shlex.join(map(str, command))}` ended with {process.returncode}:\n{last}"
        )
    return Finished(output, messages, first_output_seconds, seconds, usage.ru_maxrss * 1024)


def read_messages(
    process: subprocess.Popen, started: float, messages: list[Line], stop_at: str | None
) -> None:
    """Collects standard error with times, and ends the process after the stopping line."""
    for line in process.stderr:
        text = line.decode(errors="replace").rstrip()
        messages.append(Line(text, time.monotonic() - started))
        if stop_at is not None and stop_at in text:
            process.kill()
