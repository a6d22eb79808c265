# SPDX-License-Identifier: Apache-2.0
"""The text GGUF of a synthetic model: metadata and tensors as published Llama files have them."""

from __future__ import annotations

import math

import gguf

from gguf_mixtures import MIXTURES
from gguf_output import OutputFile

from .blocks import RandomWeights
from .byte_level import make_byte_level
from .random_tensors import EMBEDDING_DEVIATION, NORM_SCATTER, random_tensor
from .shapes import TextShape
from .vocabulary import make_vocabulary

OUTPUT_GAIN = 3.0  # logits spread enough for sampled text to have likelier and unlikelier tokens


def text_file(name: str, shape: TextShape, type_name: str, seed: int) -> OutputFile:
    """The text GGUF with weights of the named mixture."""
    mixture = MIXTURES[type_name]
    writer = gguf.GGUFWriter(None, "llama")
    writer.add_name(f"{name} on {shape.family}")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_value_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_file_type(mixture.file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    if shape.pre:
        make_byte_level(shape.vocabulary, shape.pre, seed).add_to(writer)
    else:
        make_vocabulary(shape.vocabulary, seed).add_to(writer)
    weights = RandomWeights(seed)
    sharing = shape.heads // shape.key_value_heads
    tensors = [
        random_tensor(
            weights, f"{prefix}{part}.weight", dimensions,
            mixture.type_of(
                part, layer, shape.layers, sharing=sharing, row_length=dimensions[-1]
            ),
            deviation,
        )
        for layer, prefix, part, dimensions, deviation in layout(shape)
    ]  # fmt: skip
    return OutputFile(f"{name}-{type_name}.gguf", writer, tensors)


def layout(shape: TextShape) -> list[tuple[int | None, str, str, tuple[int, ...], float]]:
    """Layer, name prefix, part, dimensions and deviation of every tensor, in file order.

    Matrices have variance 1/fan-in. Those that write into the residual stream, two per layer, are
    smaller by the root of their number, so that the stream's norm stays of the order of its start.
    """
    width, inner = shape.width, shape.feed_forward
    keys = shape.key_value_heads * shape.head_width
    table = (shape.vocabulary, width)
    damping = 1 / math.sqrt(2 * shape.layers)
    tensors: list[tuple[int | None, str, str, tuple[int, ...], float]] = [
        (None, "", "token_embd", table, EMBEDDING_DEVIATION)
    ]
    for layer in range(shape.layers):
        prefix = f"blk.{layer}."
        tensors += [
            (layer, prefix, "attn_norm", (width,), NORM_SCATTER),
            (layer, prefix, "attn_q", (width, width), width**-0.5),
            (layer, prefix, "attn_k", (keys, width), width**-0.5),
            (layer, prefix, "attn_v", (keys, width), width**-0.5),
            (layer, prefix, "attn_output", (width, width), damping * width**-0.5),
            (layer, prefix, "ffn_norm", (width,), NORM_SCATTER),
            (layer, prefix, "ffn_gate", (inner, width), width**-0.5),
            (layer, prefix, "ffn_up", (inner, width), width**-0.5),
            (layer, prefix, "ffn_down", (width, inner), damping * inner**-0.5),
        ]
    return [
        *tensors,
        (None, "", "output_norm", (width,), NORM_SCATTER),
        (None, "", "output", table, OUTPUT_GAIN * width**-0.5),
    ]
