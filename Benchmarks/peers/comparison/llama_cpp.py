# SPDX-License-Identifier: Apache-2.0
"""llama.cpp, by llama-bench for text and llama-mtmd-cli for pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import processes
from .errors import ComparisonError
from .llama_cpp_build import LlamaCppBuild
from .models import ModelFiles, model_files, python_programs
from .quiet import undisturbed
from .workload import (
    CONTEXT,
    DECODE,
    DECODE_CONTEXT,
    DECODE_TOKENS,
    FIRST_TOKEN,
    LOAD,
    PEAK,
    PREFILL_TOKENS,
    PRUNED_FIRST_TOKEN,
    QUESTION,
    VISION,
    Figures,
    Run,
    Workload,
    prefill,
)

# llama-mtmd-cli prints these after it has loaded the model and after it has encoded a picture.
LOADED = "loading model:"
ENCODED = re.compile(r"mtmd batch encoding done in (\d+) ms")
PROBE_TEST = ["-p", "128", "-n", "0"]
DECODE_TEST = ["-p", "0", "-n", str(DECODE_TOKENS), "-d", str(DECODE_CONTEXT)]
MMPROJ_TYPES = ("F16", "BF16", "Q8_0")
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Setting:
    flash_attention: bool
    repack: bool

    @property
    def text(self) -> str:
        attention = "with" if self.flash_attention else "without"
        repacking = "repacked" if self.repack else "not repacked"
        return f"{attention} flash attention, {repacking}"


SETTINGS = [Setting(attention, repack) for attention in (True, False) for repack in (True, False)]


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, run: Run) -> None:
        self.folders, self.options = run.folders, run.options
        self.build = LlamaCppBuild(run.folders.work)
        self.fastest: dict[tuple[Workload, str], Setting] = {}  # once probed
        self.mmproj_type: str | None = None

    def install(self) -> None:
        self.build.install(python_programs(self.folders))

    def prepare(self, workload: Workload) -> None:
        for mmproj_type in MMPROJ_TYPES:
            model_files(self.folders, workload, mmproj_type)

    def tune(self, workload: Workload) -> None:
        """Finds the fastest settings for prefill, decode and, once, the vision tower."""
        for test, arguments in (("prefill", PROBE_TEST), ("decode", DECODE_TEST)):
            rates = {}
            for setting in SETTINGS:
                measure = partial(self.rate, workload, setting, arguments)
                rates[setting] = undisturbed(measure, self.options)
            self.fastest[workload, test] = max(rates, key=rates.__getitem__)
        if self.mmproj_type is None:
            seconds = {}
            for self.mmproj_type in MMPROJ_TYPES:
                figures = undisturbed(partial(self.picture, workload), self.options)
                seconds[self.mmproj_type] = figures.samples[VISION]
            self.mmproj_type = min(seconds, key=seconds.__getitem__)

    def version(self) -> str:
        return self.build.version()

    def settings(self) -> str:
        chosen = "; ".join(
            f"{workload.name} {test} {setting.text}"
            for (workload, test), setting in self.fastest.items()
        )
        return (
            "GGML_NATIVE, files mapped, the fastest of flash attention and repacking on and off "
            f"({chosen}); vision tower from the {self.mmproj_type} file, of which it runs 22 of "
            "the 23 blocks"
        )

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        prefills = [partial(self.prefill, workload, tokens) for tokens in PREFILL_TOKENS]
        others = (self.decode, self.load, self.picture)
        return [*prefills, *(partial(step, workload) for step in others)]

    def files(self, workload: Workload) -> ModelFiles:
        return model_files(self.folders, workload, self.mmproj_type or MMPROJ_TYPES[0])

    def prefill(self, workload: Workload, tokens: int) -> Figures:
        setting = self.fastest[workload, "prefill"]
        rate = self.rate(workload, setting, ["-p", str(tokens), "-n", "0"])
        return Figures.of({prefill(tokens): rate})

    def decode(self, workload: Workload) -> Figures:
        rate = self.rate(workload, self.fastest[workload, "decode"], DECODE_TEST)
        return Figures.of({DECODE: rate})

    def load(self, workload: Workload) -> Figures:
        """Loads without a warm-up run, which is not part of loading."""
        finished = self.describe(workload, "--no-warmup", stop_at=LOADED)
        return Figures.of({LOAD: self.seconds_at(finished, LOADED)})

    def picture(self, workload: Workload) -> Figures:
        finished = self.describe(workload)
        encoded = next(filter(None, (ENCODED.search(m.text) for m in finished.messages)), None)
        if encoded is None or finished.first_output_seconds is None:
            raise ComparisonError("llama-mtmd-cli encoded no picture, or answered nothing")
        seconds = finished.first_output_seconds - self.seconds_at(finished, LOADED)
        return Figures.of(
            {
                VISION: int(encoded[1]) / 1e3,
                FIRST_TOKEN: seconds,
                PRUNED_FIRST_TOKEN: seconds,
                PEAK: finished.peak_bytes / GIBIBYTE,
            }
        )

    def rate(self, workload: Workload, setting: Setting, test: list[str]) -> float:
        """Tokens per second in a test of llama-bench."""
        finished = processes.measure(
            [
                *(self.build.programs / "llama-bench", "-m", self.files(workload).text),
                *("-t", str(self.options.threads), "-r", "1", "-o", "json"),
                *("-fa", str(int(setting.flash_attention)), "--repack", str(int(setting.repack))),
                *test,
            ]
        )
        [row] = json.loads(finished.output)
        return row["avg_ts"]

    def describe(
        self, workload: Workload, *arguments: str, stop_at: str | None = None
    ) -> processes.Finished:
        files = self.files(workload)
        setting = self.fastest[workload, "prefill"]
        return processes.measure(
            [
                self.build.programs / "llama-mtmd-cli",
                *("-m", files.text, "--mmproj", files.mmproj),
                *("-t", str(self.options.threads), "-c", str(CONTEXT), "-n", "1"),
                *("-fa", "on" if setting.flash_attention else "off"),
                *(() if setting.repack else ("--no-repack",)),
                *("--chat-template", "vicuna", "--temp", "0"),
                *("--image", self.folders.picture, "-p", QUESTION),
                *arguments,
            ],
            stop_at,
        )

    @staticmethod
    def seconds_at(finished: processes.Finished, text: str) -> float:
        for line in finished.messages:
            if text in line.text:
                return line.seconds
        raise ComparisonError(f"llama-mtmd-cli did not print `{text}`")
