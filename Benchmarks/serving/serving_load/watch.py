# SPDX-License-Identifier: Apache-2.0
"""What a running process holds: memory, descriptors, threads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 1.0  # between two samples


@dataclass(frozen=True)
class Sample:
    """What a process holds at a moment."""

    seconds: float  # since the first sample
    done: int  # pictures or answers until then
    resident: int  # bytes
    anonymous: int  # bytes of them that no file backs
    descriptors: int
    threads: int


def status(process: int) -> dict[str, int]:
    """The numbers that the system reports about a process (Linux); sizes are in KiB."""
    text = Path(f"/proc/{process}/status").read_text()
    return {name: int(number) for name, number in re.findall(r"^(\w+):\s*(\d+)(?: kB)?$", text, re.MULTILINE)}


def sample(process: int, seconds: float, done: int) -> Sample | None:
    """What a process holds now; nothing if it has ended."""
    try:
        numbers = status(process)
        descriptors = len(os.listdir(f"/proc/{process}/fd"))
        sizes = numbers["VmRSS"] << 10, numbers["RssAnon"] << 10
        return Sample(seconds, done, *sizes, descriptors, numbers["Threads"])
    except (OSError, KeyError):
        return None


@dataclass
class Watch:
    """Samples of a process, one a second, with a count of what it has done."""

    process: int
    done: Callable[[], int] = lambda: 0
    samples: list[Sample] = field(default_factory=list)

    @contextlib.contextmanager
    def sampled(self) -> Iterator[Watch]:
        task = asyncio.ensure_future(self._sample())
        try:
            yield self
        finally:
            task.cancel()

    async def _sample(self) -> None:
        started = time.monotonic()
        while found := sample(self.process, time.monotonic() - started, self.done()):
            self.samples.append(found)
            await asyncio.sleep(SECONDS)


def growth(
    samples: Sequence[Sample], value: Callable[[Sample], float], over: Callable[[Sample], float]
) -> float:
    """How much a value grows with another one in the second half, by least squares."""
    half = samples[len(samples) // 2 :]
    values, places = [value(each) for each in half], [over(each) for each in half]
    if len(set(places)) < 2:
        return 0.0
    mean, middle = sum(values) / len(half), sum(places) / len(half)
    pairs = zip(values, places, strict=True)
    covariance = sum((place - middle) * (value - mean) for value, place in pairs)
    return covariance / sum((place - middle) ** 2 for place in places)
