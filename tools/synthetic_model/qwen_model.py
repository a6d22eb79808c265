# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUF of a synthetic Qwen-VL: tower and mergers as published files have them."""

from __future__ import annotations

import math

import gguf
from gguf import GGMLQuantizationType as Type

from gguf_output import OutputTensor

from .clip_model import IMAGE_DEVIATION, IMAGE_MEAN
from .random_tensors import BIAS_DEVIATION, RandomTensors
from .shapes import QwenShape, TextShape
from .siglip_model import HALVES

MERGED = 4  # patches of a cell
ANY_SIDE = 560  # what published files have as the size of pictures that may have any


def add_qwen_metadata(writer: gguf.GGUFWriter, text: TextShape, vision: QwenShape) -> None:
    """The metadata of tower and mergers."""
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(vision.projector)
    writer.add_vision_projection_dim(text.width)
    side = math.isqrt(vision.positions) * vision.patch_side
    writer.add_vision_image_size(side or ANY_SIDE)
    writer.add_vision_patch_size(vision.patch_side)
    writer.add_vision_embedding_length(vision.width)
    writer.add_vision_feed_forward_length(vision.feed_forward)
    writer.add_vision_block_count(vision.blocks)
    writer.add_vision_head_count(vision.heads)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean(HALVES if vision.taps else IMAGE_MEAN)
    writer.add_vision_image_std(HALVES if vision.taps else IMAGE_DEVIATION)
    writer.add_vision_spatial_merge_size(math.isqrt(MERGED))
    if vision.taps:
        writer.add_vision_use_gelu(True)
        writer.add_vision_is_deepstack_layers([block in vision.taps for block in range(vision.blocks)])
    if vision.window_pattern:
        writer.add_vision_use_silu(True)
        writer.add_vision_n_wa_pattern(vision.window_pattern)


def qwen_tensors(text: TextShape, vision: QwenShape, kind: Type, seed: int) -> list[OutputTensor]:
    """All tensors, in file order."""
    width, merged = vision.width, MERGED * vision.width
    tensors = RandomTensors(kind, seed)
    patch = (width, 3, vision.patch_side, vision.patch_side)
    for suffix in ("", ".1"):  # the two frames of a patch
        deviation = (2 * math.prod(patch[1:])) ** -0.5
        tensors.add(f"v.patch_embd.weight{suffix}", patch, deviation, Type.F16)
    if vision.positions:
        tensors.add("v.patch_embd.bias", (width,), BIAS_DEVIATION)
        tensors.add("v.position_embd.weight", (vision.positions, width), 0.5, Type.F32)
    for block in range(vision.blocks):
        add_block(tensors, vision, f"v.blk.{block}")
    tensors.add_norm("v.post_ln", width, bias=not vision.window_pattern)
    tensors.add_linear("mm.0", merged, merged)
    tensors.add_linear("mm.2", text.width, merged)
    for block in vision.taps:
        tensors.add_norm(f"v.deepstack.{block}.norm", merged)
        tensors.add_linear(f"v.deepstack.{block}.fc1", merged, merged)
        tensors.add_linear(f"v.deepstack.{block}.fc2", text.width, merged)
    return tensors.made


def add_block(tensors: RandomTensors, vision: QwenShape, name: str) -> None:
    """One block: with fused attention in Qwen3-VL, with a gate and without biases of norms in Qwen2.5-VL."""
    width, inner = vision.width, vision.feed_forward
    damping = 1 / math.sqrt(2 * vision.blocks)
    windows = bool(vision.window_pattern)
    tensors.add_norm(f"{name}.ln1", width, bias=not windows)
    if vision.taps:
        tensors.add_linear(f"{name}.attn_qkv", 3 * width, width)
    else:
        for part in ("attn_q", "attn_k", "attn_v"):
            tensors.add_linear(f"{name}.{part}", width, width)
    tensors.add_linear(f"{name}.attn_out", width, width, damping)
    tensors.add_norm(f"{name}.ln2", width, bias=not windows)
    for part in ("ffn_gate", "ffn_up") if windows else ("ffn_up",):
        tensors.add_linear(f"{name}.{part}", inner, width)
    tensors.add_linear(f"{name}.ffn_down", width, inner, damping)
