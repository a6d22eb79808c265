# SPDX-License-Identifier: Apache-2.0
"""The families of models: what the tensors of each are called, and what makes its mmproj."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gguf import GGMLQuantizationType as Type

from .checkpoint import Checkpoint
from .configuration import TextConfig
from .idefics3 import idefics3_mmproj
from .mmproj import Mmproj
from .vision_model import llava_mmproj

Prefixes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Family:
    """How transformers saves the models of a family."""

    prefixes: Prefixes  # of tensors, and what replaces them in uniform names; the first that fits is taken
    mmproj: Callable[[Checkpoint, TextConfig, str, Type], Mmproj]


# transformers has had two naming schemes for the parts of LLaVA.
LLAVA = Family(
    (
        ("model.language_model.lm_head.", "text.lm_head."),
        ("model.language_model.model.", "text."),
        ("model.language_model.", "text."),
        ("language_model.lm_head.", "text.lm_head."),
        ("language_model.model.", "text."),
        ("language_model.", "text."),
        ("lm_head.", "text.lm_head."),
        ("model.vision_tower.vision_model.", "vision."),
        ("model.vision_tower.", "vision."),
        ("vision_tower.vision_model.", "vision."),
        ("vision_tower.", "vision."),
        ("model.multi_modal_projector.", "projector."),
        ("multi_modal_projector.", "projector."),
        ("model.image_newline", "image_newline"),
        ("image_newline", "image_newline"),
    ),
    llava_mmproj,
)
IDEFICS3 = Family(
    (
        ("model.text_model.", "text."),
        ("lm_head.", "text.lm_head."),
        ("model.vision_model.", "vision."),
        ("model.connector.", "projector."),
    ),
    idefics3_mmproj,
)

FAMILIES = {
    "LlavaForConditionalGeneration": LLAVA,
    "LlavaNextForConditionalGeneration": LLAVA,
    "SmolVLMForConditionalGeneration": IDEFICS3,
    "Idefics3ForConditionalGeneration": IDEFICS3,
}


def family_of(checkpoint: Checkpoint) -> Family:
    return FAMILIES[checkpoint.config["architectures"][0]]
