# SPDX-License-Identifier: Apache-2.0
"""Reads a model from the GGUF pair that `export` made, to train it further."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

from . import decoder, vision
from .decoder import Decoder, Projector
from .model import Llava
from .vision import VisionTower

BLOCK = {
    "ln1": "layer_norm1", "ln2": "layer_norm2", "attn_out": "out_proj",
    "ffn_down": "fc1", "ffn_up": "fc2",
}  # fmt: skip
LAYER = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_output": "o_proj", "ffn_down": "down_proj",
}  # fmt: skip


def tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file as float32, rows first."""
    return {
        tensor.name: torch.from_numpy(
            gguf.dequantize(tensor.data, tensor.tensor_type)
            .astype(np.float32)
            .reshape(tensor.shape[::-1].tolist())
        )
        for tensor in gguf.GGUFReader(path).tensors
    }


def load_tower(tower: VisionTower, projector: Path) -> None:
    """Loads the tower's weights from the file with tower and projector."""
    stored = tensors(projector)
    weights = {
        "class_embedding": stored["v.class_embd"],
        "patch_embedding.weight": stored["v.patch_embd.weight"].flatten(1),
        "position_embedding": stored["v.position_embd.weight"],
        "pre_layrnorm.weight": stored["v.pre_ln.weight"],
        "pre_layrnorm.bias": stored["v.pre_ln.bias"],
    }
    for number in range(vision.LAYERS):
        for kind in ("weight", "bias"):
            for source, target in BLOCK.items():
                weights[f"blocks.{number}.{target}.{kind}"] = stored[
                    f"v.blk.{number}.{source}.{kind}"
                ]
            weights[f"blocks.{number}.qkv.{kind}"] = torch.cat(
                [stored[f"v.blk.{number}.attn_{part}.{kind}"] for part in "qkv"]
            )
    tower.load_state_dict(weights)


def load_language(decoder_: Decoder, projector_: Projector, text: Path, projector: Path) -> None:
    """Loads the decoder's weights from the text file and the projector's from the other."""
    stored = tensors(projector)
    projector_.load_state_dict(
        {
            f"linear_{number}.{kind}": stored[f"mm.{place}.{kind}"]
            for number, place in ((1, 0), (2, 2))
            for kind in ("weight", "bias")
        }
    )
    stored = tensors(text)
    weights = {
        "embed_tokens.weight": stored["token_embd.weight"],
        "norm.weight": stored["output_norm.weight"],
        "lm_head.weight": stored["output.weight"],
    }
    for number in range(decoder.LAYERS):
        layer = f"blk.{number}."
        for source, target in LAYER.items():
            weights[f"layers.{number}.{target}.weight"] = stored[f"{layer}{source}.weight"]
        q, k = (rotary_halves(stored[f"{layer}attn_{part}.weight"]) for part in "qk")
        weights[f"layers.{number}.qkv.weight"] = torch.cat([q, k, stored[f"{layer}attn_v.weight"]])
        weights[f"layers.{number}.gate_up.weight"] = torch.cat(
            [stored[f"{layer}ffn_{part}.weight"] for part in ("gate", "up")]
        )
    decoder_.load_state_dict(weights)


def rotary_halves(weight: Tensor) -> Tensor:
    """Each head's rows with rotary pairs half a head apart; GGUF has them side by side."""
    split = weight.unflatten(0, (decoder.HEADS, decoder.HEAD_WIDTH // 2, 2))
    return split.transpose(1, 2).reshape(weight.shape)


def load_exported(model: Llava, text: Path, projector: Path) -> None:
    """Loads all weights of the pair; those that only training needs are unchanged."""
    load_tower(model.tower, projector)
    load_language(model.decoder, model.projector, text, projector)
