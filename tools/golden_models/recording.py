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
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor

from .building import GoldenModel
from .pictures import pad_to_square
from .specifications import CaseSpecification

STEPS = 64
MARKER = "<image>"
VISUAL_ROW = -1  # stands for a token id on the rows of visual tokens


class HalfPrecisionCache(DynamicCache):
    """A KV cache that rounds keys and values to half precision, as an F16 cache does."""

    def update(self, key_states, value_states, layer_idx, cache_kwargs=None):
        keys, values = (states.half().float() for states in (key_states, value_states))
        return super().update(keys, values, layer_idx, cache_kwargs)


@dataclass
class Recording:
    """The stages of one case as arrays, and the inputs that a runtime needs to repeat it."""

    stages: dict[str, np.ndarray]
    minimum_margin: float
    half_cache_agrees: bool

    @property
    def generated(self) -> list[int]:
        return self.stages["generated"].tolist()


def prepare_pictures(
    golden: GoldenModel, case: CaseSpecification, folder: Path
) -> dict[str, torch.Tensor]:
    """Pixels (and, for anyres, sizes) as the model takes them."""
    pictures = [Image.open(folder / f"{name}.png").convert("RGB") for name in case.pictures]
    if case.layout == "pad":
        fill = tuple(int(255 * mean) for mean in golden.pictures.image_mean)
        pictures = [pad_to_square(picture, fill) for picture in pictures]
    batch = golden.pictures.preprocess(pictures, return_tensors="pt")
    return {key: batch[key] for key in ("pixel_values", "image_sizes") if key in batch}


@torch.no_grad()
def record(golden: GoldenModel, case: CaseSpecification, pictures: Path) -> Recording:
    """Every stage of a case: pixels, features, projected rows, tokens, logits, greedy answer."""
    model, inputs = golden.model, prepare_pictures(golden, case, pictures)
    tiles = inputs["pixel_values"].flatten(0, -4)  # [tiles, 3, side, side]
    hidden = model.model.vision_tower(tiles, output_hidden_states=True).hidden_states
    projected = model.get_image_features(**inputs)  # one [visual tokens, width] per picture
    counts = [len(rows) for rows in projected]
    check_counts(golden, case, inputs, counts)
    tokens = prompt_tokens(golden, case, counts)
    logits, generated = generate(golden, tokens, inputs, DynamicCache())
    _, with_half = generate(golden, tokens, inputs, HalfPrecisionCache())
    top = np.sort(logits, axis=1)[:, -2:]
    stages = {
        "pixels": tiles.numpy(),
        "features": hidden[-2][:, 1:].numpy(),
        "projected": torch.cat(list(projected)).numpy(),
        "tokens": np.array(tokens, np.int32),
        "positions": np.arange(len(tokens), dtype=np.int32),
        "logits": logits,
        "generated": np.array(generated, np.int32),
    }
    return Recording(stages, float((top[:, 1] - top[:, 0]).min()), generated == with_half)


def check_counts(
    golden: GoldenModel, case: CaseSpecification, inputs: dict[str, torch.Tensor], counts: list[int]
) -> None:
    """The processor's own count of visual tokens must agree with the model's."""
    side, patch = (golden.specification.vision[key] for key in ("image_size", "patch_size"))
    expected = [(side // patch) ** 2] * len(case.pictures)
    if golden.specification.next_model:
        processor = LlavaNextProcessor.__new__(LlavaNextProcessor)
        processor.image_processor, processor.patch_size = golden.pictures, patch
        processor.num_additional_image_tokens = 0
        sizes = inputs["image_sizes"].tolist()
        expected = [processor._get_number_of_features(h, w, side, side) for h, w in sizes]
    if counts != expected:
        raise AssertionError(f"{case.name}: {counts} visual tokens, the processor says {expected}")


def prompt_tokens(golden: GoldenModel, case: CaseSpecification, counts: list[int]) -> list[int]:
    """Token ids with each text chunk tokenised on its own and a marker row per visual token."""
    tokens = [] if golden.begin is None else [golden.begin]
    for index, chunk in enumerate(case.prompt.split(MARKER)):
        tokens += [VISUAL_ROW] * counts[index - 1] if index else []
        tokens += golden.encode(chunk) if chunk else []
    return tokens


@torch.no_grad()
def generate(
    golden: GoldenModel, tokens: list[int], inputs: dict[str, torch.Tensor], cache: DynamicCache
) -> tuple[np.ndarray, list[int]]:
    """Logits [steps, vocabulary] and tokens of a greedy answer that ignores end tokens."""
    ids = torch.tensor([[golden.image_token if token == VISUAL_ROW else token for token in tokens]])
    output = golden.model(input_ids=ids, past_key_values=cache, use_cache=True, **inputs)
    logits, generated = [], []
    for _ in range(STEPS):
        logits.append(output.logits[0, -1])
        generated.append(int(logits[-1].argmax()))
        next_token = torch.tensor([generated[-1:]])
        output = golden.model(input_ids=next_token, past_key_values=cache, use_cache=True)
    return torch.stack(logits).numpy(), generated


def write_recording(
    recording: Recording, case: CaseSpecification, folder: Path, complete: bool
) -> None:
    """Writes case.json and the arrays: all of them, or those of a short case."""
    folder.mkdir(parents=True, exist_ok=True)
    stages = dict(recording.stages)
    if not complete:
        stages["logits"] = stages["logits"][:1]
        del stages["pixels"], stages["features"]
    description: dict[str, Any] = {
        "pictures": [f"{name}.png" for name in case.pictures],
        "layout": case.layout,
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
