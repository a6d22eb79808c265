# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUFs of Qwen2-VL, Qwen2.5-VL and Qwen3-VL, whose towers take pictures of any size."""

from __future__ import annotations

import math
from typing import Any

import gguf
from gguf import GGMLQuantizationType as Type

from .checkpoint import Checkpoint
from .configuration import DEEPSTACK_TAPS, TextConfig, number, positive
from .errors import ConversionError
from .mmproj import Mmproj, MmprojTensors, Tower, mmproj_writer, require_settings

# What config.json omits, from transformers' configurations of each.
COMMON_DEFAULTS = {"in_channels": 3, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_heads": 16}
QWEN2_DEFAULTS = COMMON_DEFAULTS | {
    "depth": 32, "embed_dim": 1280, "hidden_act": "quick_gelu", "mlp_ratio": 4, "patch_size": 14,
}  # fmt: skip
QWEN2_5_DEFAULTS = COMMON_DEFAULTS | {
    "depth": 32, "hidden_size": 3584, "hidden_act": "silu", "intermediate_size": 3420, "patch_size": 14,
    "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
}  # fmt: skip
QWEN3_DEFAULTS = COMMON_DEFAULTS | {
    "depth": 27, "hidden_size": 1152, "hidden_act": "gelu_pytorch_tanh", "intermediate_size": 4304,
    "patch_size": 16, "num_position_embeddings": 2304, "deepstack_visual_indexes": DEEPSTACK_TAPS,
}  # fmt: skip
FRAMES = 2  # of a patch, both of which are the picture
EPSILON = 1e-6  # of all norms, which is no part of the configuration
BICUBIC = 3
ANY_SIDE = 560  # which llama.cpp's converter writes as the size of pictures that may have any


def vision_values(config: dict[str, Any], defaults: dict[str, Any], activation: str) -> dict[str, Any]:
    """The vision_config with what it leaves out; other patches and activations are refused."""
    stored = config.get("vision_config") or {}
    raw = defaults | {key: value for key, value in stored.items() if value is not None}
    wanted = {"hidden_act": activation, "in_channels": 3, "temporal_patch_size": FRAMES}
    for key, value in wanted.items():
        if raw.get(key, value) != value:
            raise ConversionError(
                f"config.json: vision_config.{key} {raw[key]} is not supported, only {value}"
            )
    return raw


def add_picture_metadata(writer: gguf.GGUFWriter, pictures: dict[str, Any], raw: dict[str, Any]) -> int:
    """Writes the patches that a side of a cell takes, which is returned.

    Where the folder says so, also how many pixels a scaled picture has at least and at most.
    """
    merge = positive(raw, "spatial_merge_size", "vision_config")
    require_settings(pictures, resample=BICUBIC, do_resize=True, do_rescale=True, do_normalize=True)
    require_settings(pictures, patch_size=raw["patch_size"], merge_size=merge, temporal_patch_size=FRAMES)
    writer.add_vision_spatial_merge_size(merge)
    size = pictures.get("size") or {}
    for key, edge, add in (
        ("min_pixels", "shortest_edge", writer.add_vision_min_pixels),
        ("max_pixels", "longest_edge", writer.add_vision_max_pixels),
    ):
        limit = pictures.get(key) or size.get(edge)
        if limit is not None:
            add(positive({key: limit}, key, "image processor"))
    return merge


def add_patches(tensors: MmprojTensors, tower: Tower) -> None:
    """Adds the kernels of both frames of a patch, each as a kernel of its own."""
    whole = (tower.width, 3, FRAMES, tower.patch_side, tower.patch_side)
    kernel = (tower.width, 3, tower.patch_side, tower.patch_side)
    kind = Type.F16 if tensors.kind == Type.F16 else Type.F32
    for frame, suffix in enumerate(("", ".1")):
        part = (kernel, lambda weight, frame=frame: weight[:, :, frame])
        tensors.add(
            "vision.patch_embed.proj.weight", f"v.patch_embd.weight{suffix}", whole, kind, part
        )


def qwen3_vl_mmproj(checkpoint: Checkpoint, text: TextConfig, name: str, kind: Type) -> Mmproj:
    """The mmproj of a Qwen3-VL folder."""
    raw = vision_values(checkpoint.config, QWEN3_DEFAULTS, "gelu_pytorch_tanh")
    tower = qwen3_vl_tower(raw)
    taps = deepstack_taps(raw, tower.layers)
    writer = mmproj_writer(checkpoint, text, tower, name, kind, gguf.VisionProjectorType.QWEN3VL)
    writer.add_vision_use_gelu(True)
    writer.add_vision_is_deepstack_layers([block in taps for block in range(tower.layers)])
    merge = add_picture_metadata(writer, checkpoint.pictures, raw)
    tensors = MmprojTensors(checkpoint, kind)
    add_patches(tensors, tower)
    tensors.add("vision.patch_embed.proj.bias", "v.patch_embd.bias", (tower.width,))
    tensors.add("vision.pos_embed.weight", "v.position_embd.weight", (tower.patches, tower.width), Type.F32)
    for block in range(tower.layers):
        add_qwen3_block(tensors, tower, f"vision.blocks.{block}.", f"v.blk.{block}.")
    merged = merge**2 * tower.width
    tensors.add_norm("vision.merger.norm", "v.post_ln", tower.width)
    tensors.add_linear("vision.merger.linear_fc1", "mm.0", merged, merged)
    tensors.add_linear("vision.merger.linear_fc2", "mm.2", text.width, merged)
    for place, block in enumerate(taps):
        source, target = f"vision.deepstack_merger_list.{place}.", f"v.deepstack.{block}."
        tensors.add_norm(source + "norm", target + "norm", merged)
        tensors.add_linear(source + "linear_fc1", target + "fc1", merged, merged)
        tensors.add_linear(source + "linear_fc2", target + "fc2", text.width, merged)
    return writer, tensors.all()


def qwen3_vl_tower(raw: dict[str, Any]) -> Tower:
    """The tower of a complete vision_config. Its picture is as large as its table of positions."""
    patch = positive(raw, "patch_size", "vision_config")
    positions = positive(raw, "num_position_embeddings", "vision_config")
    side = math.isqrt(positions)
    if side**2 != positions:
        raise ConversionError(f"config.json: {positions} positions of patches are no square")
    return Tower(
        width=positive(raw, "hidden_size", "vision_config"),
        feed_forward=positive(raw, "intermediate_size", "vision_config"),
        layers=positive(raw, "depth", "vision_config"),
        heads=positive(raw, "num_heads", "vision_config"),
        image_side=side * patch,
        patch_side=patch,
        epsilon=EPSILON,
    )


def deepstack_taps(raw: dict[str, Any], layers: int) -> list[int]:
    """The blocks whose outputs the decoder gets too, in their order."""
    taps = raw["deepstack_visual_indexes"]
    if not isinstance(taps, list) or not all(isinstance(tap, int) and 0 <= tap < layers for tap in taps):
        raise ConversionError(
            f"config.json: vision_config.deepstack_visual_indexes is {taps}, expected some of {layers} blocks"
        )
    if taps != sorted(set(taps)):
        raise ConversionError(f"config.json: vision_config.deepstack_visual_indexes {taps} are not in order")
    return taps


def add_qwen3_block(tensors: MmprojTensors, tower: Tower, source: str, target: str) -> None:
    width, inner = tower.width, tower.feed_forward
    tensors.add_norm(source + "norm1", target + "ln1", width)
    tensors.add_linear(source + "attn.qkv", target + "attn_qkv", 3 * width, width)
    tensors.add_linear(source + "attn.proj", target + "attn_out", width, width)
    tensors.add_norm(source + "norm2", target + "ln2", width)
    tensors.add_linear(source + "mlp.linear_fc1", target + "ffn_up", inner, width)
    tensors.add_linear(source + "mlp.linear_fc2", target + "ffn_down", width, inner)


def qwen2_vl_mmproj(checkpoint: Checkpoint, text: TextConfig, name: str, kind: Type) -> Mmproj:
    """The mmproj of a Qwen2-VL folder."""
    raw = vision_values(checkpoint.config, QWEN2_DEFAULTS, "quick_gelu")
    width = positive(raw, "embed_dim", "vision_config")
    tower = qwen2_vl_tower(raw, width, int(width * number(raw, "mlp_ratio", "vision_config")))
    writer = mmproj_writer(checkpoint, text, tower, name, kind, gguf.VisionProjectorType.QWEN2VL)
    merge = add_picture_metadata(writer, checkpoint.pictures, raw)
    tensors = MmprojTensors(checkpoint, kind)
    add_patches(tensors, tower)
    for block in range(tower.layers):
        source, target = f"vision.blocks.{block}.", f"v.blk.{block}."
        add_attention(tensors, tower, source, target, bias=True)
        tensors.add_linear(source + "mlp.fc1", target + "ffn_up", tower.feed_forward, tower.width)
        tensors.add_linear(source + "mlp.fc2", target + "ffn_down", tower.width, tower.feed_forward)
    add_merger(tensors, text, merge**2, tower.width, bias=True)
    return writer, tensors.all()


def qwen2_5_vl_mmproj(checkpoint: Checkpoint, text: TextConfig, name: str, kind: Type) -> Mmproj:
    """The mmproj of a Qwen2.5-VL folder."""
    raw = vision_values(checkpoint.config, QWEN2_5_DEFAULTS, "silu")
    width, inner = (positive(raw, key, "vision_config") for key in ("hidden_size", "intermediate_size"))
    tower = qwen2_vl_tower(raw, width, inner)
    writer = mmproj_writer(checkpoint, text, tower, name, kind, gguf.VisionProjectorType.QWEN25VL)
    writer.add_vision_use_silu(True)
    writer.add_vision_n_wa_pattern(window_pattern(raw, tower.layers))
    writer.add_vision_window_size(positive(raw, "window_size", "vision_config"))
    merge = add_picture_metadata(writer, checkpoint.pictures, raw)
    tensors = MmprojTensors(checkpoint, kind)
    add_patches(tensors, tower)
    for block in range(tower.layers):
        source, target = f"vision.blocks.{block}.", f"v.blk.{block}."
        add_attention(tensors, tower, source, target, bias=False)
        tensors.add_linear(source + "mlp.gate_proj", target + "ffn_gate", inner, width)
        tensors.add_linear(source + "mlp.up_proj", target + "ffn_up", inner, width)
        tensors.add_linear(source + "mlp.down_proj", target + "ffn_down", width, inner)
    add_merger(tensors, text, merge**2, width, bias=False)
    return writer, tensors.all()


def qwen2_vl_tower(raw: dict[str, Any], width: int, feed_forward: int) -> Tower:
    """The tower of a complete vision_config, which has no table of positions."""
    return Tower(
        width=width,
        feed_forward=feed_forward,
        layers=positive(raw, "depth", "vision_config"),
        heads=positive(raw, "num_heads", "vision_config"),
        image_side=ANY_SIDE,
        patch_side=positive(raw, "patch_size", "vision_config"),
        epsilon=EPSILON,
    )


def window_pattern(raw: dict[str, Any], layers: int) -> int:
    """The distance of blocks that attend over the whole picture; the last of so many is one of them."""
    whole = raw["fullatt_block_indexes"]
    if isinstance(whole, list) and whole and isinstance(whole[0], int) and whole[0] >= 0:
        pattern = whole[0] + 1
        if whole == list(range(pattern - 1, layers, pattern)):
            return pattern
    raise ConversionError(
        f"config.json: vision_config.fullatt_block_indexes {whole} are not every n-th of {layers} blocks"
    )


def add_attention(tensors: MmprojTensors, tower: Tower, source: str, target: str, bias: bool) -> None:
    """Adds a block's norms and its attention, with queries, keys and values apart.

    Args:
        bias: whether the norms have one.
    """
    width = tower.width
    tensors.add_norm(source + "norm1", target + "ln1", width, bias)
    for place, letter in enumerate("qkv"):
        rows = slice(place * width, (place + 1) * width)
        for part, shape in (("weight", (width, width)), ("bias", (width,))):
            whole = (3 * width, *shape[1:])
            cut = (shape, lambda values, rows=rows: values[rows])
            tensors.add(f"{source}attn.qkv.{part}", f"{target}attn_{letter}.{part}", whole, part=cut)
    tensors.add_linear(source + "attn.proj", target + "attn_out", width, width)
    tensors.add_norm(source + "norm2", target + "ln2", width, bias)


def add_merger(tensors: MmprojTensors, text: TextConfig, patches: int, width: int, bias: bool) -> None:
    """Adds the merger of so many patches; `bias` says whether its norm has one."""
    merged = patches * width
    tensors.add_norm("vision.merger.ln_q", "v.post_ln", width, bias)
    tensors.add_linear("vision.merger.mlp.0", "mm.0", merged, merged)
    tensors.add_linear("vision.merger.mlp.2", "mm.2", text.width, merged)
