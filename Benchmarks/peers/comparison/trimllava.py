# SPDX-License-Identifier: Apache-2.0
"""TrimLLaVA, by `trimllava run --json`: every figure comes from a separate process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial

from . import processes
from .errors import ComparisonError
from .models import make_picture, model_files
from .workload import (
    DECODE,
    DECODE_CONTEXT,
    DECODE_TOKENS,
    FEW_TILES,
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

# One token of the synthetic vocabularies, with the space before it.
WORD = "the"
GIBIBYTE = 2**30


class TrimLLaVA:
    name = "TrimLLaVA"

    def __init__(self, run: Run) -> None:
        self.folders, self.options = run.folders, run.options

    def install(self) -> None:
        build = ["swift", "build", "-c", "release", "--package-path", self.folders.repository]
        processes.install([*build, "--product", "trimllava"])
        shown = subprocess.run(
            [*build, "--show-bin-path"], check=True, capture_output=True, text=True
        )
        self.program = f"{shown.stdout.strip()}/trimllava"

    def prepare(self, workload: Workload) -> None:
        make_picture(self.folders, workload)
        model_files(self.folders, workload)

    def tune(self, workload: Workload) -> None:
        """Does nothing: the defaults, or the given options, are measured."""

    def version(self) -> str:
        described = subprocess.run(
            ["git", "-C", self.folders.repository, "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
        )
        return f"TrimLLaVA {described.stdout.strip()}".rstrip()

    def settings(self) -> str:
        options = " ".join(self.options.trimllava_options) or "default options"
        selector = f"; selector {self.options.selector}" if self.options.selector else ""
        return f"`trimllava run --json`, {options}; vision tower from the F16 file{selector}"

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        prefills = [partial(self.prefill, workload, tokens) for tokens in PREFILL_TOKENS]
        others = [partial(step, workload) for step in (self.decode, self.picture)]
        pruned = [partial(self.pruned_picture, workload, share) for share in KEPT_SHARES]
        few = [partial(self.picture_in_few_tiles, workload)] if workload.tiles > 1 else []
        return [*prefills, *others, *pruned, *few]

    def prefill(self, workload: Workload, tokens: int) -> Figures:
        report, _ = self.run(workload, *self.raw_prompt(workload, tokens), "--max-tokens", "1")
        self.check_rows(report, tokens)
        return Figures.of({prefill(tokens): tokens / report["prefill_seconds"]})

    def decode(self, workload: Workload) -> Figures:
        # The first token belongs to the prefill.
        count = DECODE_TOKENS + 1
        prompt = self.raw_prompt(workload, DECODE_CONTEXT)
        report, _ = self.run(workload, *prompt, "--max-tokens", str(count), "--ignore-eos")
        self.check_rows(report, DECODE_CONTEXT)
        return Figures.of({DECODE: report["decode_tokens_per_second"]})

    def picture(self, workload: Workload) -> Figures:
        report, finished = self.describe(workload)
        vision = report["vision_seconds"]
        return Figures.of(
            {
                VISION: vision,
                **({TILE: vision / workload.tiles} if workload.tiles > 1 else {}),
                FIRST_TOKEN: report["first_token_seconds"],
                LOAD: finished.seconds - report["total_seconds"],
                PEAK: finished.peak_bytes / GIBIBYTE,
            }
        )

    def pruned_picture(self, workload: Workload, share: str) -> Figures:
        selector = self.options.selector
        chosen = ("--selector", selector) if selector else ()
        report, _ = self.describe(workload, "--keep", share, *chosen)
        return Figures.of({pruned_first_token(share): report["first_token_seconds"]})

    def picture_in_few_tiles(self, workload: Workload) -> Figures:
        report, _ = self.describe(workload, "--max-tiles", str(FEW_TILES))
        return Figures.of({FEW_TILES_FIRST_TOKEN: report["first_token_seconds"]})

    def describe(self, workload: Workload, *options: str) -> tuple[dict, processes.Finished]:
        picture = str(self.folders.picture(workload))
        report, finished = self.run(
            workload, picture, "--prompt", QUESTION, "--max-tokens", "1", *options
        )
        [described] = report["pictures"]
        workload.check_visual_tokens(self.name, described["candidate_patches"])
        return report, finished

    def raw_prompt(self, workload: Workload, tokens: int) -> list[str]:
        """A prompt of so many tokens: LLaVA's vocabulary adds <s> and a space, others nothing."""
        text = " ".join([WORD] * (tokens - 1)) if workload.is_llava else f" {WORD}" * tokens
        return ["--raw", "--prompt", text]

    def run(self, workload: Workload, *arguments: str) -> tuple[dict, processes.Finished]:
        files = model_files(self.folders, workload)
        finished = processes.measure(
            [
                *(self.program, "run", "--json"),
                *("--model", files.text, "--mmproj", files.mmproj),
                *("--threads", str(self.options.threads), "--context", str(workload.context)),
                *self.options.trimllava_options,
                *arguments,
            ]
        )
        return json.loads(finished.output), finished

    def check_rows(self, report: dict, tokens: int) -> None:
        if report["prompt_tokens"] != tokens:
            raise ComparisonError(
                f"trimllava read {report['prompt_tokens']} tokens, expected {tokens}"
            )
