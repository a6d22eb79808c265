# SPDX-License-Identifier: Apache-2.0
"""The measuring machine: its processor, and the load by others."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import ComparisonError

# The share of one core that others may keep busy; a system's own services stay below it.
LARGEST_BUSY_CORES = 0.06
SAMPLE_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 600.0


def physical_cores() -> int:
    """The physical cores that this process may use."""
    cores = set()
    for processor in os.sched_getaffinity(0):
        topology = Path(f"/sys/devices/system/cpu/cpu{processor}/topology")
        try:
            package = (topology / "physical_package_id").read_text()
            cores.add((package, (topology / "core_id").read_text()))
        except OSError:
            cores.add((str(processor), ""))
    return len(cores)


def description() -> str:
    """Processor, cores and memory in one line."""
    model, flags = "unknown processor", set()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
        elif key.strip() == "flags":
            flags = set(value.split())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8")
    extensions = " ".join(name for name in known if name in flags)
    return f"{model}, {physical_cores()} cores, {memory:.0f} GiB, {extensions}"


def wait_until_idle(accepts_busy: bool) -> None:
    """Waits until nobody else uses the processor; fails after a time limit."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while (busy := busy_cores(SAMPLE_SECONDS)) > LARGEST_BUSY_CORES and not accepts_busy:
        if time.monotonic() > deadline:
            raise ComparisonError(
                f"other programs keep {busy:.2f} cores busy; stop them, or measure with --busy"
            )
        print(f"waiting: other programs keep {busy:.2f} cores busy", file=sys.stderr)


def busy_cores(seconds: float) -> float:
    """How many cores were busy on average over the given time."""
    watch = OthersWatch()
    time.sleep(seconds)
    return watch.busy_cores()


class OthersWatch:
    """Measures how many cores other processes have used, except for finished children."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.before = busy_seconds() - child_seconds()

    def busy_cores(self) -> float:
        others = busy_seconds() - child_seconds() - self.before
        return max(0.0, others) / (time.monotonic() - self.started)


def busy_seconds() -> float:
    """The busy time of all processors since the system's start."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = ticks
    busy = user + nice + system + interrupts + soft_interrupts + stolen
    return busy / os.sysconf("SC_CLK_TCK")


def child_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


@contextlib.contextmanager
def holding(lock: Path | None) -> Iterator[None]:
    """Holds the lock file, if one is given, until the block ends."""
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
