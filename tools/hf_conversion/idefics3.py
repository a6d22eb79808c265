# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUF of SmolVLM, SmolVLM2 and Idefics3: SigLIP, and a projector of shuffled patches."""

from __future__ import annotations

from typing import Any

import gguf
from gguf import GGMLQuantizationType as Type

from .checkpoint import Checkpoint
from .configuration import TextConfig, positive
from .errors import ConversionError
from .mmproj import Mmproj, MmprojTensors, Tower, mmproj_writer, require_settings
from .siglip import add_siglip, siglip_tower

# What config.json omits, from transformers' configurations of SmolVLM and Idefics3, which agree.
VISION_DEFAULTS = {
    "hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 16,
    "num_channels": 3, "image_size": 224, "patch_size": 32, "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}  # fmt: skip
SCALE_FACTOR = 2
LANCZOS = 1


def idefics3_mmproj(checkpoint: Checkpoint, text: TextConfig, name: str, kind: Type) -> Mmproj:
    """The mmproj of a SmolVLM or Idefics3 folder."""
    tower = idefics3_tower(checkpoint.config)
    side, longest = picture_sides(checkpoint)
    if side != tower.image_side:
        raise ConversionError(
            f"preprocessor_config.json: tiles of {side} pixels, but the vision tower takes {tower.image_side}"
        )
    scale = positive({"scale_factor": SCALE_FACTOR} | checkpoint.config, "scale_factor", "config")
    if side // tower.patch_side % scale:
        raise ConversionError(
            f"config.json: scale_factor {scale} does not divide {side // tower.patch_side} patches a side"
        )
    writer = mmproj_writer(checkpoint, text, tower, name, kind, gguf.VisionProjectorType.IDEFICS3)
    writer.add_vision_projector_scale_factor(scale)
    writer.add_vision_use_gelu(True)
    writer.add_vision_preproc_image_size(longest)
    tensors = MmprojTensors(checkpoint, kind)
    add_siglip(tensors, tower)
    tensors.add_norm("vision.post_layernorm", "v.post_ln", tower.width)
    tensors.add_linear(
        "projector.modality_projection.proj", "mm.model.fc", text.width, scale**2 * tower.width, bias=False
    )
    return writer, tensors.all()


def idefics3_tower(config: dict[str, Any]) -> Tower:
    """The tower of config.json, with what it leaves out."""
    stored = config.get("vision_config") or {}
    return siglip_tower(VISION_DEFAULTS | {key: value for key, value in stored.items() if value is not None})


def picture_sides(checkpoint: Checkpoint) -> tuple[int, int]:
    """The side of a tile, and the longest edge of a picture that is cut into tiles."""
    pictures = checkpoint.pictures
    require_settings(pictures, resample=LANCZOS, do_image_splitting=True, do_resize=True)
    require_settings(pictures, do_rescale=True, do_normalize=True)
    sides = []
    for key in ("max_image_size", "size"):
        side = (pictures.get(key) or {}).get("longest_edge")
        if isinstance(side, bool) or not isinstance(side, int) or side < 1:
            raise ConversionError(
                f"preprocessor_config.json: {key}.longest_edge is {side!r}, expected a positive integer"
            )
        sides.append(side)
    return sides[0], sides[1]
