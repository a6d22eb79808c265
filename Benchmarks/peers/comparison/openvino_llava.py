# SPDX-License-Identifier: Apache-2.0
"""LLaVA with OpenVINO GenAI. Its export of 7B needs more memory than a laptop has, so deeper decoders
than four layers are scaled from two and four layers of full width."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import processes
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
    VISION,
    Figures,
    Run,
    Workload,
    prefill,
    pruned_first_token,
)

PACKAGES = (*RUNTIME_PACKAGES, "transformers==5.5.4")
FEW, MORE = 2, 4  # layers of the decoders that are made
PICTURE_ROWS = max(PREFILL_TOKENS)  # 576 visual tokens, and a question with its template
PICTURE_NOTE = f"one tile and a prefill of {PICTURE_ROWS} tokens"
# Settings that are tried; each runtime is measured with the fastest.
DECODER_SETTINGS = (
    {"ATTENTION_BACKEND": "SDPA"},
    {"ATTENTION_BACKEND": "SDPA", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 128},
    {"ATTENTION_BACKEND": "PA"},
    {"ATTENTION_BACKEND": "PA", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 128},
)
VISION_SETTINGS = (
    ("float16.xml", {"INFERENCE_PRECISION_HINT": "bf16"}),
    ("float16.xml", {"INFERENCE_PRECISION_HINT": "f32"}),
    ("int8.xml", {"INFERENCE_PRECISION_HINT": "bf16"}),
    ("int8.xml", {"INFERENCE_PRECISION_HINT": "f32"}),
)
PRUNED = tuple(map(pruned_first_token, KEPT_SHARES))  # it prunes nothing


class OpenVINOLLaVA(OpenVINOFamily):
    def __init__(self, run: Run) -> None:
        super().__init__(run, "openvino", PACKAGES)
        self.decoder_settings: dict | None = None  # once probed
        self.vision_settings: tuple[str, dict] | None = None

    def measures(self, workload: Workload) -> bool:
        return workload.is_llava

    def prepare(self, workload: Workload) -> None:
        self.install()
        self.make("vision", "make_models.py", "--vision")
        for layers in (FEW, MORE):
            self.make(f"decoder-{layers}", "make_models.py", "--layers", str(layers))

    def tune(self, workload: Workload) -> None:
        """Finds the fastest settings, once for all workloads."""
        if self.decoder_settings is None:
            self.decoder_settings = self.fastest(self.decoder_seconds, DECODER_SETTINGS)
            self.vision_settings = self.fastest(self.vision_seconds, VISION_SETTINGS)

    def settings(self) -> str | None:
        if self.decoder_settings is None or self.vision_settings is None:
            return None
        vision_file, vision_properties = self.vision_settings
        return (
            "int4 symmetric weights in groups of 128, int8 embeddings and head, "
            f"{property_text(self.decoder_settings)}; vision tower {vision_file}, "
            f"{property_text(vision_properties)}"
        )

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        if workload.layers == MORE:
            return [self.measured_decoder, self.measured_picture]
        return [partial(self.scaled_picture, workload.layers)]

    def measured_decoder(self) -> Figures:
        report = self.decoder(MORE)
        rates = {prefill(n): n / report["prefill"][str(n)] for n in PREFILL_TOKENS}
        return Figures.of({**rates, DECODE: 1 / report["decode"]})

    def measured_picture(self) -> Figures:
        arguments = (*self.decoder_arguments(MORE), *self.vision_arguments(self.vision_settings))
        report, finished = self.time(*arguments, "--prefill", str(PICTURE_ROWS))
        first_token = report["vision"] + report["prefill"][str(PICTURE_ROWS)]
        return Figures.of(
            {
                VISION: report["vision"],
                FIRST_TOKEN: first_token,
                **dict.fromkeys(PRUNED, first_token),
                LOAD: report["load"],
                PEAK: finished.peak_bytes / GIBIBYTE,
            },
            {**dict.fromkeys((FIRST_TOKEN, *PRUNED), PICTURE_NOTE), PEAK: "with Python's"},
        )

    def scaled_picture(self, layers: int) -> Figures:
        few, more = self.decoder(FEW), self.decoder(MORE)
        vision, _ = self.time(*self.vision_arguments(self.vision_settings))

        def scaled(of_few: float, of_more: float) -> float:
            return of_more + (layers - MORE) * (of_more - of_few) / (MORE - FEW)

        seconds = {
            n: scaled(few["prefill"][str(n)], more["prefill"][str(n)]) for n in PREFILL_TOKENS
        }
        values = {prefill(tokens): tokens / seconds[tokens] for tokens in PREFILL_TOKENS}
        values[DECODE] = 1 / scaled(few["decode"], more["decode"])
        note = f"scaled to {layers} layers from {FEW} and {MORE}"
        notes = dict.fromkeys(values, note)
        values[VISION] = vision["vision"]
        first_token = vision["vision"] + seconds[PICTURE_ROWS]
        pictures = dict.fromkeys((FIRST_TOKEN, *PRUNED), first_token)
        return Figures.of(
            values | pictures, notes | dict.fromkeys(pictures, f"{PICTURE_NOTE}, {note}")
        )

    def decoder(self, layers: int) -> dict:
        report, _ = self.time(
            *self.decoder_arguments(layers),
            *("--prefill", *map(str, PREFILL_TOKENS)),
            *("--decode-context", str(DECODE_CONTEXT), "--decode-tokens", str(DECODE_TOKENS)),
        )
        return report

    def decoder_seconds(self, properties: dict) -> float:
        """Seconds of a setting for a picture's prefill and a few decoded tokens."""
        report, _ = self.time(
            *self.decoder_arguments(FEW, properties),
            *("--prefill", str(PICTURE_ROWS)),
            *("--decode-context", str(DECODE_CONTEXT), "--decode-tokens", str(DECODE_TOKENS)),
        )
        return report["prefill"][str(PICTURE_ROWS)] + DECODE_TOKENS * report["decode"]

    def vision_seconds(self, setting: tuple[str, dict]) -> float:
        report, _ = self.time(*self.vision_arguments(setting))
        return report["vision"]

    def decoder_arguments(self, layers: int, properties: dict | None = None) -> list:
        properties = properties or self.decoder_settings
        folder = self.models / f"decoder-{layers}"
        return ["--decoder", folder, "--decoder-properties", json.dumps(properties)]

    def vision_arguments(self, setting: tuple[str, dict]) -> list:
        file, properties = setting
        path = self.models / "vision" / file
        return ["--vision", path, "--vision-properties", json.dumps(properties)]

    def time(self, *arguments: str | Path) -> tuple[dict, processes.Finished]:
        return self.timed("time_models.py", *arguments)
