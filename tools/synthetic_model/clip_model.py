# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUF of a synthetic model: CLIP tower and projector as published files have them."""

from __future__ import annotations

import math

import gguf
from gguf import GGMLQuantizationType as Type

from gguf_output import OutputFile, OutputTensor

from .blocks import RandomWeights
from .shapes import ModelShape, VisionShape
from .text_model import EMBEDDING_DEVIATION, NORM_SCATTER, random_tensor

# CLIP's colour statistics (OpenAI's preprocessing).
IMAGE_MEAN = [0.48145466, 0.4578275, 0.40821073]
IMAGE_DEVIATION = [0.26862954, 0.26130258, 0.27577711]
BIAS_DEVIATION = 0.02
FILE_TYPES = {
    "F16": (gguf.LlamaFileType.MOSTLY_F16, Type.F16),
    "BF16": (gguf.LlamaFileType.MOSTLY_BF16, Type.BF16),
    "Q8_0": (gguf.LlamaFileType.MOSTLY_Q8_0, Type.Q8_0),
}
# Tile grids of LLaVA-NeXT in tiles, width before height, in the order of the published files.
GRIDS = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))


def mmproj_file(name: str, shape: ModelShape, type_name: str, seed: int) -> OutputFile:
    """The mmproj GGUF with matrices of the named type."""
    vision = shape.vision
    file_type, kind = FILE_TYPES[type_name]
    writer = gguf.GGUFWriter(None, "clip")
    writer.add_bool("clip.has_text_encoder", False)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.has_llava_projector", True)
    writer.add_file_type(file_type)
    writer.add_name(name)
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
    return OutputFile(f"{name}-mmproj-{type_name}.gguf", writer, tensors(shape, kind, seed))


def tensors(shape: ModelShape, kind: Type, seed: int) -> list[OutputTensor]:
    """All tensors, in file order; matrices have variance 1/fan-in as in the text model."""
    vision, output_width = shape.vision, shape.text.width
    weights = RandomWeights(seed)
    made: list[OutputTensor] = []

    def add(name: str, dimensions: tuple[int, ...], deviation: float, stored: Type = kind) -> None:
        made.append(random_tensor(weights, name, dimensions, stored, deviation))

    def add_linear(name: str, rows: int, columns: int, gain: float = 1.0) -> None:
        add(f"{name}.weight", (rows, columns), gain / math.sqrt(columns))
        add(f"{name}.bias", (rows,), BIAS_DEVIATION)

    def add_norm(name: str) -> None:
        add(f"{name}.weight", (vision.width,), NORM_SCATTER)
        add(f"{name}.bias", (vision.width,), BIAS_DEVIATION)

    patch = (vision.width, 3, vision.patch_side, vision.patch_side)
    add("v.class_embd", (vision.width,), 1.0)
    add("v.patch_embd.weight", patch, math.prod(patch[1:]) ** -0.5, Type.F16)
    add("v.position_embd.weight", (vision.patches + 1, vision.width), 0.5, Type.F16)
    add_norm("v.pre_ln")
    for block in range(vision.stored_blocks):
        add_block(vision, f"v.blk.{block}", add_linear, add_norm)
    add_linear("mm.0", output_width, vision.width)
    add_linear("mm.2", output_width, output_width)
    if shape.next_model:
        add("model.image_newline", (output_width,), EMBEDDING_DEVIATION)
    return made


def add_block(vision: VisionShape, name: str, add_linear, add_norm) -> None:
    """One block; published files call the first feed-forward matrix ffn_down, the second ffn_up."""
    damping = 1 / math.sqrt(2 * vision.stored_blocks)
    for part in ("attn_k", "attn_q", "attn_v"):
        add_linear(f"{name}.{part}", vision.width, vision.width)
    add_linear(f"{name}.attn_out", vision.width, vision.width, damping)
    add_norm(f"{name}.ln1")
    add_linear(f"{name}.ffn_down", vision.feed_forward, vision.width)
    add_linear(f"{name}.ffn_up", vision.width, vision.feed_forward, damping)
    add_norm(f"{name}.ln2")
