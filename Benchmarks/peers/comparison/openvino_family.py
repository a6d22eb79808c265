# SPDX-License-Identifier: Apache-2.0
"""What OpenVINO GenAI needs for a family of models: packages, models, and their fastest settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from . import processes
from .models import virtual_environment
from .quiet import undisturbed
from .workload import Figures, Run, Workload

RUNTIME_PACKAGES = (
    "openvino==2026.4.1",
    "openvino-genai==2026.4.1.0",
    "nncf==3.4.0",
    "optimum-intel==2.2.0",
    "torch==2.15.0",
)
PROGRAMS = Path(__file__).parents[1] / "openvino_programs"
GIBIBYTE = 2**30
Setting = TypeVar("Setting")


class OpenVINOFamily:
    """A family of models in a folder of its own, with its own virtual environment."""

    def __init__(self, run: Run, folder: str, packages: tuple[str, ...]) -> None:
        self.folders, self.options = run.folders, run.options
        self.folder = run.folders.work / folder
        self.models = self.folder / "models"
        self.packages = packages

    def measures(self, workload: Workload) -> bool:
        """Whether the workload's model is of the family."""
        raise NotImplementedError

    def prepare(self, workload: Workload) -> None:
        """Installs the packages and makes the models that are missing."""
        raise NotImplementedError

    def tune(self, workload: Workload) -> None:
        """Finds the fastest settings."""
        raise NotImplementedError

    def settings(self) -> str | None:
        """The settings, once they are found."""
        raise NotImplementedError

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        """Short measurements that each give a sample of some quantities."""
        raise NotImplementedError

    def install(self) -> None:
        self.python = virtual_environment(self.folder / "python", self.packages) / "python"

    def make(self, name: str, program: str, *arguments: str) -> None:
        folder, unfinished = self.models / name, self.models / f"{name}-unfinished"
        if folder.exists():
            return
        shutil.rmtree(unfinished, ignore_errors=True)
        tools = str(self.folders.repository / "tools")
        command = [self.python, PROGRAMS / program, unfinished, *arguments]
        processes.install(command, {"PYTHONPATH": tools})
        unfinished.rename(folder)

    def fastest(
        self, seconds: Callable[[Setting], float], settings: tuple[Setting, ...]
    ) -> Setting:
        def undisturbed_seconds(setting: Setting) -> float:
            return undisturbed(partial(seconds, setting), self.options)

        return min(settings, key=undisturbed_seconds)

    def timed(self, program: str, *arguments: str | Path) -> tuple[dict, processes.Finished]:
        """What a timing program prints, and its process."""
        threads = ("--threads", str(self.options.threads))
        finished = processes.measure([self.python, PROGRAMS / program, *threads, *arguments])
        return json.loads(finished.output), finished


def property_text(properties: dict) -> str:
    return " ".join(f"{name}={value}" for name, value in properties.items())
