# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUFs of a synthetic SmolVLM and a LLaVA-OneVision: SigLIP tower and projector."""

from __future__ import annotations

import math

import gguf
from gguf import GGMLQuantizationType as Type

from gguf_output import OutputTensor

from .random_tensors import BIAS_DEVIATION, EMBEDDING_DEVIATION, RandomTensors
from .shapes import OnevisionShape, SiglipShape, SmolVLMShape, TextShape

HALVES = [0.5, 0.5, 0.5]  # mean and deviation of colours
MOST_OF_A_SIDE = 6  # tiles


def add_siglip_metadata(writer: gguf.GGUFWriter, text: TextShape, vision: SiglipShape) -> None:
    """The metadata of a SigLIP tower."""
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_clip_has_vision_encoder(True)
    writer.add_vision_projection_dim(text.width)
    writer.add_vision_image_size(vision.image_side)
    writer.add_vision_patch_size(vision.patch_side)
    writer.add_vision_embedding_length(vision.width)
    writer.add_vision_feed_forward_length(vision.feed_forward)
    writer.add_vision_block_count(vision.blocks)
    writer.add_vision_head_count(vision.heads)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean(HALVES)
    writer.add_vision_image_std(HALVES)
    writer.add_vision_use_gelu(True)


def add_smolvlm_metadata(writer: gguf.GGUFWriter, text: TextShape, vision: SmolVLMShape) -> None:
    """The metadata of tower and projector."""
    add_siglip_metadata(writer, text, vision)
    writer.add_clip_projector_type(gguf.VisionProjectorType.IDEFICS3)
    writer.add_vision_projector_scale_factor(vision.scale)
    writer.add_vision_preproc_image_size(vision.longest_edge)


def smolvlm_tensors(text: TextShape, vision: SmolVLMShape, kind: Type, seed: int) -> list[OutputTensor]:
    """All tensors, in file order."""
    tensors = RandomTensors(kind, seed)
    add_siglip(tensors, vision)
    tensors.add_norm("v.post_ln", vision.width)
    tensors.add_linear("mm.model.fc", text.width, vision.scale**2 * vision.width, bias=False)
    return tensors.made


def add_onevision_metadata(writer: gguf.GGUFWriter, text: TextShape, vision: OnevisionShape) -> None:
    """The metadata of tower, projector and grids, as convert-hf writes them."""
    add_siglip_metadata(writer, text, vision)
    writer.add_clip_projector_type("mlp")
    writer.add_array("clip.vision.feature_layer", [vision.blocks])
    writer.add_string("clip.vision.image_aspect_ratio", f"anyres_max_{vision.most_tiles}")
    writer.add_string("clip.vision.mm_patch_merge_type", "spatial_unpad")
    sides = [tiles * vision.image_side for tiles in range(1, MOST_OF_A_SIDE + 1)]
    grids = [side for height in sides for width in sides for side in (width, height)]
    writer.add_array("clip.vision.image_grid_pinpoints", grids)


def onevision_tensors(text: TextShape, vision: OnevisionShape, kind: Type, seed: int) -> list[OutputTensor]:
    """All tensors, in file order."""
    tensors = RandomTensors(kind, seed)
    add_siglip(tensors, vision)
    tensors.add_linear("mm.0", text.width, vision.width)
    tensors.add_linear("mm.2", text.width, text.width)
    tensors.add("v.image_newline", (text.width,), EMBEDDING_DEVIATION)
    return tensors.made


def add_siglip(tensors: RandomTensors, vision: SiglipShape) -> None:
    """Embeddings, in full precision, and blocks."""
    width, damping = vision.width, 1 / math.sqrt(2 * vision.blocks)
    patch = (width, 3, vision.patch_side, vision.patch_side)
    tensors.add("v.patch_embd.weight", patch, math.prod(patch[1:]) ** -0.5, Type.F32)
    tensors.add("v.patch_embd.bias", (width,), BIAS_DEVIATION)
    tensors.add("v.position_embd.weight", (vision.patches, width), 0.5, Type.F32)
    for block in range(vision.blocks):
        name = f"v.blk.{block}"
        tensors.add_norm(f"{name}.ln1", width)
        for part in ("attn_q", "attn_k", "attn_v"):
            tensors.add_linear(f"{name}.{part}", width, width)
        tensors.add_linear(f"{name}.attn_out", width, width, damping)
        tensors.add_norm(f"{name}.ln2", width)
        tensors.add_linear(f"{name}.ffn_up", vision.feed_forward, width)
        tensors.add_linear(f"{name}.ffn_down", width, vision.feed_forward, damping)
