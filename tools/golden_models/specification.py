# SPDX-License-Identifier: Apache-2.0
"""What a tiny model is made of, and what it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .golden_model import Family

SMALL_TEXT = {
    "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2,
    "num_attention_heads": 6, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
}  # fmt: skip


@dataclass(frozen=True)
class CaseSpecification:
    """One prompt about some pictures, and the layout that cuts them into tiles."""

    name: str
    pictures: tuple[str, ...]
    layout: str  # pad, crop or anyres for LLaVA; video; otherwise the family
    prompt: str
    settings: dict[str, int] = field(default_factory=dict)  # of the image processor, as in case.json


@dataclass(frozen=True)
class ModelSpecification:
    """A tiny model. The first case has every stage, the others only the short ones."""

    name: str
    family: Family
    seed: int
    text: dict[str, Any]
    vision: dict[str, Any]
    vocabulary: str  # sentencepiece, sentencepiece-json, llama-bpe, qwen2 or smollm
    special_tokens: tuple[str, ...]  # added to what is trained
    rows: int  # of the embedding; more than there are tokens
    cases: tuple[CaseSpecification, ...]
    picture_token: str = "<image>"  # which stands for a visual row
    shard_size: str = "5GB"
    embedding_deviation: float = 0.7
    chat_template: str | None = None
    spared_case: str | None = None  # recorded with a tower that sees half of its patches, too
