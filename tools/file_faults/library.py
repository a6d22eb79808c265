# SPDX-License-Identifier: Apache-2.0
"""The library of Tests/Faults, and runs of the program with it."""

import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

SOURCE = Path(__file__).parent.parent.parent / "Tests/Faults/faults.c"
COUNTER = struct.Struct("12sI")
COUNTERS = 18
STATE_SIZE = 8192
PATIENCE = 120


def build(folder: Path) -> Path:
    """Compile the library."""
    compiler = shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        raise SystemExit("check-faults: neither clang nor cc is installed")
    library = folder / "faults.so"
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, "-O1", *warnings, "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library


@dataclass(frozen=True)
class Fault:
    """What goes wrong: a call by its number from 1, or all calls from that one on."""

    call: str
    number: int
    mode: str
    stays: bool = False

    @property
    def kills(self) -> bool:
        """Whether the process ends there."""
        return self.mode.startswith("kill")

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {self.mode}{', from then on' if self.stays else ''}"

    @property
    def environment(self) -> dict[str, str]:
        """What the library reads."""
        mode = str(getattr(errno, self.mode)) if self.mode.startswith("E") else self.mode
        stays = {"FAULTS_STAYS": "1"} if self.stays else {}
        return {"FAULTS_CALL": self.call, "FAULTS_NUMBER": str(self.number), "FAULTS_MODE": mode} | stays


@dataclass
class Outcome:
    """How a run ended, and what the library saw."""

    code: int | None
    stdout: str
    stderr: str
    counts: dict[str, int] = field(default_factory=dict)
    hits: int = 0
    call: str = ""
    path: str = ""


class Runner:
    """Starts the program with the library loaded."""

    def __init__(self, program: Path, library: Path, watched: Path) -> None:
        self.program = program
        self.library = library
        self.watched = watched

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        fault: Fault | None = None,
        stdout: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> Outcome:
        """Run a command in a folder; the code is None where it does not end."""
        with tempfile.NamedTemporaryFile(prefix="faults-") as state:
            state.truncate(STATE_SIZE)
            variables = self.environment(Path(state.name), fault) | (environment or {})
            output = stdout.open("wb") if stdout else None
            try:
                ended = subprocess.run(
                    command,
                    cwd=folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=output or subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    timeout=PATIENCE,
                )
            except subprocess.TimeoutExpired as expired:
                return Outcome(None, "", (expired.stderr or b"").decode(errors="replace"))
            finally:
                if output:
                    output.close()
            outcome = Outcome(
                ended.returncode,
                (ended.stdout or b"").decode(errors="replace"),
                ended.stderr.decode(errors="replace"),
            )
            read_state(Path(state.name).read_bytes(), outcome)
            return outcome

    def serve(self, arguments: Sequence[str], folder: Path, fault: Fault | None, log: Path) -> Outcome:
        """Run a server until it has answered some requests; faults are those of its log alone."""
        with tempfile.NamedTemporaryFile(prefix="faults-") as state, log.open("ab") as errors:
            state.truncate(STATE_SIZE)
            variables = self.environment(Path(state.name), fault) | {"FAULTS_NAME": log.name}
            command = [str(self.program), *arguments]
            server = subprocess.Popen(
                command,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
            assert server.stdout is not None
            answers = ask(server.stdout.readline())
            server.send_signal(signal.SIGTERM)
            try:
                code: int | None = server.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                server.kill()
                code = None
            outcome = Outcome(code, answers, log.read_text(errors="replace"))
            read_state(Path(state.name).read_bytes(), outcome)
            return outcome

    def environment(self, state: Path, fault: Fault | None) -> dict[str, str]:
        """The environment of a run."""
        kept = {
            name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")
        }
        plan = fault.environment if fault else {}
        return (
            kept
            | plan
            | {
                "HOME": str(self.watched),
                "LD_PRELOAD": str(self.library),
                "FAULTS_FOLDER": str(self.watched),
                "FAULTS_STATE": str(state),
            }
        )


def ask(address: bytes) -> str:
    """Send requests to the server that printed its address; return the statuses of its answers."""
    if not address:
        return "no address"
    url = json.loads(address)["url"]
    # The server does not log these requests.
    while status(url + "health") == "503":
        time.sleep(0.01)
    return " ".join(status(url + path) for path in ["v1/models", "nothing", "health", "v1/models"])


def status(url: str) -> str:
    """The status of an answer, or why there is none."""
    try:
        with urlopen(url, timeout=PATIENCE) as answer:
            return str(answer.status)
    except HTTPError as error:
        return str(error.code)
    except OSError as error:
        return type(error).__name__


def read_state(state: bytes, outcome: Outcome) -> None:
    """Take the counts, and the first call that was hit."""
    for index in range(COUNTERS):
        name, count = COUNTER.unpack_from(state, index * COUNTER.size)
        outcome.counts[text(name)] = count
    place = COUNTERS * COUNTER.size
    (outcome.hits,) = struct.unpack_from("I", state, place)
    outcome.call = text(state[place + 4 : place + 16])
    outcome.path = text(state[place + 16 :])


def text(characters: bytes) -> str:
    """A C string."""
    return characters.partition(b"\0")[0].decode(errors="replace")
