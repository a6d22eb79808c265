# SPDX-License-Identifier: Apache-2.0
"""A built model, what it sees of pictures, and what a family has to do for both."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from transformers import AutoConfig, BaseImageProcessor, PretrainedConfig, PreTrainedModel

from .specification import CaseSpecification, ModelSpecification
from .vocabularies import Encoder

MARKER = "<image>"
VISUAL_ROW = -1  # stands for a token id on the rows of visual tokens


@dataclass
class GoldenModel:
    """A built model with its tokenizer and image processor."""

    specification: ModelSpecification
    model: PreTrainedModel
    pictures: BaseImageProcessor
    encode: Encoder
    image_token: int
    begin: int | None  # beginning-of-sequence token, where the model has one
    special: set[int]  # control tokens and rows that no token uses


@dataclass
class Sight:
    """What a model sees of a case: its prompt with its pictures."""

    inputs: dict[str, torch.Tensor]  # the pictures, as arguments of the model
    stages: dict[str, np.ndarray]  # pixels, features, projected and the like; none without pictures
    tokens: list[int]  # of the prompt, with a marker for each visual row
    positions: np.ndarray | None = None  # of each row, where they are not 0, 1, 2 and so on
    facts: dict[str, Any] = field(default_factory=dict)  # about the pictures, for case.json
    visual_token: int | None = None  # which stands for a visual row, where it is not the picture token
    gap: float = math.inf  # of the choice of patches, as in sparing.Choice


class Family(Protocol):
    """How models of a family are made, and how they take pictures."""

    def assemble(
        self, specification: ModelSpecification, image_token: int
    ) -> tuple[PreTrainedModel, BaseImageProcessor]:
        """A model with any weights, and its image processor."""

    def look(self, golden: GoldenModel, case: CaseSpecification, pictures: list[Image.Image]) -> Sight:
        """The prompt of a case and its pictures, up to the rows that the decoder reads."""


def text_configuration(specification: ModelSpecification) -> PretrainedConfig:
    """The configuration of a model's decoder."""
    text = dict(specification.text)
    return AutoConfig.for_model(text.pop("model_type"), vocab_size=specification.rows, **text)


def with_visual_rows(golden: GoldenModel, prompt: str) -> list[int]:
    """The tokens of a prompt with as many picture tokens as there are visual rows."""
    return [VISUAL_ROW if token == golden.image_token else token for token in golden.encode(prompt)]


@contextmanager
def attention_weights(attention: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """The weights [tiles, heads, queries, keys] of each run of an attention layer that returns them."""
    found: list[torch.Tensor] = []
    hook = attention.register_forward_hook(lambda module, inputs, output: found.append(output[1]))
    try:
        yield found
    finally:
        hook.remove()


def received(weights: torch.Tensor) -> torch.Tensor:
    """The attention that patches receive, [tiles, patches]: the mean of all queries, summed over heads."""
    return weights.mean(dim=2).sum(dim=1)
