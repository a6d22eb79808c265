# SPDX-License-Identifier: Apache-2.0
"""The tensors of a SigLIP vision tower, by the names of llama.cpp's converter."""

from __future__ import annotations

from typing import Any

from gguf import GGMLQuantizationType as Type

from .configuration import number, positive
from .errors import ConversionError
from .mmproj import MmprojTensors, Tower

# Source and target of the matrices of a block.
ATTENTION = (("q_proj", "attn_q"), ("k_proj", "attn_k"), ("v_proj", "attn_v"), ("out_proj", "attn_out"))


def siglip_tower(raw: dict[str, Any]) -> Tower:
    """The tower that a complete vision_config describes."""
    if raw["hidden_act"] != "gelu_pytorch_tanh":
        raise ConversionError(f"config.json: vision_config.hidden_act {raw['hidden_act']} is not supported")
    if raw["num_channels"] != 3:
        raise ConversionError(f"config.json: vision_config.num_channels is {raw['num_channels']}, expected 3")
    return Tower(
        width=positive(raw, "hidden_size", "vision_config"),
        feed_forward=positive(raw, "intermediate_size", "vision_config"),
        layers=positive(raw, "num_hidden_layers", "vision_config"),
        heads=positive(raw, "num_attention_heads", "vision_config"),
        image_side=positive(raw, "image_size", "vision_config"),
        patch_side=positive(raw, "patch_size", "vision_config"),
        epsilon=number(raw, "layer_norm_eps", "vision_config"),
    )


def add_siglip(tensors: MmprojTensors, tower: Tower) -> None:
    """Adds embeddings, in full precision, and blocks."""
    width, patch = tower.width, tower.patch_side
    embeddings = "vision.embeddings."
    tensors.add(
        embeddings + "patch_embedding.weight", "v.patch_embd.weight", (width, 3, patch, patch), Type.F32
    )
    tensors.add(embeddings + "patch_embedding.bias", "v.patch_embd.bias", (width,))
    tensors.add(
        embeddings + "position_embedding.weight", "v.position_embd.weight", (tower.patches, width), Type.F32
    )
    for block in range(tower.layers):
        source, target = f"vision.encoder.layers.{block}.", f"v.blk.{block}."
        tensors.add_norm(source + "layer_norm1", target + "ln1", width)
        for theirs, ours in ATTENTION:
            tensors.add_linear(source + "self_attn." + theirs, target + ours, width, width)
        tensors.add_norm(source + "layer_norm2", target + "ln2", width)
        tensors.add_linear(source + "mlp.fc1", target + "ffn_up", tower.feed_forward, width)
        tensors.add_linear(source + "mlp.fc2", target + "ffn_down", width, tower.feed_forward)
