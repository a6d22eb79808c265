# SPDX-License-Identifier: Apache-2.0
"""The shapes of published models, and a tiny one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextShape:
    width: int
    layers: int
    heads: int
    key_value_heads: int
    feed_forward: int
    vocabulary: int
    context: int
    rope_base: float
    family: str = "Vicuna"  # the name that tells a reader the prompt template
    pre: str | None = None  # the pre-tokenizer of a byte-level vocabulary; SentencePiece without

    @property
    def head_width(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True)
class VisionShape:
    """A CLIP tower; stored_blocks leaves out the last block, which LLaVA does not run."""

    width: int
    feed_forward: int
    heads: int
    stored_blocks: int
    image_side: int = 336
    patch_side: int = 14
    projection: int = 768

    @property
    def patches(self) -> int:
        return (self.image_side // self.patch_side) ** 2


@dataclass(frozen=True)
class SiglipShape:
    """A SigLIP tower and SmolVLM's projector, whose cells are squares of `scale` × `scale` patches."""

    width: int
    feed_forward: int
    heads: int
    blocks: int
    image_side: int
    patch_side: int
    scale: int
    longest_edge: int  # to which pictures are scaled

    @property
    def patches(self) -> int:
        return (self.image_side // self.patch_side) ** 2


@dataclass(frozen=True)
class ModelShape:
    text: TextShape
    vision: VisionShape | SiglipShape
    next_model: bool = False


CLIP_LARGE = VisionShape(width=1024, feed_forward=4096, heads=16, stored_blocks=23)
SMOLVLM = {"vocabulary": 49280, "family": "SmolVLM", "pre": "smollm"}
SIGLIP_BASE = SiglipShape(768, 3072, 12, 12, image_side=512, patch_side=16, scale=4, longest_edge=2048)
SIGLIP_SO400M = SiglipShape(1152, 4304, 16, 27, image_side=384, patch_side=14, scale=3, longest_edge=1536)


SHAPES = {
    "llava-1.5-7b": ModelShape(
        TextShape(4096, 32, 32, 32, 11008, 32000, context=4096, rope_base=1e4), CLIP_LARGE
    ),
    "llava-1.5-7b-4-layers": ModelShape(
        TextShape(4096, 4, 32, 32, 11008, 32000, context=4096, rope_base=1e4), CLIP_LARGE
    ),
    "llava-1.5-13b": ModelShape(
        TextShape(5120, 40, 40, 40, 13824, 32000, context=4096, rope_base=1e4), CLIP_LARGE
    ),
    "llava-next-mistral-7b": ModelShape(
        TextShape(
            4096, 32, 32, 8, 14336, 32000, context=32768, rope_base=1e6, family="Mistral"
        ),
        CLIP_LARGE,
        next_model=True,
    ),
    "smolvlm-256m": ModelShape(
        TextShape(576, 30, 9, 3, 1536, context=8192, rope_base=1e5, **SMOLVLM), SIGLIP_BASE
    ),
    "smolvlm-500m": ModelShape(
        TextShape(960, 32, 15, 5, 2560, context=8192, rope_base=1e5, **SMOLVLM), SIGLIP_BASE
    ),
    "smolvlm2-2.2b": ModelShape(
        TextShape(2048, 24, 32, 32, 8192, context=16384, rope_base=130000.0, **SMOLVLM), SIGLIP_SO400M
    ),
    "tiny": ModelShape(
        TextShape(256, 4, 4, 4, 512, 4096, context=4096, rope_base=1e4),
        VisionShape(width=64, feed_forward=256, heads=4, stored_blocks=3, projection=64),
    ),
}
