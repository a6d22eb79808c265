# SPDX-License-Identifier: Apache-2.0
"""The tiny models: one for each decoder architecture, tiling and rotary variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VICUNA = "USER: <image>\nWhat is in the picture? ASSISTANT:"
VICUNA_TWO = "USER: <image>\n<image>\nWhich of the two is red? ASSISTANT:"
MISTRAL = "[INST] <image>\nHow many dogs can you see? [/INST]"
LLAMA3 = (
    "<|start_header_id|>user<|end_header_id|>\n\n<image>\nIt's 2019: what's there?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
CHATML = "<|im_start|>user\n<image>\nDescribe the house.<|im_end|>\n<|im_start|>assistant\n"
LLAMA_TOKENS = ("<image>", "<pad>")
LLAMA3_TOKENS = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<image>",
)  # fmt: skip
CHATML_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>")
PHI3_TOKENS = (
    "<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>", "<image>", "<pad>",
)  # fmt: skip


@dataclass(frozen=True)
class CaseSpecification:
    """One prompt about one or more pictures, and the layout that cuts them into tiles."""

    name: str
    pictures: tuple[str, ...]
    layout: str  # pad, crop or anyres
    prompt: str


@dataclass(frozen=True)
class ModelSpecification:
    """A tiny model. The first case has every stage, the others only the short ones."""

    name: str
    seed: int
    text: dict[str, Any]
    vision: dict[str, Any]
    vocabulary: str  # sentencepiece, sentencepiece-json, llama-bpe or qwen2
    special_tokens: tuple[str, ...]  # added to what is trained
    rows: int  # of the embedding; more than there are tokens
    cases: tuple[CaseSpecification, ...]
    next_model: bool = False
    shard_size: str = "5GB"
    embedding_deviation: float = 0.7


def pad_cases(prompt: str, *pictures: str) -> tuple[CaseSpecification, ...]:
    return tuple(CaseSpecification(f"{p}-pad", (p,), "pad", prompt) for p in pictures)


LARGE_VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 3,
    "patch_size": 14, "image_size": 56, "projection_dim": 16,
}  # fmt: skip
SMALL_VISION = LARGE_VISION | {
    "hidden_size": 24, "intermediate_size": 40, "patch_size": 7, "image_size": 42,
}  # fmt: skip
SMALL_TEXT = {
    "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2,
    "num_attention_heads": 6, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
}  # fmt: skip

MODELS = (
    ModelSpecification(
        name="llava-1.5-mha",
        seed=24,
        text={
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
            "rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
        },
        vision=LARGE_VISION,
        vocabulary="sentencepiece",
        special_tokens=LLAMA_TOKENS,
        rows=352,
        cases=(
            *pad_cases(VICUNA, "landscape", "portrait", "square", "wide", "small"),
            CaseSpecification("landscape-crop", ("landscape",), "crop", VICUNA),
            CaseSpecification("two-pictures-pad", ("portrait", "wide"), "pad", VICUNA_TWO),
        ),
    ),
    ModelSpecification(
        name="llava-1.5-gqa",
        seed=94,
        text=SMALL_TEXT | {
            "model_type": "llama", "rope_theta": 500000.0, "max_position_embeddings": 8192,
            "attention_bias": True,
            "rope_scaling": {
                "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
            },
        },
        vision=SMALL_VISION,
        vocabulary="llama-bpe",
        special_tokens=LLAMA3_TOKENS,
        rows=320,
        cases=pad_cases(LLAMA3, "portrait", "wide"),
    ),
    ModelSpecification(
        name="llava-next-mistral",
        seed=12,
        text=SMALL_TEXT | {
            "model_type": "mistral", "rope_theta": 1e6, "max_position_embeddings": 32768,
            "sliding_window": None, "head_dim": 8,
        },
        vision=SMALL_VISION,
        vocabulary="sentencepiece-json",
        special_tokens=LLAMA_TOKENS,
        rows=344,
        next_model=True,
        shard_size="200KB",
        cases=tuple(
            CaseSpecification(f"{picture}-anyres", (picture,), "anyres", MISTRAL)
            for picture in ("landscape", "portrait", "square", "wide", "small")
        ),
    ),
    ModelSpecification(
        name="llava-qwen2",
        seed=19,
        text=SMALL_TEXT | {
            "model_type": "qwen2", "rope_theta": 1e6, "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
            "rope_scaling": {"rope_type": "linear", "factor": 4.0},
        },
        vision=SMALL_VISION,
        vocabulary="qwen2",
        special_tokens=CHATML_TOKENS,
        rows=320,
        embedding_deviation=0.4,
        cases=pad_cases(CHATML, "landscape", "square"),
    ),
    ModelSpecification(
        name="llava-phi3",
        seed=83,
        text=SMALL_TEXT | {
            "model_type": "phi3", "num_attention_heads": 4, "num_key_value_heads": 4,
            "max_position_embeddings": 2048, "original_max_position_embeddings": 512,
            "sliding_window": 2047, "pad_token_id": 346, "bos_token_id": 1, "eos_token_id": 2,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0, 1.05, 1.1, 1.3, 1.5, 2.0],
                "long_factor": [1.1, 1.6, 2.5, 4.0, 7.0, 12.0],
            },
        },
        vision=SMALL_VISION,
        vocabulary="sentencepiece",
        special_tokens=PHI3_TOKENS,
        rows=352,
        cases=pad_cases(VICUNA, "square", "landscape"),
    ),
)  # fmt: skip
