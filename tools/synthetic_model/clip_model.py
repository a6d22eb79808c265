# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUF of a synthetic LLaVA: CLIP tower and projector as published files have them."""

from __future__ import annotations

import math

import gguf
from gguf import GGMLQuantizationType as Type

from gguf_output import OutputTensor

from .random_tensors import EMBEDDING_DEVIATION, RandomTensors
from .shapes import ModelShape, VisionShape

# CLIP's colour statistics (OpenAI's preprocessing).
IMAGE_MEAN = [0.48145466, 0.4578275, 0.40821073]
IMAGE_DEVIATION = [0.26862954, 0.26130258, 0.27577711]
# Tile grids of LLaVA-NeXT in tiles, width before height, in the order of the published files.
GRIDS = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))


def add_llava_metadata(writer: gguf.GGUFWriter, shape: ModelShape, vision: VisionShape) -> None:
    """The metadata of tower and projector."""
    writer.add_bool("clip.has_text_encoder", False)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.has_llava_projector", True)
    writer.add_string("clip.projector_type", "mlp")
    for key, value in (
        ("image_size", vision.image_side),
        ("patch_size", vision.patch_side),
        ("embedding_length", vision.width),
        ("feed_forward_length", vision.feed_forward),
        ("projection_dim", vision.projection),
        ("attention.head_count", vision.heads),
        ("block_count", vision.stored_blocks),
    ):
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    if shape.next_model:
        writer.add_string("clip.vision.image_aspect_ratio", "anyres")
        sides = [tiles * vision.image_side for grid in GRIDS for tiles in grid]
        writer.add_array("clip.vision.image_grid_pinpoints", sides)
        writer.add_string("clip.vision.mm_patch_merge_type", "spatial_unpad")
    writer.add_string("clip.vision.mm_projector_type", "mlp2x_gelu")
    writer.add_array("clip.vision.image_mean", IMAGE_MEAN)
    writer.add_array("clip.vision.image_std", IMAGE_DEVIATION)
    writer.add_bool("clip.use_gelu", False)


def llava_tensors(shape: ModelShape, vision: VisionShape, kind: Type, seed: int) -> list[OutputTensor]:
    """All tensors, in file order."""
    width, output_width = vision.width, shape.text.width
    tensors = RandomTensors(kind, seed)
    patch = (width, 3, vision.patch_side, vision.patch_side)
    tensors.add("v.class_embd", (width,), 1.0)
    tensors.add("v.patch_embd.weight", patch, math.prod(patch[1:]) ** -0.5, Type.F16)
    tensors.add("v.position_embd.weight", (vision.patches + 1, width), 0.5, Type.F16)
    tensors.add_norm("v.pre_ln", width)
    for block in range(vision.stored_blocks):
        add_block(tensors, vision, f"v.blk.{block}")
    tensors.add_linear("mm.0", output_width, width)
    tensors.add_linear("mm.2", output_width, output_width)
    if shape.next_model:
        tensors.add("model.image_newline", (output_width,), EMBEDDING_DEVIATION)
    return tensors.made


def add_block(tensors: RandomTensors, vision: VisionShape, name: str) -> None:
    """One block; published files call the first feed-forward matrix ffn_down, the second ffn_up."""
    damping = 1 / math.sqrt(2 * vision.stored_blocks)
    width = vision.width
    for part in ("attn_k", "attn_q", "attn_v"):
        tensors.add_linear(f"{name}.{part}", width, width)
    tensors.add_linear(f"{name}.attn_out", width, width, damping)
    tensors.add_norm(f"{name}.ln1", width)
    tensors.add_linear(f"{name}.ffn_down", vision.feed_forward, width)
    tensors.add_linear(f"{name}.ffn_up", width, vision.feed_forward, damping)
    tensors.add_norm(f"{name}.ln2", width)
