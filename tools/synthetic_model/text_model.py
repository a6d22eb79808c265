# SPDX-License-Identifier: Apache-2.0
"""The text GGUF of a synthetic model: metadata and tensors as published files have them."""

from __future__ import annotations

import math

import gguf

from gguf_mixtures import MIXTURES
from gguf_output import OutputFile

from .blocks import RandomWeights
from .byte_level import make_byte_level
from .random_tensors import BIAS_DEVIATION, EMBEDDING_DEVIATION, NORM_SCATTER, random_tensor
from .shapes import TextShape
from .vocabulary import make_vocabulary

OUTPUT_GAIN = 3.0  # logits spread enough for sampled text to have likelier and unlikelier tokens


def text_file(name: str, shape: TextShape, type_name: str, seed: int) -> OutputFile:
    """The text GGUF with weights of the named mixture."""
    mixture = MIXTURES[type_name]
    writer = gguf.GGUFWriter(None, shape.architecture)
    add_metadata(writer, name, shape)
    writer.add_file_type(mixture.file_type)
    if shape.markers:
        make_byte_level(shape.vocabulary, shape.markers, seed).add_to(writer)
    else:
        make_vocabulary(shape.vocabulary, seed).add_to(writer)
    weights = RandomWeights(seed)
    sharing = shape.heads // shape.key_value_heads
    tensors = [
        random_tensor(
            weights, full_name(layer, part), dimensions,
            mixture.type_of(
                part, layer, shape.layers, sharing=sharing, row_length=dimensions[-1], tied=shape.tied
            ),
            deviation,
        )
        for layer, part, dimensions, deviation in layout(shape)
    ]  # fmt: skip
    return OutputFile(f"{name}-{type_name}.gguf", writer, tensors)


def add_metadata(writer: gguf.GGUFWriter, name: str, shape: TextShape) -> None:
    writer.add_name(f"{name} on {shape.family}")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_value_heads)
    if shape.head:
        writer.add_key_length(shape.head)
        writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    if shape.sections:
        writer.add_rope_dimension_sections([*shape.sections, 0])
    if shape.planes:
        writer.add_num_deepstack_layers(shape.planes)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def full_name(layer: int | None, part: str) -> str:
    """The name of a tensor; a part that ends in .bias is no weight."""
    name = part if part.endswith(".bias") else f"{part}.weight"
    return name if layer is None else f"blk.{layer}.{name}"


# Layer, part, dimensions and deviation of a tensor.
Row = tuple[int | None, str, tuple[int, ...], float]


def layout(shape: TextShape) -> list[Row]:
    """Every tensor, in file order.

    Matrices have variance 1/fan-in. Those that write into the residual stream, two per layer, are
    smaller by the root of their number, so that the stream's norm stays of the order of its start.
    """
    table, head = (shape.vocabulary, shape.width), OUTPUT_GAIN * shape.width**-0.5
    tensors: list[Row] = [(None, "token_embd", table, head if shape.tied else EMBEDDING_DEVIATION)]
    for layer in range(shape.layers):
        tensors += layer_layout(shape, layer)
    tensors.append((None, "output_norm", (shape.width,), NORM_SCATTER))
    if not shape.tied:
        tensors.append((None, "output", table, head))
    return tensors


def layer_layout(shape: TextShape, layer: int) -> list[Row]:
    """The tensors of a layer."""
    width, inner = shape.width, shape.feed_forward
    queries, keys = (heads * shape.head_width for heads in (shape.heads, shape.key_value_heads))
    damping = 1 / math.sqrt(2 * shape.layers)
    tensors: list[Row] = [(layer, "attn_norm", (width,), NORM_SCATTER)]
    for part, rows in (("attn_q", queries), ("attn_k", keys), ("attn_v", keys)):
        tensors.append((layer, part, (rows, width), width**-0.5))
        if shape.architecture.startswith("qwen2"):
            tensors.append((layer, f"{part}.bias", (rows,), BIAS_DEVIATION))
    if shape.architecture.startswith("qwen3"):
        tensors += [(layer, f"attn_{part}_norm", (shape.head_width,), NORM_SCATTER) for part in "qk"]
    return [
        *tensors,
        (layer, "attn_output", (width, queries), damping * queries**-0.5),
        (layer, "ffn_norm", (width,), NORM_SCATTER),
        (layer, "ffn_gate", (inner, width), width**-0.5),
        (layer, "ffn_up", (inner, width), width**-0.5),
        (layer, "ffn_down", (width, inner), damping * inner**-0.5),
    ]
