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
    architecture: str = "llama"
    epsilon: float = 1e-5
    markers: str | None = None  # those of a byte-level vocabulary; None for one of SentencePiece's kind
    head: int | None = None  # the width of a head, where it is not the heads' share of the width
    tied: bool = False  # whether the LM head is the token embedding
    sections: tuple[int, ...] = ()  # rotary pairs that turn by time, row and column of a picture
    planes: int = 0  # of a picture beside the first, which are added after the first layers

    @property
    def head_width(self) -> int:
        return self.head or self.width // self.heads


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
    """A SigLIP tower."""

    width: int
    feed_forward: int
    heads: int
    blocks: int
    image_side: int
    patch_side: int

    @property
    def patches(self) -> int:
        return (self.image_side // self.patch_side) ** 2


@dataclass(frozen=True)
class SmolVLMShape(SiglipShape):
    """With SmolVLM's projector, whose cells are squares of `scale` × `scale` patches."""

    scale: int
    longest_edge: int  # to which pictures are scaled


@dataclass(frozen=True)
class OnevisionShape(SiglipShape):
    """With LLaVA's projector, and LLaVA-OneVision's grids of up to 6 × 6 tiles."""

    most_tiles: int = 9  # above which the rows of a grid are scaled down


@dataclass(frozen=True)
class QwenShape:
    """A tower of a Qwen-VL, and its mergers of 2 × 2 patches."""

    projector: str
    width: int
    feed_forward: int
    heads: int
    blocks: int
    patch_side: int
    positions: int = 0  # of the table of positions
    taps: tuple[int, ...] = ()  # blocks whose outputs the decoder gets too
    window_pattern: int = 0  # the distance of blocks that attend over the whole picture


@dataclass(frozen=True)
class ModelShape:
    text: TextShape
    vision: VisionShape | SiglipShape | QwenShape
    next_model: bool = False


CLIP_LARGE = VisionShape(width=1024, feed_forward=4096, heads=16, stored_blocks=23)
SIGLIP_BASE = SmolVLMShape(768, 3072, 12, 12, image_side=512, patch_side=16, scale=4, longest_edge=2048)
SIGLIP_SO400M = SmolVLMShape(1152, 4304, 16, 27, image_side=384, patch_side=14, scale=3, longest_edge=1536)
SIGLIP_26 = OnevisionShape(1152, 4304, 16, 26, image_side=384, patch_side=14)
QWEN3_LARGE = QwenShape("qwen3vl_merger", 1024, 4096, 16, 24, 16, positions=2304, taps=(5, 11, 17))
QWEN3_SO400M = QwenShape("qwen3vl_merger", 1152, 4304, 16, 27, 16, positions=2304, taps=(8, 16, 24))
QWEN2_5 = QwenShape("qwen2.5vl_merger", 1280, 3420, 16, 32, 14, window_pattern=8)
QWEN2 = QwenShape("qwen2vl_merger", 1280, 5120, 16, 32, 14)


def smolvlm(*sizes: int, context: int, rope_base: float) -> TextShape:
    """A decoder of SmolVLM."""
    return TextShape(*sizes, 49280, context, rope_base, "SmolVLM", markers="smolvlm")


def onevision(*sizes: int, tied: bool) -> TextShape:
    """A decoder of LLaVA-OneVision."""
    return TextShape(
        *sizes, 152000, 32768, 1e6, "LLaVA-OneVision", "qwen2", 1e-6, markers="onevision", tied=tied
    )


def qwen2_vl(*sizes: int, tied: bool) -> TextShape:
    """A decoder of Qwen2-VL or Qwen2.5-VL."""
    return TextShape(
        *sizes, 32768, 1e6, "Qwen2-VL", "qwen2vl", 1e-6, markers="qwen2vl", tied=tied, sections=(16, 24, 24)
    )


def qwen3_vl(*sizes: int, tied: bool) -> TextShape:
    """A decoder of Qwen3-VL."""
    return TextShape(
        *sizes, 151936, 262144, 5e6, "Qwen3-VL", "qwen3vl", 1e-6, markers="qwen3vl", head=128, tied=tied,
        sections=(24, 20, 20), planes=3,
    )  # fmt: skip


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
    "smolvlm-256m": ModelShape(smolvlm(576, 30, 9, 3, 1536, context=8192, rope_base=1e5), SIGLIP_BASE),
    "smolvlm-500m": ModelShape(smolvlm(960, 32, 15, 5, 2560, context=8192, rope_base=1e5), SIGLIP_BASE),
    "smolvlm2-2.2b": ModelShape(
        smolvlm(2048, 24, 32, 32, 8192, context=16384, rope_base=130000.0), SIGLIP_SO400M
    ),
    "onevision-0.5b": ModelShape(onevision(896, 24, 14, 2, 4864, tied=True), SIGLIP_26),
    "onevision-7b": ModelShape(onevision(3584, 28, 28, 4, 18944, tied=False), SIGLIP_26),
    "qwen2vl-2b": ModelShape(qwen2_vl(1536, 28, 12, 2, 8960, 151936, tied=True), QWEN2),
    "qwen2vl-7b": ModelShape(qwen2_vl(3584, 28, 28, 4, 18944, 152064, tied=False), QWEN2),
    "qwen2.5vl-3b": ModelShape(qwen2_vl(2048, 36, 16, 2, 11008, 151936, tied=True), QWEN2_5),
    "qwen2.5vl-7b": ModelShape(qwen2_vl(3584, 28, 28, 4, 18944, 152064, tied=False), QWEN2_5),
    "qwen3vl-2b": ModelShape(qwen3_vl(2048, 28, 16, 8, 6144, tied=True), QWEN3_LARGE),
    "qwen3vl-4b": ModelShape(qwen3_vl(2560, 36, 32, 8, 9728, tied=True), QWEN3_LARGE),
    "qwen3vl-8b": ModelShape(qwen3_vl(4096, 36, 32, 8, 12288, tied=False), QWEN3_SO400M),
    "tiny": ModelShape(
        TextShape(256, 4, 4, 4, 512, 4096, context=4096, rope_base=1e4),
        VisionShape(width=64, feed_forward=256, heads=4, stored_blocks=3, projection=64),
    ),
}
