# SPDX-License-Identifier: Apache-2.0
"""The text GGUF: metadata and tensors of a Llama, Mistral, Qwen2, Qwen3 or Phi-3 decoder."""

from __future__ import annotations

import math
from functools import partial

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from gguf_mixtures import Mixture
from gguf_output import OutputTensor

from .checkpoint import Checkpoint
from .configuration import TextConfig
from .encoding import from_array, from_checkpoint
from .errors import ConversionError
from .vocabulary import Vocabulary

# Rotary tables in old checkpoints are ignored, because they are computed.
IGNORED_SUFFIXES = (".rotary_emb.inv_freq",)


def interleave_rotary_rows(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorders each head's rows: rotary pairs (i, i + half) become neighbours (2i, 2i + 1)."""
    split = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return split.swapaxes(1, 2).reshape(weight.shape)


def text_writer(config: TextConfig, name: str, mixture: Mixture, words: Vocabulary) -> gguf.GGUFWriter:
    """A writer that holds the text model's metadata."""
    writer = gguf.GGUFWriter(None, config.architecture)
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(mixture.file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocabulary)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.feed_forward)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.key_value_heads)
    writer.add_layer_norm_rms_eps(config.epsilon)
    if config.head_width * config.heads != config.width or config.normalises_heads:
        writer.add_key_length(config.head_width)
        writer.add_value_length(config.head_width)
    window = config.raw.get("sliding_window")
    if config.model_type == "phi3" and isinstance(window, int):
        writer.add_sliding_window(window)
    add_rope(writer, config)
    if config.deepstack_planes:
        writer.add_num_deepstack_layers(config.deepstack_planes)
    words.add_to(writer)
    return writer


def add_rope(writer: gguf.GGUFWriter, config: TextConfig) -> None:
    """Rotary metadata; the tensor rope_freqs alone expresses llama3 scaling."""
    writer.add_rope_dimension_count(config.rotary_width)
    writer.add_rope_freq_base(config.rope_theta)
    if config.rotary_sections:
        writer.add_rope_dimension_sections([*config.rotary_sections, 0])  # and none for a fourth axis
    scaling = config.rope_scaling
    if scaling.kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(scaling.values["factor"]))
    elif scaling.kind == "longrope":
        original = original_context(config)
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(longrope_attention_factor(config, original))


def original_context(config: TextConfig) -> int:
    """The context that a longrope model was first trained for."""
    for values in (config.raw, config.rope_scaling.values):
        if "original_max_position_embeddings" in values:
            return int(values["original_max_position_embeddings"])
    return config.context


def longrope_attention_factor(config: TextConfig, original: int) -> float:
    """The factor of cosines and sines: sqrt(1 + ln(context / original) / ln(original))."""
    stored = config.rope_scaling.values.get("attention_factor")
    if stored is not None:
        return float(stored)
    ratio = config.context / original
    return 1.0 if ratio <= 1 else math.sqrt(1 + math.log(ratio) / math.log(original))


def llama3_frequency_divisors(config: TextConfig) -> np.ndarray:
    """Divisors of the rotary frequencies: 1 for short wavelengths, the factor for long ones."""
    values = config.rope_scaling.values
    factor = float(values["factor"])
    low, high = float(values["low_freq_factor"]), float(values["high_freq_factor"])
    original = float(values["original_max_position_embeddings"])
    if factor <= 0 or original <= 0 or not 0 < low < high:
        raise ConversionError("config.json: rope scaling llama3 has impossible values")
    exponents = np.arange(0, config.rotary_width, 2) / config.rotary_width
    periods = original / (2 * math.pi * config.rope_theta**exponents)
    blend = np.clip((periods - low) / (high - low), 0, 1)
    return (1 / ((1 - blend) / factor + blend)).astype(np.float32)


