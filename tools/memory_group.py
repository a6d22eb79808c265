# SPDX-License-Identifier: Apache-2.0
"""A control group that limits memory, for programs that are started in it."""

import os
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")


class NoGroupError(Exception):
    """Groups of memory cannot be made here; the message says why."""


class MemoryGroup:
    """A group below that of this process, without swap, of version 2 or 1.

    It is deleted at the end of a `with` block. Processes in it stay inside the limits of the groups
    around it.
    """

    def __init__(self) -> None:
        own, self._is_version_1 = _own_group()
        self._folder = own / f"trimllava-check-{os.getpid()}"
        try:
            self._folder.mkdir()
        except OSError as error:
            raise NoGroupError(f"{self._folder}: {error.strerror}") from None
        limit = "memory.limit_in_bytes" if self._is_version_1 else "memory.max"
        if not (self._folder / limit).exists():
            self._folder.rmdir()
            raise NoGroupError(f"{own}: the memory of groups in it is not limited")

    def __enter__(self) -> "MemoryGroup":
        return self

    def __exit__(self, *_: object) -> None:
        # The kernel needs a moment after the last process.
        for _ in range(50):
            try:
                self._folder.rmdir()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise NoGroupError(f"{self._folder}: cannot be deleted")

    def limit(self, size: int) -> None:
        """Limits the memory to so many bytes, after what earlier programs left in it is dropped."""
        if self._is_version_1:
            self._write("memory.force_empty", 0)
            self._write("memory.limit_in_bytes", size)
        else:
            self._write("memory.swap.max", 0)
            self._write("memory.max", size)

    def enter(self) -> None:
        """Puts the calling process into the group."""
        self._write("cgroup.procs", os.getpid())

    def kills(self) -> int:
        """How many processes the kernel has ended in it for lack of memory."""
        name = "memory.oom_control" if self._is_version_1 else "memory.events"
        counts = dict(line.split() for line in (self._folder / name).read_text().splitlines())
        return int(counts["oom_kill"])

    def _write(self, name: str, value: int) -> None:
        (self._folder / name).write_text(str(value))


def _own_group() -> tuple[Path, bool]:
    """The folder of this process's group, and whether it is of version 1."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return MOUNT / "memory" / path.lstrip("/"), True
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        group = MOUNT / path.lstrip("/")
        if not controllers and (group / "cgroup.controllers").exists():
            return group, False
    raise NoGroupError("there are no control groups")
