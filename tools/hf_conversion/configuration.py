# SPDX-License-Identifier: Apache-2.0
"""The text model's configuration and that of CLIP, with the defaults that config.json leaves out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from .errors import ConversionError

ARCHITECTURES = ("LlavaForConditionalGeneration", "LlavaNextForConditionalGeneration")

# GGUF architecture of each text model type.
GGUF_ARCHITECTURES = {
    "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "phi3": "phi3", "qwen3": "qwen3",
    "qwen3_vl_text": "qwen3vl", "qwen2_vl_text": "qwen2vl", "qwen2_5_vl_text": "qwen2vl",
}  # fmt: skip

# Values that config.json omits if they equal the class's defaults, from transformers'
# LlamaConfig, MistralConfig, Qwen2Config, Phi3Config, Qwen2VLTextConfig, Qwen2_5_VLTextConfig, Qwen3Config,
# Qwen3VLTextConfig and CLIPVisionConfig.
LLAMA_DEFAULTS = {
    "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "vocab_size": 32000, "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False,
    "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
QWEN2_VL_DEFAULTS = LLAMA_DEFAULTS | {
    "hidden_size": 8192, "intermediate_size": 29568, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "vocab_size": 152064, "max_position_embeddings": 32768, "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0, "bos_token_id": None, "eos_token_id": None, "mrope_section": [16, 24, 24],
}  # fmt: skip
QWEN3_DEFAULTS = LLAMA_DEFAULTS | {
    "intermediate_size": 22016, "num_key_value_heads": 32, "head_dim": 128, "vocab_size": 151936,
    "max_position_embeddings": 32768, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip
TEXT_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": LLAMA_DEFAULTS,
    "mistral": LLAMA_DEFAULTS
    | {"intermediate_size": 14336, "num_key_value_heads": 8, "max_position_embeddings": 4096 * 32},
    "qwen2": LLAMA_DEFAULTS
    | {"intermediate_size": 22016, "num_key_value_heads": 32, "vocab_size": 151936,
       "max_position_embeddings": 32768, "bos_token_id": None, "eos_token_id": None},
    "phi3": LLAMA_DEFAULTS
    | {"hidden_size": 3072, "intermediate_size": 8192, "vocab_size": 32064,
       "max_position_embeddings": 4096, "original_max_position_embeddings": 4096,
       "rms_norm_eps": 1e-5, "eos_token_id": 32000, "pad_token_id": 32000},
    "qwen2_vl_text": QWEN2_VL_DEFAULTS,
    "qwen2_5_vl_text": QWEN2_VL_DEFAULTS,
    "qwen3": QWEN3_DEFAULTS,
    "qwen3_vl_text": QWEN3_DEFAULTS
    | {"max_position_embeddings": 128000, "rope_theta": 5000000.0, "mrope_section": [24, 20, 20]},
}  # fmt: skip
VISION_DEFAULTS = {
    "hidden_size": 768, "intermediate_size": 3072, "projection_dim": 512, "num_hidden_layers": 12,
    "num_attention_heads": 12, "num_channels": 3, "image_size": 224, "patch_size": 32,
    "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
DEEPSTACK_TAPS = [8, 16, 24]  # the default of Qwen3VLVisionConfig
# The default of LlavaConfig and LlavaNextConfig for a missing vision_config: CLIP ViT-L/14-336.
LLAVA_VISION_DEFAULTS = {
    "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
    "patch_size": 14, "image_size": 336, "num_hidden_layers": 24, "num_attention_heads": 16,
    "projection_dim": 768,
}  # fmt: skip


@dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are stretched; kind is none, linear, llama3 or longrope."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TextConfig:
    model_type: str
    architecture: str
    width: int
    feed_forward: int
    layers: int
    heads: int
    key_value_heads: int
    head_width: int
    rotary_width: int
    vocabulary: int
    context: int
    epsilon: float
    rope_theta: float
    rope_scaling: RopeScaling
    tied: bool
    rotary_sections: list[int]  # pairs that turn by time, row and column; none without pictures' positions
    deepstack_planes: int  # of a picture, which are added after the first layers
    raw: dict[str, Any]

    @property
    def normalises_heads(self) -> bool:
        """Whether queries and keys of each head are normalised."""
        return self.architecture.startswith("qwen3")


@dataclass(frozen=True)
class VisionConfig:
    width: int
    feed_forward: int
    layers: int
    heads: int
    image_side: int
    patch_side: int
    projection: int
    epsilon: float
    activation: str
    feature_layers: list[int]  # indices into the hidden states; n is the output of block n - 1
    stored_blocks: int


def positive(values: dict[str, Any], key: str, where: str) -> int:
    """A positive integer of a configuration."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConversionError(
            f"config.json: {where}.{key} is {value!r}, expected a positive integer"
        )
    return value


