# SPDX-License-Identifier: Apache-2.0
"""The Qwen-VLs: pictures of any size, whose tokens have a time, a row and a column as position."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from transformers import (
    BaseImageProcessor,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from published_templates import QWEN2_VL, QWEN3_VL

from .golden_model import MARKER, GoldenModel, Sight, received, with_visual_rows
from .spared_towers import spare_cells
from .sparing import Stages
from .specification import CaseSpecification, ModelSpecification

START, PATCH, END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"
MERGE, FRAMES = 2, 2
HALVES = [0.5, 0.5, 0.5]


@dataclass(frozen=True)
class QwenVL:
    """A model of one of the Qwen-VLs' classes."""

    classes: tuple[type, type]  # configuration and model
    colours: tuple[list[float], list[float]] | None = None  # mean and deviation; None for CLIP's

    def assemble(
        self, specification: ModelSpecification, image_token: int
    ) -> tuple[PreTrainedModel, BaseImageProcessor]:
        configuration, model = self.classes
        text = {key: value for key, value in specification.text.items() if key != "model_type"}
        tokens = specification.special_tokens
        first = image_token - tokens.index(PATCH)
        config = configuration(
            text_config=text | {"vocab_size": specification.rows},
            vision_config=dict(specification.vision),
            image_token_id=image_token,
            video_token_id=first + tokens.index("<|video_pad|>"),
            vision_start_token_id=first + tokens.index(START),
            vision_end_token_id=first + tokens.index(END),
            tie_word_embeddings=text["tie_word_embeddings"],
        )
        config._attn_implementation = "eager"
        settings = specification.cases[0].settings
        mean, deviation = self.colours or (None, None)
        pictures = Qwen2VLImageProcessor(
            patch_size=specification.vision["patch_size"],
            merge_size=MERGE,
            min_pixels=settings["minPixels"],
            max_pixels=settings["maxPixels"],
            image_mean=mean,
            image_std=deviation,
        )
        return model(config), pictures

    def look(self, golden: GoldenModel, case: CaseSpecification, pictures: list[Image.Image]) -> Sight:
        if not pictures:
            tokens = golden.encode(case.prompt)
            return Sight({}, {}, tokens, np.tile(np.arange(len(tokens), dtype=np.int32), (3, 1)))
        batch = golden.pictures.preprocess(
            pictures,
            min_pixels=case.settings["minPixels"],
            max_pixels=case.settings["maxPixels"],
            return_tensors="pt",
        )
        inputs = {"pixel_values": batch["pixel_values"].float(), "image_grid_thw": batch["image_grid_thw"]}
        grids = [(rows // MERGE, columns // MERGE) for _, rows, columns in batch["image_grid_thw"].tolist()]
        tower = golden.model.model.visual
        whole = self._stages(tower, inputs)
        stages, gap = dict(whole), math.inf
        if len(grids) == 1:
            stages["pixels"] = self._pixels(golden, inputs["pixel_values"], *grids[0])
        if case.name == golden.specification.spared_case:
            spared, gap = spare_cells(tower, inputs, whole, lambda: self._stages(tower, inputs))
            stages |= spared
        tokens = with_visual_rows(golden, expanded(case.prompt, grids))
        ids = torch.tensor([golden.encode(expanded(case.prompt, grids))])
        positions, _ = golden.model.model.get_rope_index(ids, image_grid_thw=inputs["image_grid_thw"])
        positions = positions[:, 0].numpy().astype(np.int32)
        return Sight(inputs, stages, tokens, positions, {"grids": grids}, gap=gap)

    def _stages(self, tower: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> Stages:
        """What the tower gives for each cell of the pictures, line by line."""
        with first_inputs(self.first_linear(tower)) as features, weights_of(tower.blocks[-1].attn) as weights:
            output = tower(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"])
        (merged,) = features
        order = torch.arange(len(merged))
        if hasattr(tower, "get_window_index"):
            order = torch.argsort(tower.get_window_index(inputs["image_grid_thw"])[0])
        stages = {
            "features": merged[order].numpy(),
            "received": torch.cat([of_cells(found) for found in weights])[order].numpy(),
        }
        if isinstance(output, tuple):
            stages["projected"] = output[0].numpy()
            stages["deepstack"] = torch.stack(output[1]).numpy()  # [planes, cells, width]
        else:
            stages["projected"] = output.numpy()
        return stages

    def first_linear(self, tower: torch.nn.Module) -> torch.nn.Module:
        """The first linear layer of the merger that makes the decoder's rows."""
        return tower.merger.mlp[0] if hasattr(tower.merger, "mlp") else tower.merger.linear_fc1

    def _pixels(
        self, golden: GoldenModel, patches: torch.Tensor, rows: int, columns: int
    ) -> np.ndarray:
        """The pixels [1, 3, height, width] of a picture, from patches in the order of merging."""
        side = golden.pictures.patch_size
        split = patches.reshape(rows, columns, MERGE, MERGE, 3, FRAMES, side, side)
        if not torch.equal(split[:, :, :, :, :, 0], split[:, :, :, :, :, 1]):
            raise AssertionError("the frames of a still differ")
        upright = split[:, :, :, :, :, 0].permute(4, 0, 2, 5, 1, 3, 6)
        return upright.reshape(1, 3, rows * MERGE * side, columns * MERGE * side).numpy()


def of_cells(weights: torch.Tensor) -> torch.Tensor:
    """What each cell of a picture receives: the mean over its patches, which follow each other."""
    return received(weights)[0].reshape(-1, MERGE**2).mean(dim=1)


def expanded(prompt: str, grids: list[tuple[int, int]]) -> str:
    """The prompt with the markers and tokens of each picture in its place."""
    first, *rest = prompt.split(MARKER)
    for (rows, columns), text in zip(grids, rest, strict=True):
        first += START + PATCH * (rows * columns) + END + text
    return first


@contextmanager
def first_inputs(layer: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """The rows that a layer takes."""
    found: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda module, inputs, output: found.append(inputs[0]))
    try:
        yield found
    finally:
        hook.remove()


@contextmanager
def weights_of(attention: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """The weights [1, heads, queries, keys] that a tower's attention layer computes for each picture."""
    module = sys.modules[type(attention).__module__]
    compute = module.eager_attention_forward
    found: list[torch.Tensor] = []

    def watch(layer: torch.nn.Module, *arguments: Any, **settings: Any) -> tuple[torch.Tensor, torch.Tensor]:
        output, weights = compute(layer, *arguments, **settings)
        if layer is attention:
            found.append(weights)
        return output, weights

    with mock.patch.object(module, "eager_attention_forward", watch):
        yield found


SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"  # which Qwen3-VL does without
QUESTION = "<|im_start|>user\n<image>Describe the house.<|im_end|>\n<|im_start|>assistant\n"
BETWEEN = (
    "<|im_start|>user\nFirst there was<image>and then<image>What is the difference?<|im_end|>\n"
    "<|im_start|>assistant\n"
)
TEXT_ALONE = (
    "<|im_start|>system\nYou know boats.<|im_end|>\n"
    "<|im_start|>user\nHow many boats are on the water?<|im_end|>\n<|im_start|>assistant\n"
)
QWEN_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", START, END, PATCH, "<|video_pad|>",
)  # fmt: skip
# A merged patch has 8 x 8 pixels: pictures of 4 to 40 tokens.
LIMITS = {"minPixels": 256, "maxPixels": 2560}


def cases(layout: str, *names: str, system: str = "") -> tuple[CaseSpecification, ...]:
    return tuple(CaseSpecification(name, (name,), layout, system + QUESTION, LIMITS) for name in names)


def other_cases(layout: str, system: str = "") -> tuple[CaseSpecification, ...]:
    return (
        CaseSpecification("two-pictures", ("small", "halves"), layout, system + BETWEEN, LIMITS),
        CaseSpecification("text", (), layout, TEXT_ALONE, LIMITS),
    )


QWEN3_TEXT = {
    "model_type": "qwen3_vl_text", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-6,
    "rope_theta": 5e6, "max_position_embeddings": 262144,
    "rope_scaling": {"rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": True},
}  # fmt: skip
QWEN3_VISION = {
    "hidden_size": 24, "intermediate_size": 40, "num_heads": 2, "depth": 4, "patch_size": 4,
    "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1, 2],
}  # fmt: skip
QWEN3_FAMILY = QwenVL((Qwen3VLConfig, Qwen3VLForConditionalGeneration), (HALVES, HALVES))
QWEN2_TEXT = {
    "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
    "max_position_embeddings": 32768, "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
}  # fmt: skip

QWEN_VL_MODELS = (
    ModelSpecification(
        name="qwen3vl",
        family=QWEN3_FAMILY,
        seed=18,
        text=QWEN3_TEXT | {"tie_word_embeddings": True},
        vision=QWEN3_VISION,
        vocabulary="qwen2",
        special_tokens=QWEN_TOKENS,
        picture_token=PATCH,
        rows=320,
        embedding_deviation=0.4,
        chat_template=QWEN3_VL,
        spared_case="landscape",
        cases=(
            # Within the limits, above the largest, at half a cell, below the smallest, without its alpha.
            *cases("qwen3vl", "small", "landscape", "halves", "speck", "wide", "transparent"),
            *other_cases("qwen3vl"),
        ),
    ),
    ModelSpecification(
        name="qwen3vl-24",
        family=QWEN3_FAMILY,
        seed=10,
        text=QWEN3_TEXT | {"tie_word_embeddings": False},
        vision=QWEN3_VISION | {
            "hidden_size": 16, "intermediate_size": 24, "depth": 24, "num_position_embeddings": 36,
            "deepstack_visual_indexes": [5, 11, 17],
        },
        vocabulary="qwen2",
        special_tokens=QWEN_TOKENS,
        picture_token=PATCH,
        rows=320,
        chat_template=QWEN3_VL,
        cases=cases("qwen3vl", "small", "portrait"),
    ),
    ModelSpecification(
        name="qwen2.5vl",
        family=QwenVL((Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration)),
        seed=3,
        text=QWEN2_TEXT | {"model_type": "qwen2_5_vl_text", "tie_word_embeddings": False},
        vision={
            "hidden_size": 40, "intermediate_size": 52, "num_heads": 2, "depth": 4, "patch_size": 4,
            "out_hidden_size": 32, "window_size": 16, "fullatt_block_indexes": [3],
        },
        vocabulary="qwen2",
        special_tokens=QWEN_TOKENS,
        picture_token=PATCH,
        rows=320,
        chat_template=QWEN2_VL,
        spared_case="portrait",
        cases=(
            # Windows of 2 x 2 cells, which most pictures do not fill.
            *cases("qwen2.5vl", "small", "landscape", "portrait", "speck", system=SYSTEM),
            *other_cases("qwen2.5vl", SYSTEM),
        ),
    ),
    ModelSpecification(
        name="qwen2vl",
        family=QwenVL((Qwen2VLConfig, Qwen2VLForConditionalGeneration)),
        seed=27,
        text=QWEN2_TEXT | {"model_type": "qwen2_vl_text", "tie_word_embeddings": True},
        vision={
            "embed_dim": 24, "hidden_size": 32, "mlp_ratio": 2, "num_heads": 2, "depth": 3, "patch_size": 4,
        },
        vocabulary="qwen2",
        special_tokens=QWEN_TOKENS,
        picture_token=PATCH,
        rows=320,
        embedding_deviation=0.4,
        chat_template=QWEN2_VL,
        spared_case="landscape",
        cases=(
            *cases("qwen2vl", "small", "landscape", "halves", system=SYSTEM),
            *other_cases("qwen2vl", SYSTEM),
        ),
    ),
)  # fmt: skip
