# SPDX-License-Identifier: Apache-2.0
"""OpenVINO GenAI: it measures the workloads of the families that it has."""

from __future__ import annotations

from collections.abc import Callable

from .openvino_family import RUNTIME_PACKAGES, OpenVINOFamily
from .openvino_llava import OpenVINOLLaVA
from .openvino_qwen import OpenVINOQwen
from .workload import Figures, Run, Workload


class OpenVINOGenAI:
    name = "OpenVINO GenAI"

    def __init__(self, run: Run) -> None:
        self.families = (OpenVINOLLaVA(run), OpenVINOQwen(run))

    def family(self, workload: Workload) -> OpenVINOFamily | None:
        """The workload's family; none of SmolVLM."""
        return next((family for family in self.families if family.measures(workload)), None)

    def install(self) -> None:
        """Does nothing: each family has packages of its own, which `prepare` installs."""

    def prepare(self, workload: Workload) -> None:
        if family := self.family(workload):
            family.prepare(workload)

    def tune(self, workload: Workload) -> None:
        if family := self.family(workload):
            family.tune(workload)

    def version(self) -> str:
        return f"{self.name} {RUNTIME_PACKAGES[1].partition('==')[2]}"

    def settings(self) -> str:
        settings = (family.settings() for family in self.families)
        return "; ".join(filter(None, settings)) or "not probed"

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        family = self.family(workload)
        return family.steps(workload) if family else []
