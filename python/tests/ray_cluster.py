# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster of two nodes on this machine, whose answers are counted and whose parts die."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from ray.cluster_utils import Cluster

COUNTING_PROGRAM = """#!/bin/bash
# Keeps the server's log, in which every answer is a line.
arguments=()
for argument in "$@"; do [[ $argument == --quiet ]] || arguments+=("$argument"); done
exec "{program}" "${{arguments[@]}}" 2> >(exec tee -a "{logs}/$$" >&2)
"""


class TwoNodes:
    """A head without cores and two nodes, each with room for one actor."""

    def __init__(self, folder: Path, program: str, packages: Path) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        script = folder / "trimllava"
        script.write_text(COUNTING_PROGRAM.format(program=program, logs=self.logs))
        script.chmod(0o755)
        # The nodes' workers inherit the environment.
        os.environ.update(
            TRIMLLAVA_PROGRAM=str(script), PYTHONPATH=str(packages), RAY_USAGE_STATS_ENABLED="0"
        )
        store = 100 << 20
        head = {"num_cpus": 0, "object_store_memory": store, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._node = {"num_cpus": 1, "object_store_memory": store, "resources": {"trimllava": 1}}
        self._nodes = [self._cluster.add_node(**self._node) for _ in range(2)]
        self._cluster.wait_for_nodes()

    def close(self) -> None:
        self._cluster.shutdown()

    def command(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Starts `python -m trimllava.ray` on the cluster, with one actor on each node."""
        return subprocess.Popen(
            [
                sys.executable, "-m", "trimllava.ray", *map(str, arguments),
                "--address", self._cluster.address, "--actors", "2", "--cpus", "1", "--resource", "trimllava",
            ],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def answers(self) -> int:
        """How many pictures all servers have answered so far."""
        return sum(log.read_text().count("status=200") for log in self.logs.iterdir())

    def kill_server(self, lot: random.Random) -> None:
        os.kill(lot.choice(self._servers()), signal.SIGKILL)

    def kill_worker(self, lot: random.Random) -> None:
        """Kills the actor's process that a server belongs to."""
        os.kill(_parent(lot.choice(self._servers())), signal.SIGKILL)

    def kill_node(self, lot: random.Random) -> None:
        """Kills all processes of a node; a new node takes its place."""
        dead = self._nodes.pop(lot.randrange(2))
        self._cluster.remove_node(dead, allow_graceful=False)
        self._nodes.append(self._cluster.add_node(**self._node))

    def _servers(self) -> list[int]:
        """The servers that run on the nodes; waits for one."""
        while True:
            raylets = {node.all_processes["raylet"][0].process.pid for node in self._nodes}
            found = [process for process in _processes("--unix-socket") if raylets & _ancestors(process)]
            if found:
                return sorted(found)
            time.sleep(0.05)


def _processes(argument: str) -> list[int]:
    """Processes that were started with this argument."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdecimal() else []
            if argument.encode() in arguments:
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended
    return found


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def _ancestors(process: int) -> set[int]:
    found = set()
    while process > 1:
        process = _parent(process)
        found.add(process)
    return found
