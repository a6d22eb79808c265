# SPDX-License-Identifier: Apache-2.0
"""All faults of a command, each in a fresh folder, several at a time."""

import queue
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from file_faults.contents import snapshot
from file_faults.library import Fault, Outcome, Runner
from file_faults.scenarios import Scenario
from file_faults.verdict import Expectation

# How each kind of call fails.
MODES: dict[str, tuple[str, ...]] = {
    "open": ("EIO", "EACCES", "EMFILE", "EINTR"),
    "read": ("EIO", "EINTR", "short"),
    "write": ("EIO", "ENOSPC", "EDQUOT", "EINTR", "short"),
    "fsync": ("EIO", "ENOSPC", "EINTR"),
    "rename": ("EIO", "ENOSPC", "EACCES"),
    "link": ("EIO", "ENOSPC", "EPERM"),
    "unlink": ("EIO", "EACCES"),
    "truncate": ("EIO", "EINTR"),
    "fallocate": ("ENOSPC", "EOPNOTSUPP"),
    "mkdir": ("EIO", "ENOSPC", "EACCES"),
    "mmap": ("ENOMEM", "ENODEV"),
    "close": ("EIO", "ENOSPC", "EINTR"),
    "flock": ("ENOLCK", "EINTR"),
    "stat": ("EIO", "EACCES"),
    "folder": ("EIO", "EACCES"),
    "chmod": ("EPERM",),
}
# A disk that stays full, one that is gone, one whose directories cannot be read, and no more descriptors.
LASTING = {"space": "ENOSPC", "any": "EIO", "stat": "EIO", "open": "EMFILE"}
KILLS = ("kill-before", "kill-after")


def all_faults(counts: dict[str, int]) -> Iterator[Fault]:
    """Every call of a run, in every mode."""
    for call, modes in MODES.items():
        for mode in modes:
            yield from (Fault(call, number, mode) for number in range(1, counts[call] + 1))
    for call, mode in LASTING.items():
        yield from (Fault(call, number, mode, True) for number in range(1, counts[call] + 1))
    for mode in KILLS:
        yield from (Fault("any", number, mode) for number in range(1, counts["any"] + 1))


@dataclass
class Tally:
    """What came of a scenario's runs."""

    runs: Counter[Fault] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[Fault, Outcome, list[str]]] = field(default_factory=list)


class Campaign:
    """The runs of one scenario."""

    def __init__(self, scenario: Scenario, runner: Runner, folder: Path, jobs: int) -> None:
        self.scenario = scenario
        self.runner = runner
        self.jobs = jobs
        self.template = folder / "template/case"
        self.template.mkdir(parents=True)
        self.workers: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(jobs):
            self.workers.put(folder / f"worker-{number}/case")
        scenario.prepare(self.template)
        if scenario.before:
            self.expect_success(self.run(self.template, scenario.before))
        self.expectation, self.counts = self.clean()

    def run(self, case: Path, arguments: Iterable[str], fault: Fault | None = None) -> Outcome:
        """Run the program in a folder."""
        if self.scenario.log:
            return self.runner.serve(list(arguments), case, fault, case / self.scenario.log)
        stdout = case / self.scenario.stdout if self.scenario.stdout else None
        command = [*(self.scenario.tool or [str(self.runner.program)]), *arguments]
        return self.runner.run(command, case, fault, stdout, self.scenario.environment)

    def fresh(self, case: Path) -> None:
        """Put what the command finds into a folder."""
        shutil.rmtree(case.parent, ignore_errors=True)
        shutil.copytree(self.template, case, symlinks=True)

    def expect_success(self, outcome: Outcome) -> None:
        """End where a run without faults fails."""
        if outcome.code != 0:
            raise SystemExit(f"check-faults: {self.scenario.name}: {outcome.code}: {outcome.stderr}")

    def clean(self) -> tuple[Expectation, dict[str, int]]:
        """The run without faults."""
        case = self.workers.get()
        self.fresh(case)
        before = snapshot(case)
        outcome = self.run(case, self.scenario.arguments)
        self.expect_success(outcome)
        self.workers.put(case)
        return Expectation(self.scenario, before, snapshot(case), outcome.stdout), outcome.counts

    def judge(self, fault: Fault) -> tuple[Fault, Outcome, list[str]]:
        """A run with a fault, and the run that continues it."""
        case = self.workers.get()
        try:
            self.fresh(case)
            outcome = self.run(case, self.scenario.arguments, fault)
            if outcome.hits == 0:
                return fault, outcome, []
            wrong = self.expectation.faults(fault, outcome, snapshot(case))
            if self.scenario.log:
                return fault, outcome, wrong
            continued = self.run(case, [*self.scenario.arguments, *self.scenario.resume])
            wrong += self.expectation.continued(continued, snapshot(case))
            return fault, outcome, wrong
        finally:
            self.workers.put(case)

    def tally(self, every: int, offset: int) -> Tally:
        """All runs, or every so many of them."""
        chosen = list(all_faults(self.counts))[offset % every :: every]
        tally = Tally()
        with ThreadPoolExecutor(self.jobs) as pool:
            for fault, outcome, wrong in pool.map(self.judge, chosen):
                if outcome.hits == 0:
                    continue
                tally.runs[fault] += 1
                tally.codes["killed" if fault.kills else str(outcome.code)] += 1
                if wrong:
                    tally.wrong.append((fault, outcome, wrong))
        return tally