def rope_tensors(config: TextConfig) -> list[OutputTensor]:
    """The frequency divisors that llama3 and longrope scaling need, as tensors."""
    half = config.rotary_width // 2
    scaling = config.rope_scaling
    if scaling.kind == "llama3":
        divisors = {"rope_freqs.weight": llama3_frequency_divisors(config)}
    elif scaling.kind == "longrope":
        divisors = {
            f"rope_factors_{length}.weight": np.array(
                scaling.values[f"{length}_factor"], np.float32
            )
            for length in ("long", "short")
        }
    else:
        return []
    for name, values in divisors.items():
        if values.shape != (half,):
            raise ConversionError(f"config.json: {name} has {values.size} factors, expected {half}")
    return [from_array(values, name) for name, values in divisors.items()]


def text_tensors(checkpoint: Checkpoint, config: TextConfig, mixture: Mixture) -> list[OutputTensor]:
    """All tensors of the text GGUF, in file order."""
    lacks_output = "text.lm_head.weight" not in checkpoint.names()
    tied = config.tied or (lacks_output and bool(checkpoint.config.get("tie_word_embeddings")))
    table = (config.vocabulary, config.width)
    make = partial(from_checkpoint, checkpoint)
    kind = partial(
        mixture.type_of, layers=config.layers, sharing=config.heads // config.key_value_heads, tied=tied
    )
    tensors = [
        make("text.embed_tokens.weight", "token_embd.weight", table,
             kind("token_embd", None, row_length=config.width)),
        make("text.norm.weight", "output_norm.weight", (config.width,), Type.F32),
    ]  # fmt: skip
    used = {"text.embed_tokens.weight", "text.norm.weight", "text.lm_head.weight"}
    if not tied:
        tensors.append(
            make("text.lm_head.weight", "output.weight", table, kind("output", None, row_length=config.width))
        )
    tensors += rope_tensors(config)
    for layer in range(config.layers):
        for source, target, shape, heads in layer_layout(config):
            for suffix in ("weight", "bias"):
                full = f"text.layers.{layer}.{source}.{suffix}"
                if suffix == "bias" and full not in checkpoint.names():
                    continue
                used.add(full)
                wanted = shape if suffix == "weight" else shape[:1]
                stored = Type.F32 if len(wanted) == 1 else kind(target, layer, row_length=wanted[-1])
                transform = partial(interleave_rotary_rows, heads=heads) if heads else None
                name = f"blk.{layer}.{target}.{suffix}"
                tensors.append(make(full, name, wanted, stored, transform))
    unknown = sorted(
        name
        for name in checkpoint.names() - used
        if name.startswith("text.") and not name.endswith(IGNORED_SUFFIXES)
    )
    if unknown:
        raise ConversionError(f"{checkpoint.folder}: GGUF has no name for tensor {unknown[0]}")
    return tensors


def layer_layout(config: TextConfig) -> list[tuple[str, str, tuple[int, ...], int]]:
    """A layer's tensors: source, target, shape, heads whose rotary rows to interleave (or 0)."""
    width, inner = config.width, config.feed_forward
    queries = config.heads * config.head_width
    keys = config.key_value_heads * config.head_width
    norms = [
        ("input_layernorm", "attn_norm", (width,), 0),
        ("post_attention_layernorm", "ffn_norm", (width,), 0),
    ]
    shared = [
        ("self_attn.o_proj", "attn_output", (width, queries), 0),
        ("mlp.down_proj", "ffn_down", (width, inner), 0),
    ]
    if config.architecture == "phi3":
        return norms + shared + [
            ("self_attn.qkv_proj", "attn_qkv", (queries + 2 * keys, width), 0),
            ("mlp.gate_up_proj", "ffn_up", (2 * inner, width), 0),
        ]  # fmt: skip
    if config.normalises_heads:
        head = (config.head_width,)
        norms += [("self_attn.q_norm", "attn_q_norm", head, 0), ("self_attn.k_norm", "attn_k_norm", head, 0)]
    interleaved = config.architecture == "llama"
    return norms + shared + [
        ("self_attn.q_proj", "attn_q", (queries, width), config.heads if interleaved else 0),
        ("self_attn.k_proj", "attn_k", (keys, width), config.key_value_heads if interleaved else 0),
        ("self_attn.v_proj", "attn_v", (keys, width), 0),
        ("mlp.gate_proj", "ffn_gate", (inner, width), 0),
        ("mlp.up_proj", "ffn_up", (inner, width), 0),
    ]  # fmt: skip
