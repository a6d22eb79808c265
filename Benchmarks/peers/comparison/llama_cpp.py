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
from .models import ModelFiles, make_picture, model_files, python_programs
from .quiet import undisturbed
from .workload import (
    DECODE,
    DECODE_CONTEXT,
    DECODE_TOKENS,
    FEW_TILES_FIRST_TOKEN,
    FIRST_TOKEN,
    KEPT_SHARES,
    LOAD,
    PEAK,
    PREFILL_TOKENS,
    QUESTION,
    TILE,
    VISION,
    Figures,
    Run,
    Workload,
    prefill,
    pruned_first_token,
)

# llama-mtmd-cli prints these after it has loaded the model and after it has encoded a tile.
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


@dataclass(frozen=True)
class PictureSetting:
    """How a picture is read: the format of the vision tower's file, and the setting of tower and decoder."""

    mmproj_type: str
    setting: Setting

    @property
    def text(self) -> str:
        return f"{self.mmproj_type} {self.setting.text}"


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, run: Run) -> None:
        self.folders, self.options = run.folders, run.options
        self.build = LlamaCppBuild(run.folders.work)
        self.fastest: dict[tuple[Workload, str], Setting] = {}  # once probed
        self.fastest_pictures: dict[Workload, PictureSetting] = {}  # once probed

    def install(self) -> None:
        self.build.install(python_programs(self.folders))

    def prepare(self, workload: Workload) -> None:
        make_picture(self.folders, workload)
        for mmproj_type in MMPROJ_TYPES:
            model_files(self.folders, workload, mmproj_type)

    def tune(self, workload: Workload) -> None:
        """Finds the fastest settings for prefill, decode and a picture's first token."""
        for test, arguments in (("prefill", PROBE_TEST), ("decode", DECODE_TEST)):
            rates = {}
            for setting in SETTINGS:
                measure = partial(self.rate, workload, setting, arguments)
                rates[setting] = undisturbed(measure, self.options)
            self.fastest[workload, test] = max(rates, key=rates.__getitem__)
        seconds = {}
        repack = self.fastest[workload, "prefill"].repack
        # The vision tower obeys the choice of attention, too, and may be faster with the other one.
        for attention in (True, False):
            for mmproj_type in MMPROJ_TYPES:
                candidate = PictureSetting(mmproj_type, Setting(attention, repack))
                self.fastest_pictures[workload] = candidate
                figures = undisturbed(partial(self.picture, workload), self.options)
                seconds[candidate] = figures.samples[FIRST_TOKEN]
        self.fastest_pictures[workload] = min(seconds, key=seconds.__getitem__)

    def version(self) -> str:
        return self.build.version()

    def settings(self) -> str:
        chosen = "; ".join(
            f"{workload.name} {test} {setting.text}"
            for (workload, test), setting in self.fastest.items()
        )
        pictures = ", ".join(
            f"{workload.name} {chosen.text}" for workload, chosen in self.fastest_pictures.items()
        )
        return (
            "GGML_NATIVE, files mapped, the fastest of flash attention and repacking on and off "
            f"({chosen}); for pictures, the fastest of attention on and off and of the tower's files "
            f"({pictures}); of LLaVA's tower it runs 22 of the 23 blocks"
        )

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        prefills = [partial(self.prefill, workload, tokens) for tokens in PREFILL_TOKENS]
        others = (self.decode, self.load, self.picture)
        return [*prefills, *(partial(step, workload) for step in others)]

    def files(self, workload: Workload) -> ModelFiles:
        chosen = self.fastest_pictures.get(workload)
        return model_files(self.folders, workload, chosen.mmproj_type if chosen else MMPROJ_TYPES[0])

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
        tiles = [int(found[1]) / 1e3 for m in finished.messages if (found := ENCODED.search(m.text))]
        if len(tiles) != workload.tiles or finished.first_output_seconds is None:
            raise ComparisonError(
                f"llama-mtmd-cli encoded {len(tiles)} of {workload.tiles} tiles, or answered nothing"
            )
        seconds = finished.first_output_seconds - self.seconds_at(finished, LOADED)
        pruned = dict.fromkeys(map(pruned_first_token, KEPT_SHARES), seconds)
        tiled = {TILE: sum(tiles) / len(tiles), FEW_TILES_FIRST_TOKEN: seconds}
        return Figures.of(
            {
                VISION: sum(tiles),
                FIRST_TOKEN: seconds,
                **pruned,
                **(tiled if workload.tiles > 1 else {}),
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
        setting = self.fastest_pictures[workload].setting
        return processes.measure(
            [
                self.build.programs / "llama-mtmd-cli",
                *("-m", files.text, "--mmproj", files.mmproj),
                *("-t", str(self.options.threads), "-c", str(workload.context), "-n", "1"),
                *("-fa", "on" if setting.flash_attention else "off"),
                *(() if setting.repack else ("--no-repack",)),
                *(("--chat-template", "vicuna") if workload.is_llava else ()),
                *("--temp", "0"),
                *("--image", self.folders.picture(workload), "-p", QUESTION),
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
