# SPDX-License-Identifier: Apache-2.0
"""The workloads: models, token counts, and the figures that a runtime reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .errors import ComparisonError

PREFILL_TOKENS = (64, 128, 640)
DECODE_CONTEXT = 128
DECODE_TOKENS = 16
CONTEXT = 1024  # rows of the KV cache for LLaVA, where a runtime takes a limit
QUESTION = "What is in this picture?"

VISION, FIRST_TOKEN, LOAD, PEAK = "vision", "first_token", "load", "peak"
TILE = "tile"
KEPT_TOKENS = 64  # of LLaVA's 576 visual tokens, in captions
KEPT_SHARES = ("25%", "11.1%")  # of a picture's visual tokens, in a runtime that prunes; 144 and 64 of 576
FEW_TILES = 5  # the most tiles of a picture, in a runtime that can limit them
FEW_TILES_FIRST_TOKEN = "few_tiles_first_token"
DECODE = "decode"


def prefill(tokens: int) -> str:
    return f"prefill_{tokens}"


def pruned_first_token(share: str) -> str:
    return f"first_token_keep_{share}"


@dataclass(frozen=True)
class Quantity:
    """A measured quantity with its name in the table and its unit."""

    title: str
    unit: str
    more_is_better: bool = False


QUANTITIES = {
    VISION: Quantity("vision encode, one picture", "s"),
    TILE: Quantity("vision encode, each of its tiles", "s"),
    **{
        prefill(tokens): Quantity(f"prefill, {tokens} tokens", "tokens/s", more_is_better=True)
        for tokens in PREFILL_TOKENS
    },
    DECODE: Quantity(f"decode at context {DECODE_CONTEXT}", "tokens/s", more_is_better=True),
    FIRST_TOKEN: Quantity("time to first token, one picture", "s"),
    **{
        pruned_first_token(share): Quantity(
            f"the same, keeping {share} of the visual tokens where that is possible", "s"
        )
        for share in KEPT_SHARES
    },
    FEW_TILES_FIRST_TOKEN: Quantity(
        f"the same, with at most {FEW_TILES} tiles where that is possible", "s"
    ),
    LOAD: Quantity("load, files in the page cache", "s"),
    PEAK: Quantity("peak memory (RSS), one picture", "GiB"),
}


@dataclass(frozen=True)
class Workload:
    """A model: a shape of tools/make-synthetic-model and the format of its text part."""

    shape: str
    layers: int
    text_type: str
    tiles: int = 1  # into which the picture is cut
    picture_size: tuple[int, int] | None = None  # width and height, where it is not the sample's own
    visual_tokens: int | None = None  # of that picture, which the runtimes are held to

    @property
    def name(self) -> str:
        return f"{self.shape}-{self.text_type}"

    @property
    def is_llava(self) -> bool:
        return self.shape.startswith("llava")

    @property
    def is_qwen2_vl(self) -> bool:
        return self.shape.startswith("qwen2vl")

    @property
    def context(self) -> int:
        """Rows of the KV cache, enough for a picture and a question."""
        return CONTEXT if self.is_llava else 2 * CONTEXT

    def check_visual_tokens(self, runtime: str, count: int) -> None:
        """Refuses figures of a picture that a runtime cut or scaled in another way than the others."""
        if self.visual_tokens not in (None, count):
            raise ComparisonError(
                f"{runtime} made {count} visual tokens of the picture, expected {self.visual_tokens}"
            )


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("llava-1.5-7b-4-layers", 4, "Q4_0"),
        Workload("llava-1.5-7b", 32, "Q4_0"),
        Workload("llava-1.5-7b", 32, "Q4_K_M"),
        Workload("smolvlm-256m", 30, "Q8_0", tiles=13),
        Workload("smolvlm-500m", 32, "Q8_0", tiles=13),
        Workload("smolvlm2-2.2b", 24, "Q4_K_M", tiles=13),
        # 37 × 27 cells of 28 × 28 pixels.
        Workload("qwen2vl-2b", 28, "Q4_K_M", picture_size=(1024, 768), visual_tokens=999),
    )
}


@dataclass
class Figures:
    """Samples by quantity, and remarks about some of them."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, values: dict[str, float], notes: dict[str, str] | None = None) -> Figures:
        """One sample of each quantity."""
        return cls({quantity: [value] for quantity, value in values.items()}, notes or {})

    def merge(self, other: Figures) -> None:
        for quantity, values in other.samples.items():
            self.samples.setdefault(quantity, []).extend(values)
        self.notes |= other.notes


@dataclass(frozen=True)
class Folders:
    repository: Path
    work: Path

    @property
    def sample_picture(self) -> Path:
        return self.repository / "tools/samples/chelsea.png"

    def picture(self, workload: Workload) -> Path:
        if workload.picture_size is None:
            return self.sample_picture
        width, height = workload.picture_size
        return self.work / "pictures" / f"{width}x{height}.png"


@dataclass(frozen=True)
class MeasuringOptions:
    threads: int
    repetitions: int
    trimllava_options: list[str]
    accepts_busy: bool
    lock: Path | None
    selector: str | None = None  # of visual tokens, where it is not a runtime's default


@dataclass(frozen=True)
class Run:
    folders: Folders
    options: MeasuringOptions


class Runtime(Protocol):
    """A program that runs vision-language models. All of its files go to `run.folders.work`."""

    name: str

    def install(self) -> None:
        """Builds or installs the program if it is missing."""

    def prepare(self, workload: Workload) -> None:
        """Makes the workload's model files if they are missing."""

    def tune(self, workload: Workload) -> None:
        """Finds the fastest settings for the workload, on an idle machine."""

    def version(self) -> str:
        """Name and version, for the table."""

    def settings(self) -> str:
        """Its settings, in one line."""

    def steps(self, workload: Workload) -> list[Callable[[], Figures]]:
        """Short measurements that each give a sample of some quantities."""
