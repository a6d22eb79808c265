# SPDX-License-Identifier: Apache-2.0
"""Runs a case through transformers in float32 and keeps the values of every stage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import DynamicCache

from .golden_model import VISUAL_ROW, GoldenModel, Sight
from .specification import CaseSpecification

STEPS = 64
LONG_STAGES = ("pixels", "features", "received")  # which the first case alone keeps


class HalfPrecisionCache(DynamicCache):
    """A KV cache that rounds keys and values to half precision, as an F16 cache does."""

    def update(self, key_states, value_states, layer_idx, cache_kwargs=None):
        keys, values = (states.half().float() for states in (key_states, value_states))
        return super().update(keys, values, layer_idx, cache_kwargs)


@dataclass
class Recording:
    """The stages of one case as arrays, and the inputs that a runtime needs to repeat it."""

    stages: dict[str, np.ndarray]
    facts: dict[str, Any]
    minimum_margin: float
    gap: float  # of the choice of patches, as in sparing.Choice
    half_cache_agrees: bool

    @property
    def generated(self) -> list[int]:
        return self.stages["generated"].tolist()


@torch.no_grad()
def record(golden: GoldenModel, case: CaseSpecification, pictures: Path) -> Recording:
    """Every stage of a case: pixels, features, projected rows, tokens, logits, greedy answer."""
    opened = [Image.open(pictures / f"{name}.png") for name in case.pictures]
    sight = golden.specification.family.look(golden, case, opened)
    visual = sight.tokens.count(VISUAL_ROW)
    if visual != len(sight.stages.get("projected", ())):
        raise AssertionError(f"{case.name}: the prompt has {visual} visual rows, the pictures others")
    logits, generated = generate(golden, sight, DynamicCache())
    _, with_half = generate(golden, sight, HalfPrecisionCache())
    in_order = np.arange(len(sight.tokens), dtype=np.int32)
    top = np.sort(logits, axis=1)[:, -2:]
    stages = sight.stages | {
        "tokens": np.array(sight.tokens, np.int32),
        "positions": in_order if sight.positions is None else sight.positions,
        "logits": logits,
        "generated": np.array(generated, np.int32),
    }
    margin = float((top[:, 1] - top[:, 0]).min())
    return Recording(stages, sight.facts, margin, sight.gap, generated == with_half)


@torch.no_grad()
def generate(
    golden: GoldenModel, sight: Sight, cache: DynamicCache
) -> tuple[np.ndarray, list[int]]:
    """Logits [steps, vocabulary] and tokens of a greedy answer that ignores end tokens."""
    visual = golden.image_token if sight.visual_token is None else sight.visual_token
    ids = torch.tensor([[visual if token == VISUAL_ROW else token for token in sight.tokens]])
    places = torch.arange(ids.shape[1])  # of rows, by which Qwen-VLs find positions
    output = golden.model(
        input_ids=ids, past_key_values=cache, use_cache=True, cache_position=places, **sight.inputs
    )
    logits, generated = [], []
    for step in range(STEPS):
        logits.append(output.logits[0, -1])
        generated.append(int(logits[-1].argmax()))
        next_token = torch.tensor([generated[-1:]])
        places = torch.tensor([ids.shape[1] + step])
        output = golden.model(
            input_ids=next_token, past_key_values=cache, use_cache=True, cache_position=places
        )
    return torch.stack(logits).numpy(), generated


def write_recording(
    recording: Recording, case: CaseSpecification, folder: Path, complete: bool
) -> None:
    """Writes case.json and the arrays: all of them, or those of a short case."""
    folder.mkdir(parents=True, exist_ok=True)
    stages = dict(recording.stages)
    if not complete:
        stages["logits"] = stages["logits"][:1]
        stages = {name: values for name, values in stages.items() if name not in LONG_STAGES}
    description: dict[str, Any] = {
        "pictures": [f"{name}.png" for name in case.pictures],
        "layout": case.layout,
        **case.settings,
        **recording.facts,
        "prompt": case.prompt,
        "visualTokens": int((stages["tokens"] == VISUAL_ROW).sum()),
        "rows": len(stages["tokens"]),
        "steps": STEPS,
        "context": 512,
        "minimumMargin": round(recording.minimum_margin, 6),
        "stages": sorted(stages),
    }
    (folder / "case.json").write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n")
    for name, values in stages.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(values))
