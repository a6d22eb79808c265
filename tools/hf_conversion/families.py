# SPDX-License-Identifier: Apache-2.0
"""The families of models: what the tensors of each are called, and what makes its mmproj."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gguf import GGMLQuantizationType as Type

from .checkpoint import Checkpoint
from .configuration import TextConfig
from .idefics3 import idefics3_mmproj
from .mmproj import Mmproj
from .onevision import onevision_mmproj
from .qwen_vl import qwen2_5_vl_mmproj, qwen2_vl_mmproj, qwen3_vl_mmproj
from .vision_model import llava_mmproj

Prefixes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Family:
    """How transformers saves the models of a family."""

    prefixes: Prefixes  # of tensors, and what replaces them in uniform names; the first that fits is taken
    mmproj: Callable[[Checkpoint, TextConfig, str, Type], Mmproj] | None  # None for a text model alone
    # Brings config.json into the form with a text_config.
    whole_config: Callable[[dict[str, Any]], dict[str, Any]] = lambda config: config


def with_text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a Qwen2-VL, whose values of the text model may lie beside vision_config."""
    if "text_config" in config:
        return config
    return config | {"text_config": config | {"model_type": f"{config['model_type']}_text"}}


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
ONEVISION = Family(LLAVA.prefixes, onevision_mmproj)
QWEN3_VL = Family(
    (("model.language_model.", "text."), ("lm_head.", "text.lm_head."), ("model.visual.", "vision.")),
    qwen3_vl_mmproj,
)
QWEN2_PREFIXES = (
    ("model.language_model.", "text."),
    ("model.visual.", "vision."),
    ("visual.", "vision."),
    ("lm_head.", "text.lm_head."),
    ("model.", "text."),
)
QWEN2_VL = Family(QWEN2_PREFIXES, qwen2_vl_mmproj, with_text_config)
QWEN2_5_VL = Family(QWEN2_PREFIXES, qwen2_5_vl_mmproj, with_text_config)
TEXT_ALONE = Family(
    prefixes=(("lm_head.", "text.lm_head."), ("model.", "text.")),
    mmproj=None,
    whole_config=lambda config: config | {"text_config": config},
)

FAMILIES = {
    "LlavaForConditionalGeneration": LLAVA,
    "LlavaNextForConditionalGeneration": LLAVA,
    "SmolVLMForConditionalGeneration": IDEFICS3,
    "Idefics3ForConditionalGeneration": IDEFICS3,
    "LlavaOnevisionForConditionalGeneration": ONEVISION,
    "Qwen2VLForConditionalGeneration": QWEN2_VL,
    "Qwen2_5_VLForConditionalGeneration": QWEN2_5_VL,
    "Qwen3VLForConditionalGeneration": QWEN3_VL,
    "Qwen3ForCausalLM": TEXT_ALONE,
}


def family_of(checkpoint: Checkpoint) -> Family:
    return FAMILIES[checkpoint.config["architectures"][0]]
