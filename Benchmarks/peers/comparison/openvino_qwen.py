# SPDX-License-Identifier: Apache-2.0
"""Qwen2-VL with OpenVINO GenAI: the whole model in openvino_genai.VLMPipeline, which prunes with CDPruner."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from . import processes
from .errors import ComparisonError
from .models import PILLOW, make_picture
from .openvino_family import GIBIBYTE, RUNTIME_PACKAGES, OpenVINOFamily, property_text
from .workload import (
    DECODE,
    DECODE_CONTEXT,
    DECODE_TOKENS,
    FIRST_TOKEN,
    KEPT_SHARES,
    LOAD,
    PEAK,
    PREFILL_TOKENS,
    QUESTION,
    VISION,
    Figures,
    Run,
    Workload,
    prefill,
    pruned_first_token,
)

# optimum-intel exports Qwen2-VL with a transformers before 5; gguf is what tools/synthetic_model imports.
PACKAGES = (*RUNTIME_PACKAGES, "transformers==4.57.6", "gguf==0.19.0", PILLOW)
# Settings that are tried; the model is measured with the fastest. The tower's come first.
TOWERS = ("float16", "int8", "int8-activations")
TOWER_SETTINGS = tuple(
    (tower, {"INFERENCE_PRECISION_HINT": hint}) for tower in TOWERS for hint in ("bf16", "f32")
)
DECODER_SETTINGS = tuple(
    {"ATTENTION_BACKEND": backend, "DYNAMIC_QUANTIZATION_GROUP_SIZE": group}
    for backend in ("SDPA", "PA")
    for group in (32, 128)
)
PREPARING = "with scaling the picture and embedding the prompt"
DECODING = ("--decode-context", str(DECODE_CONTEXT), "--decode-tokens", str(DECODE_TOKENS))


class OpenVINOQwen(OpenVINOFamily):
    def __init__(self, run: Run) -> None:
        super().__init__(run, "openvino-qwen", PACKAGES)
        self.fastest_settings: dict[Workload, tuple[str, dict]] = {}  # once probed

    def measures(self, workload: Workload) -> bool:
        return workload.is_qwen2_vl

    def prepare(self, workload: Workload) -> None:
        self.install()
        make_picture(self.folders, workload)
        original, *towers = TOWERS
        name = f"{workload.shape}-{original}"
        self.make(name, "make_qwen.py", "--shape", workload.shape)
        for tower in towers:
            source = ("--original", str(self.models / name), "--tower", tower)
            self.make(f"{workload.shape}-{tower}", "make_qwen.py", *source)

    def tune(self, workload: Workload) -> None:
        """Finds the fastest precision of the tower, then the decoder's fastest settings beside it."""
        tower, hint = self.fastest(partial(self.tower_seconds, workload), TOWER_SETTINGS)
        settings = tuple((tower, hint | properties) for properties in DECODER_SETTINGS)
        chosen = self.fastest(partial(self.answer_seconds, workload), settings)
        self.fastest_settings[workload] = chosen

    def tower_seconds(self, workload: Workload, setting: tuple[str, dict]) -> float:
        report, _ = self.describe(workload, setting)
        return report["vision"]

    def answer_seconds(self, workload: Workload, setting: tuple[str, dict]) -> float:
        """Seconds of a setting for a picture and a few decoded tokens."""
        report, _ = self.describe(workload, setting, *DECODING)
        return report["first_token"] + DECODE_TOKENS * report["decode"]

    def settings(self) -> str | None:
        chosen = "; ".join(
            f"{workload.name} vision tower {tower}, {property_text(properties)}"
            for workload, (tower, properties) in self.fastest_settings.items()
        )
        weights = "int4 symmetric weights in groups of 128, int8 embeddings and head"
        return f"{weights}, {chosen}" if chosen else None

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        pruned = [partial(self.pruned_picture, workload, share) for share in KEPT_SHARES]
        return [partial(self.text, workload), partial(self.picture, workload), *pruned]

    def text(self, workload: Workload) -> Figures:
        prefills = ("--prefill", *map(str, PREFILL_TOKENS))
        report, _ = self.time(workload, self.fastest_settings[workload], *prefills, *DECODING)
        rates = {prefill(n): n / report["prefill"][str(n)] for n in PREFILL_TOKENS}
        return Figures.of({**rates, DECODE: 1 / report["decode"]})

    def picture(self, workload: Workload) -> Figures:
        report, finished = self.describe(workload, self.fastest_settings[workload])
        workload.check_visual_tokens("OpenVINO", report["visual_tokens"])
        return Figures.of(
            {
                VISION: report["vision"],
                FIRST_TOKEN: report["first_token"],
                LOAD: report["load"],
                PEAK: finished.peak_bytes / GIBIBYTE,
            },
            {VISION: PREPARING, PEAK: "with Python's"},
        )

    def pruned_picture(self, workload: Workload, share: str) -> Figures:
        ratio = pruning_ratio(share)
        report, _ = self.describe(
            workload, self.fastest_settings[workload], "--pruning-ratio", str(ratio)
        )
        quantity, expected = pruned_first_token(share), kept_tokens(workload.visual_tokens, ratio)
        if report["visual_tokens"] != expected:
            raise ComparisonError(f"OpenVINO kept {report['visual_tokens']} tokens, expected {expected}")
        note = f"pruning_ratio {ratio}, {expected} of {workload.visual_tokens} tokens"
        return Figures.of({quantity: report["first_token"]}, {quantity: note})

    def describe(
        self, workload: Workload, setting: tuple[str, dict], *arguments: str
    ) -> tuple[dict, processes.Finished]:
        picture = str(self.folders.picture(workload))
        question = ("--picture", picture, "--question", QUESTION)
        return self.time(workload, setting, *question, *arguments)

    def time(
        self, workload: Workload, setting: tuple[str, dict], *arguments: str
    ) -> tuple[dict, processes.Finished]:
        tower, properties = setting
        model = ("--model", self.models / f"{workload.shape}-{tower}")
        return self.timed("time_qwen.py", *model, "--properties", json.dumps(properties), *arguments)


def pruning_ratio(share: str) -> int:
    """GenerationConfig.pruning_ratio, a whole percentage of tokens to drop, of a share to keep."""
    return round(100 - float(share.removesuffix("%")))


def kept_tokens(visual_tokens: int, ratio: int) -> int:
    """How many tokens OpenVINO keeps: an even number, the rounded share or the next above it."""
    kept = round(visual_tokens * (100 - ratio) / 100)
    return kept + kept % 2
