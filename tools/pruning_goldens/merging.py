# SPDX-License-Identifier: Apache-2.0
"""What becomes of dropped tokens: token by token, float64.

Ties go to the lowest index, as in `selectors`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pruning_goldens.inputs import Tokens
from pruning_goldens.selectors import Decisions, cosines, remaining


@dataclass
class Dropped:
    """Tokens of which some are kept."""

    tokens: Tokens
    kept: list[int]
    decisions: Decisions

    @property
    def rows(self) -> np.ndarray:
        """The rows that are merged: [count, width]."""
        return self.tokens.embeddings.astype(np.float64)

    def averages(
        self,
        targets: list[int],
        least: float = -np.inf,
        weight: Callable[[float], float] = lambda likeness: 1,
    ) -> np.ndarray:
        """Each dropped token in the mean of the target that it resembles most."""
        similarity = cosines(self.tokens.embeddings)
        groups = {target: [(1.0, self.rows[target])] for target in self.kept}
        for token in remaining(len(self.rows), self.kept) if targets else []:
            nearest = self.decisions.best(similarity[token], targets)
            likeness = similarity[token, nearest]
            self.decisions.margin = min(self.decisions.margin, abs(likeness - least))
            if likeness >= least:
                groups[nearest].append((weight(likeness), self.rows[token]))
        return np.array([
            sum(part * row for part, row in group) / sum(part for part, _ in group)
            for group in groups.values()
        ])


def mean(dropped: Dropped) -> np.ndarray:
    """Ours: a cosine of 0.9 or more."""
    return dropped.averages(dropped.kept, 0.9)


def weighted(dropped: Dropped) -> np.ndarray:
    """Ours: the same, weighted by likeness."""
    return dropped.averages(dropped.kept, 0.9, lambda likeness: np.exp((likeness - 1) / 0.2))


def tome(dropped: Dropped) -> np.ndarray:
    """arXiv 2210.09461, one round from what is dropped to what is kept."""
    return dropped.averages(dropped.kept)


def visionzip(dropped: Dropped) -> np.ndarray:
    """arXiv 2412.04467: into the contextual tokens, the least attended of the kept ones."""
    attention = dropped.tokens.attention[dropped.kept].astype(np.float64)
    dominant = dropped.decisions.largest(attention, len(dropped.kept) - len(dropped.kept) * 10 // 64)
    contextual = [token for rank, token in enumerate(dropped.kept) if rank not in dominant]
    return dropped.averages(contextual)


def prumerge(dropped: Dropped) -> np.ndarray:
    """arXiv 2403.15388: the 32 nearest others, weighted by their shares of the attention."""
    similarity = cosines(dropped.tokens.embeddings)
    shares = dropped.tokens.attention.astype(np.float64)
    shares /= shares.sum()
    rows = []
    for token in dropped.kept:
        candidates = remaining(len(dropped.rows), [token])
        row = dropped.rows[token].copy()
        for _ in range(min(32, len(candidates))):
            nearest = dropped.decisions.best(similarity[token], candidates)
            candidates.remove(nearest)
            row += shares[nearest] * dropped.rows[nearest]
        rows.append(row)
    return np.array(rows)


RULES = {rule.__name__: rule for rule in (mean, weighted, tome, visionzip, prumerge)}
