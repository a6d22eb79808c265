# SPDX-License-Identifier: Apache-2.0
"""What comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Tile:
    """A part of a picture that the vision tower saw, and which of its tokens were kept.

    The rectangle is in the picture's pixels; it may reach beyond a picture that was padded.
    """

    x: float
    y: float
    width: float
    height: float
    columns: int
    rows: int
    kept: frozenset[int]
    """Cells counted row by row, from 0."""

    def mask(self) -> list[list[bool]]:
        """Whether each cell was kept: [rows][columns]."""
        return [
            [row * self.columns + column in self.kept for column in range(self.columns)]
            for row in range(self.rows)
        ]


@dataclass(frozen=True)
class PruneMap:
    """Which visual tokens of a picture were kept."""

    width: int
    height: int
    visual_tokens: int
    kept_tokens: int
    tiles: tuple[Tile, ...]

    @classmethod
    def _read(cls, picture: Mapping[str, Any]) -> PruneMap:
        tiles = (Tile(**{**tile, "kept": frozenset(tile["kept"])}) for tile in picture["tiles"])
        return cls(
            picture["width"], picture["height"], picture["visual_tokens"],
            picture["kept_tokens"], tuple(tiles),
        )  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """An answer with what it cost. `str(answer)` is its text."""

    text: str
    stop_reason: str
    """`stop`, or `length` where the limit of tokens ended it."""
    prompt_tokens: int
    """Rows that entered the decoder, kept visual tokens included."""
    completion_tokens: int
    cached_tokens: int
    """Rows of the prompt that an earlier request left in the KV cache."""
    visual_tokens: int
    """Visual tokens of all pictures before pruning."""
    kept_tokens: int
    """Visual tokens of all pictures after pruning."""
    kv_cache_bytes: int
    model: str
    selector: str | None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage: queued, vision, selection, prefill, first_token, decode, total."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Caption:
    """A picture's caption, or why there is none."""

    index: int
    """The picture's place among those given, from 0."""
    source: str | None
    """The picture's path, where it has one."""
    answer: Answer | None
    error: str | None

    @property
    def text(self) -> str | None:
        """The caption."""
        return None if self.answer is None else self.answer.text
