# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUF of LLaVA: CLIP vision tower, projector and newline embedding, with the published names."""

from __future__ import annotations

from functools import partial
from typing import Any

import gguf
from gguf import GGMLQuantizationType as Type

from gguf_mixtures import MIXTURES
from gguf_output import OutputTensor

from .checkpoint import Checkpoint
from .configuration import TextConfig, VisionConfig, vision_config
from .encoding import from_checkpoint, storable
from .errors import ConversionError
from .mmproj import Mmproj, three_floats

# Readers assume that a file of 24 blocks without feature_layer kept the unused last block.
LEGACY_DEPTH = 24

# Source and target of each tensor with weight and bias in a block. The files that LLaVA GGUF
# readers know call the first feed-forward matrix ffn_down and the second ffn_up.
BLOCK_NAMES = (
    ("layer_norm1", "ln1"),
    ("layer_norm2", "ln2"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.out_proj", "attn_out"),
    ("mlp.fc1", "ffn_down"),
    ("mlp.fc2", "ffn_up"),
)


def llava_mmproj(checkpoint: Checkpoint, text: TextConfig, name: str, kind: Type) -> Mmproj:
    """The mmproj of LLaVA-1.5 or LLaVA-NeXT."""
    next_model = checkpoint.config["architectures"][0].startswith("LlavaNext")
    vision = vision_config(checkpoint.config)
    writer = vision_writer(checkpoint, vision, name, kind, next_model)
    return writer, vision_tensors(checkpoint, vision, text, kind, next_model)


def vision_writer(
    checkpoint: Checkpoint, config: VisionConfig, name: str, kind: Type, next_model: bool
) -> gguf.GGUFWriter:
    """A writer that holds the metadata of the vision tower, the projector and the tiling."""
    pictures = checkpoint.pictures
    writer = gguf.GGUFWriter(None, "clip")
    writer.add_name(name)
    writer.add_description("vision tower and projector of LLaVA")
    writer.add_file_type(MIXTURES[kind.name].file_type)
    writer.add_bool("clip.has_text_encoder", False)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.has_llava_projector", True)
    writer.add_string("clip.projector_type", "mlp")
    for key, value in (
        ("image_size", config.image_side),
        ("patch_size", config.patch_side),
        ("embedding_length", config.width),
        ("feed_forward_length", config.feed_forward),
        ("projection_dim", config.projection),
        ("block_count", config.stored_blocks),
        ("attention.head_count", config.heads),
    ):
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", config.epsilon)
    writer.add_array("clip.vision.image_mean", three_floats(pictures, "image_mean"))
    writer.add_array("clip.vision.image_std", three_floats(pictures, "image_std"))
    writer.add_bool("clip.use_gelu", config.activation == "gelu")
    writer.add_string("clip.vision.mm_projector_type", "mlp2x_gelu")
    usual = config.feature_layers == [config.layers - 1]
    if not usual or config.stored_blocks == LEGACY_DEPTH:
        writer.add_array("clip.vision.feature_layer", config.feature_layers)
    if next_model:
        writer.add_string("clip.vision.image_aspect_ratio", "anyres")
        writer.add_string("clip.vision.mm_patch_merge_type", "spatial_unpad")
        grids = checkpoint.config.get("image_grid_pinpoints")
        writer.add_array("clip.vision.image_grid_pinpoints", pinpoints(grids, config.image_side))
    return writer


def pinpoints(pairs: Any, tile_side: int) -> list[int]:
    """Tile grid sizes as GGUF lists them, width before height; transformers has height first."""
    if not isinstance(pairs, list) or not pairs:
        raise ConversionError("config.json: image_grid_pinpoints is missing")
    for pair in pairs:
        if len(pair) != 2 or any(side < 1 or side % tile_side for side in pair):
            raise ConversionError(
                f"config.json: image_grid_pinpoints has {pair}, "
                f"expected two multiples of {tile_side}"
            )
    return [side for height, width in pairs for side in (width, height)]


def vision_tensors(
    checkpoint: Checkpoint, vision: VisionConfig, text: TextConfig, kind: Type, next_model: bool
) -> list[OutputTensor]:
    """All tensors of the mmproj GGUF; blocks above the selected hidden state are left out."""
    if checkpoint.config.get("projector_hidden_act", "gelu") != "gelu":
        raise ConversionError("config.json: projector_hidden_act is not gelu")
    width, inner, patch = vision.width, vision.feed_forward, vision.patch_side
    patches = (vision.image_side // patch) ** 2
    unblocked = Type.F32 if kind == Type.F32 else Type.F16  # readers take these in float only
    make = partial(from_checkpoint, checkpoint)
    embeddings = "vision.embeddings."
    tensors = [
        make(embeddings + "class_embedding", "v.class_embd", (width,), Type.F32),
        make(embeddings + "patch_embedding.weight", "v.patch_embd.weight",
             (width, 3, patch, patch), unblocked),
        make(embeddings + "position_embedding.weight", "v.position_embd.weight",
             (patches + 1, width), unblocked),
        make("vision.pre_layrnorm.weight", "v.pre_ln.weight", (width,), Type.F32),
        make("vision.pre_layrnorm.bias", "v.pre_ln.bias", (width,), Type.F32),
    ]  # fmt: skip
    shapes = {
        "ln1": (width,),
        "ln2": (width,),
        "ffn_down": (inner, width),
        "ffn_up": (width, inner),
    }
    for block in range(vision.stored_blocks):
        for source, target in BLOCK_NAMES:
            name = f"vision.encoder.layers.{block}.{source}"
            shape = shapes.get(target, (width, width))
            tensors += with_bias(checkpoint, name, f"v.blk.{block}.{target}", shape, kind)
    features = width * len(vision.feature_layers)
    for source, target, inputs in (
        ("linear_1", "mm.0", features),
        ("linear_2", "mm.2", text.width),
    ):
        tensors += with_bias(checkpoint, f"projector.{source}", target, (text.width, inputs), kind)
    if next_model:
        tensors.append(make("image_newline", "model.image_newline", (text.width,), Type.F32))
    return tensors


def with_bias(
    checkpoint: Checkpoint, source: str, target: str, shape: tuple[int, ...], kind: Type
) -> list[OutputTensor]:
    """A weight and its bias; a projector may lack the bias."""
    stored = Type.F32 if len(shape) == 1 else storable(kind, shape[-1])
    tensors = [from_checkpoint(checkpoint, f"{source}.weight", f"{target}.weight", shape, stored)]
    if source.startswith("vision.") or f"{source}.bias" in checkpoint.names():
        tensors.append(
            from_checkpoint(checkpoint, f"{source}.bias", f"{target}.bias", shape[:1], Type.F32)
        )
    return tensors
