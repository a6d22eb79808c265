# SPDX-License-Identifier: Apache-2.0
"""TrimLLaVA, by `trimllava run --json`: every figure comes from a separate process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial

from . import processes
from .errors import ComparisonError
from .models import model_files
from .workload import (
    CONTEXT,
    DECODE,
    DECODE_CONTEXT,
    DECODE_TOKENS,
    FIRST_TOKEN,
    KEPT_TOKENS,
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

# One token of the synthetic vocabulary, with the space before it. A raw prompt also gets <s>.
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
        return f"`trimllava run --json`, {options}; vision tower from the F16 file"

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        prefills = [partial(self.prefill, workload, tokens) for tokens in PREFILL_TOKENS]
        others = (self.decode, self.picture, self.pruned_picture)
        return [*prefills, *(partial(step, workload) for step in others)]

    def prefill(self, workload: Workload, tokens: int) -> Figures:
        report, _ = self.run(workload, *self.raw_prompt(tokens), "--max-tokens", "1")
        self.check_rows(report, tokens)
        return Figures.of({prefill(tokens): tokens / report["prefill_seconds"]})

    def decode(self, workload: Workload) -> Figures:
        # The first token belongs to the prefill.
        count = DECODE_TOKENS + 1
        report, _ = self.run(
            workload, *self.raw_prompt(DECODE_CONTEXT), "--max-tokens", str(count), "--ignore-eos"
        )
        self.check_rows(report, DECODE_CONTEXT)
        return Figures.of({DECODE: report["decode_tokens_per_second"]})

    def picture(self, workload: Workload) -> Figures:
        report, finished = self.describe(workload)
        return Figures.of(
            {
                VISION: report["vision_seconds"],
                FIRST_TOKEN: report["first_token_seconds"],
                LOAD: finished.seconds - report["total_seconds"],
                PEAK: finished.peak_bytes / GIBIBYTE,
            }
        )

    def pruned_picture(self, workload: Workload) -> Figures:
        report, _ = self.describe(workload, "--keep", str(KEPT_TOKENS))
        return Figures.of({PRUNED_FIRST_TOKEN: report["first_token_seconds"]})

    def describe(self, workload: Workload, *options: str) -> tuple[dict, processes.Finished]:
        picture = str(self.folders.picture)
        return self.run(
            workload, picture, "--prompt", QUESTION, "--max-tokens", "1", *options
        )

    def raw_prompt(self, tokens: int) -> list[str]:
        return ["--raw", "--prompt", " ".join([WORD] * (tokens - 1))]

    def run(self, workload: Workload, *arguments: str) -> tuple[dict, processes.Finished]:
        files = model_files(self.folders, workload)
        finished = processes.measure(
            [
                *(self.program, "run", "--json"),
                *("--model", files.text, "--mmproj", files.mmproj),
                *("--threads", str(self.options.threads), "--context", str(CONTEXT)),
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
