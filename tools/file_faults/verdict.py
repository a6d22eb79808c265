# SPDX-License-Identifier: Apache-2.0
"""What must hold after a run in which a call went wrong, and after the run that continues it."""

import errno
import os
from pathlib import Path

from file_faults.contents import Snapshot, comparable, flaw, is_temporary, target_name
from file_faults.library import Fault, Outcome
from file_faults.scenarios import PAIR, Scenario

# What the program may end with where a file fails; the others say that the user gave wrong options.
DOCUMENTED = (0, 1)
# One interrupted or short call is no failure.
HARMLESS = ("EINTR", "short")
CACHE_ENDINGS = (".panels", ".prefix")


class Expectation:
    """What a command finds, and what it makes when nothing fails."""

    def __init__(self, scenario: Scenario, before: Snapshot, after: Snapshot, stdout: str) -> None:
        self.scenario = scenario
        self.before = before
        self.after = after
        self.stdout = stdout

    @property
    def outputs(self) -> set[str]:
        """What the command makes or changes."""
        return {path for path, content in self.after.items() if self.before.get(path) != content}

    def faults(self, fault: Fault, outcome: Outcome, found: Snapshot) -> list[str]:
        """What is wrong after a run with a fault."""
        wrong = self.of_ending(fault, outcome) + self.of_files(fault, outcome, found)
        if outcome.code == 0 and self.scenario.log:
            wrong += self.of_log(fault, outcome, found)
        elif outcome.code == 0:
            wrong += self.of_success(outcome, found)
        elif fault.mode in HARMLESS and not fault.stays and not fault.kills:
            wrong.append(f"one {fault.mode} call is a failure")
        return wrong

    def of_ending(self, fault: Fault, outcome: Outcome) -> list[str]:
        """Whether the program ended as documented and said why."""
        if outcome.code is None:
            return ["does not end"]
        if fault.kills:
            return [] if outcome.code == -9 else [f"ends with {outcome.code} instead of a kill"]
        if outcome.code not in DOCUMENTED:
            return [f"ends with {outcome.code}"]
        if outcome.code == 0:
            return []
        wrong = []
        if not self.names_file(fault, outcome):
            wrong.append("the message does not name the file")
        if fault.mode.startswith("E") and os.strerror(getattr(errno, fault.mode)) not in outcome.stderr:
            wrong.append("the message lacks the reason")
        return wrong

    def names_file(self, fault: Fault, outcome: Outcome) -> bool:
        """Whether the message has the name of the file that was hit."""
        if self.scenario.stdout and "output" in outcome.stderr:
            return True
        names = {target_name(outcome.path)}
        if fault.stays:
            # The first fault may be harmless, and a later one end the run.
            paths = [Path(path) for path in self.before.keys() | self.after.keys()]
            names |= {step for path in paths for step in path.parts} | set(PAIR)
        return any(name in outcome.stderr for name in names)

    def of_files(self, fault: Fault, outcome: Outcome, found: Snapshot) -> list[str]:
        """Whether every file is the old one, the new one or whole lines of it."""
        left = found.keys() - self.after.keys() - self.before.keys()
        wrong = [f"{path} stays behind" for path in sorted(left) if not self.may_stay(path, fault, outcome)]
        for path, content in self.before.items():
            if path not in found:
                wrong.append(f"{path} is lost")
            elif path not in self.outputs and found[path] != content:
                wrong.append(f"{path} is changed")
        for path in sorted(self.outputs & found.keys()):
            content = found[path]
            if content in (self.before.get(path), self.after[path]):
                continue
            if self.scenario.stdout == path:
                continue
            problem = flaw(path, content)
            if problem:
                wrong.append(f"{path} is torn: {problem}")
        return wrong

    def may_stay(self, path: str, fault: Fault, outcome: Outcome) -> bool:
        """Whether a file may be left over: because the process was killed, or files cannot be deleted."""
        if is_temporary(path) and (
            fault.kills or "unlink" in (outcome.call, fault.call) or fault.call == "any"
        ):
            return True
        # The cache of a model whose path cannot be resolved has another name.
        is_renamed_cache = self.scenario.is_cache and path.endswith(CACHE_ENDINGS) and outcome.call == "stat"
        return is_renamed_cache or path.endswith(self.scenario.kept_endings)

    def of_success(self, outcome: Outcome, found: Snapshot) -> list[str]:
        """Whether a run that says that it succeeded made everything."""
        if not self.scenario.is_cache:
            return [f"exit code 0, but {difference}" for difference in self.differences(found)]
        wrong = [] if outcome.stdout == self.stdout else ["exit code 0, but another answer"]
        made = {path: content for path, content in found.items() if path in self.after}
        differences = self.differences(made)
        is_renamed = any(path.endswith(CACHE_ENDINGS) for path in found.keys() - self.after.keys())
        if differences and not is_renamed and "trimllava: " not in outcome.stderr:
            wrong.append(f"no warning, but {differences[0]}")
        return wrong + [text for text in differences if not text.endswith("is missing")]

    def of_log(self, fault: Fault, outcome: Outcome, found: Snapshot) -> list[str]:
        """Whether a server answered, whatever happened to its log, and counted the lines that it lost."""
        wrong = [] if outcome.stdout == self.stdout else [f"answers are {outcome.stdout}"]
        return wrong if fault.stays else wrong + self.differences(found)

    def continued(self, outcome: Outcome, found: Snapshot) -> list[str]:
        """What is wrong after the run that continues."""
        wrong = (
            []
            if outcome.code == 0
            else [f"continuing ends with {outcome.code}: {outcome.stderr.strip()[-300:]}"]
        )
        wrong += [f"after continuing, {difference}" for difference in self.differences(found, in_order=False)]
        if self.scenario.is_cache:
            wrong = [
                text
                for text in wrong
                if not text.endswith(tuple(f"{end} stays behind" for end in CACHE_ENDINGS))
            ]
        if self.scenario.is_cache and outcome.stdout != self.stdout:
            wrong.append("after continuing, another answer")
        return wrong

    def differences(self, found: Snapshot, *, in_order: bool = True) -> list[str]:
        """How files differ from those of a run without faults."""
        wrong = [f"{path} stays behind" for path in sorted(found.keys() - self.after.keys())]
        for path, content in self.after.items():
            if path not in found:
                wrong.append(f"{path} is missing")
            elif content != found[path]:
                same = path in self.outputs and equal(path, content, found[path], in_order)
                wrong += [] if same else [f"{path} differs"]
        return wrong


def equal(path: str, first: bytes, second: bytes, in_order: bool) -> bool:
    """Whether two files have the same content, without times."""
    try:
        return comparable(path, first, in_order=in_order) == comparable(path, second, in_order=in_order)
    except Exception:
        return False
