# SPDX-License-Identifier: Apache-2.0
"""The visual tokens of the golden cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Case:
    """A set of visual tokens and the budgets at which they are selected."""

    name: str
    count: int
    budgets: list[int]
    kind: str = "random"
    left_out: str = ""  # a selector for which the draw that suits all others has too close a choice
    merged: int = 0  # the budget at which what is dropped is merged; 0 for none
    text_tokens: int = 5
    width: int = 24
    feature_width: int = 20


@dataclass
class Tokens:
    """The inputs of a selection, in float32."""

    embeddings: np.ndarray  # [count, width]
    features: np.ndarray  # [count, feature width]
    attention: np.ndarray  # [count]
    text: np.ndarray  # [text tokens, width]
    middle: np.ndarray | None = None  # [count], attention received in a middle block
    last: np.ndarray | None = None  # [count], attention received in the last block

    @property
    def places(self) -> np.ndarray:
        """Tile, row and column [count, 3]: two tiles, the second half as large, in lines of eight."""
        index = np.arange(len(self.embeddings))
        first = (2 * len(index) + 2) // 3
        tile = (index >= first).astype(int)
        within = index - first * tile
        return np.stack([tile, within // 8, within % 8], axis=1)


CASES = [
    Case("one", 1, [1, 3]),
    Case("two", 2, [1, 2, 3]),
    Case("seventeen", 17, [1, 5, 16, 17], merged=9),
    Case("no-question", 17, [4, 9], text_tokens=0),
    Case("random-64", 64, [1, 8, 32, 63], merged=16),
    Case("clustered-64", 64, [1, 8, 32, 63], kind="clustered", merged=16),
    Case("degenerate-64", 64, [1, 8, 32, 60], kind="degenerate", merged=16),
    Case("random-576", 576, [64, 192], width=20, feature_width=16),
    Case(
        "clustered-576",
        576,
        [64, 128],
        kind="clustered",
        left_out="todre",
        width=20,
        feature_width=16,
    ),
]


def draw(case: Case, seed: int) -> Tokens:
    """One draw of a case."""
    random = np.random.default_rng([seed, case.count, len(case.name)])
    embeddings = rows(case, case.width, random)
    features = rows(case, case.feature_width, random)
    attention = 0.2 + random.gamma(1, 1, case.count)
    text = random.normal(0.2, 0.5, (case.text_tokens, case.width))
    if case.kind == "degenerate":
        degrade(embeddings)
        degrade(features)
        attention[4] = attention[5]
    parts = (embeddings, features, attention, text, *received(case))
    return Tokens(*(part.astype(np.float32) for part in parts))


def received(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Attention in two blocks; any two patches differ by a part of `count`, but for ties if degenerate."""
    # Generators of their own, so that the other parts stay as they were drawn before these were added.
    random = np.random.default_rng([case.count, len(case.name)])
    middle, last = ((1 + random.permutation(case.count)) / case.count for _ in range(2))
    if case.kind == "degenerate":
        middle[[21, 50]] = 2
        last[[4, 5, 60]] = last.max()
    return middle, last


def rows(case: Case, width: int, random: np.random.Generator) -> np.ndarray:
    """Rows that share a direction, like a projector's; in a few groups if clustered."""
    offset = random.normal(0, 0.5, width)
    if case.kind == "clustered":
        centres = random.normal(0, 1, (7, width))
        sizes = random.dirichlet(np.ones(7))
        groups = random.choice(7, case.count, p=sizes)
        return offset + centres[groups] + random.normal(0, 0.3, (case.count, width))
    lengths = random.lognormal(0, 0.3, (case.count, 1))
    return lengths * (offset + random.normal(0, 1, (case.count, width)))


def degrade(values: np.ndarray) -> None:
    """Inserts zero rows, equal rows, a scaled row and a negated row."""
    values[3] = values[40] = 0
    values[11] = values[20] = values[63] = values[7]
    values[30] = 2 * values[12]
    values[31] = -values[13]