def number(values: dict[str, Any], key: str, where: str) -> float:
    """A finite number of a configuration."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConversionError(f"config.json: {where}.{key} is {value!r}, expected a number")
    return float(value)


def text_config(config: dict[str, Any]) -> TextConfig:
    """The text part of config.json."""
    stored = dict(config.get("text_config") or {})
    model_type = stored.get("model_type", "llama")
    if model_type not in GGUF_ARCHITECTURES:
        raise ConversionError(
            f"config.json: text model type {model_type} is not supported, "
            f"only {', '.join(GGUF_ARCHITECTURES)}"
        )
    raw = TEXT_DEFAULTS[model_type] | {k: v for k, v in stored.items() if v is not None}
    if raw["hidden_act"] != "silu":
        raise ConversionError(
            f"config.json: text_config.hidden_act {raw['hidden_act']} is not silu"
        )
    width = positive(raw, "hidden_size", "text_config")
    heads = positive(raw, "num_attention_heads", "text_config")
    raw.setdefault("num_key_value_heads", heads)
    raw.setdefault("head_dim", width // heads)
    head_width = positive(raw, "head_dim", "text_config")
    key_value_heads = positive(raw, "num_key_value_heads", "text_config")
    if heads % key_value_heads != 0 or head_width % 2 != 0:
        raise ConversionError(
            f"config.json: {heads} heads of width {head_width} do not share "
            f"{key_value_heads} key-value heads"
        )
    theta, scaling = rope_parameters(raw)
    return TextConfig(
        model_type=model_type,
        architecture=GGUF_ARCHITECTURES[model_type],
        width=width,
        feed_forward=positive(raw, "intermediate_size", "text_config"),
        layers=positive(raw, "num_hidden_layers", "text_config"),
        heads=heads,
        key_value_heads=key_value_heads,
        head_width=head_width,
        rotary_width=int(head_width * float(raw.get("partial_rotary_factor", 1.0))),
        vocabulary=positive(raw, "vocab_size", "text_config"),
        context=positive(raw, "max_position_embeddings", "text_config"),
        epsilon=number(raw, "rms_norm_eps", "text_config"),
        rope_theta=theta,
        rope_scaling=scaling,
        tied=bool(raw["tie_word_embeddings"]),
        rotary_sections=rotary_sections(raw, head_width // 2),
        deepstack_planes=deepstack_planes(config) if model_type == "qwen3_vl_text" else 0,
        raw=raw,
    )


def deepstack_planes(config: dict[str, Any]) -> int:
    """How many planes beside the first a Qwen3-VL makes of a picture."""
    vision = config.get("vision_config") or {}
    return len(vision.get("deepstack_visual_indexes", DEEPSTACK_TAPS))


def rotary_sections(raw: dict[str, Any], pairs: int) -> list[int]:
    """How many of the rotary pairs turn by time, row and column, in a model with positions of pictures."""
    if "mrope_section" not in raw:
        return []
    values = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    sections = values.get("mrope_section", raw["mrope_section"])
    if not isinstance(sections, list) or len(sections) != 3 or sum(sections) != pairs:
        raise ConversionError(f"config.json: mrope_section {sections} does not split {pairs} pairs in 3")
    return sections


def rope_parameters(raw: dict[str, Any]) -> tuple[float, RopeScaling]:
    """Rotary base and scaling, from rope_theta with rope_scaling or from rope_parameters."""
    values = dict(raw.get("rope_parameters") or raw.get("rope_scaling") or {})
    theta = number(values if "rope_theta" in values else raw, "rope_theta", "text_config")
    kind = values.get("rope_type", values.get("type", "default"))
    if kind in ("default", "mrope", None):  # early Qwen-VLs call ordinary frequencies mrope
        return theta, RopeScaling("none")
    if kind == "su":  # the name that early Phi-3 configurations give to longrope
        kind = "longrope"
    wanted = {
        "linear": ("factor",),
        "llama3": (
            "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
        ),
        "longrope": ("long_factor", "short_factor"),
    }  # fmt: skip
    if kind not in wanted:
        raise ConversionError(
            f"config.json: rope scaling {kind} is not supported, only {', '.join(wanted)}"
        )
    for key in wanted[kind]:
        if key not in values:
            raise ConversionError(f"config.json: rope scaling {kind} lacks {key}")
    return theta, RopeScaling(kind, values)


def vision_config(config: dict[str, Any]) -> VisionConfig:
    """The vision part of config.json: a CLIP tower and the hidden states that it outputs."""
    stored = config.get("vision_config")
    raw = VISION_DEFAULTS | (dict(stored) if stored else LLAVA_VISION_DEFAULTS)
    model_type = raw.get("model_type", "clip_vision_model")
    if model_type != "clip_vision_model":
        raise ConversionError(
            f"config.json: vision model type {model_type} is not supported, only clip_vision_model"
        )
    strategy = config.get("vision_feature_select_strategy", "default")
    if strategy != "default":
        raise ConversionError(
            f"config.json: vision_feature_select_strategy {strategy} is not supported, "
            "only default (all patches, no CLS)"
        )
    if raw["hidden_act"] not in ("quick_gelu", "gelu"):
        raise ConversionError(
            f"config.json: vision_config.hidden_act {raw['hidden_act']} is not supported"
        )
    layers = positive(raw, "num_hidden_layers", "vision_config")
    selected = feature_layers(config.get("vision_feature_layer", -2), layers)
    return VisionConfig(
        width=positive(raw, "hidden_size", "vision_config"),
        feed_forward=positive(raw, "intermediate_size", "vision_config"),
        layers=layers,
        heads=positive(raw, "num_attention_heads", "vision_config"),
        image_side=positive(raw, "image_size", "vision_config"),
        patch_side=positive(raw, "patch_size", "vision_config"),
        projection=positive(raw, "projection_dim", "vision_config"),
        epsilon=number(raw, "layer_norm_eps", "vision_config"),
        activation=raw["hidden_act"],
        feature_layers=selected,
        stored_blocks=max(selected),
    )


def feature_layers(selection: int | list[int], layers: int) -> list[int]:
    """Indices of the selected hidden states counted from the front: 0 is the embeddings."""
    chosen = selection if isinstance(selection, list) else [selection]
    resolved = [layers + 1 + index if index < 0 else index for index in chosen]
    if not resolved or min(resolved) < 0 or not 1 <= max(resolved) <= layers:
        raise ConversionError(
            f"config.json: vision_feature_layer {selection} is outside the {layers} layers"
        )
    return resolved
