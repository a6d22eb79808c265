# SPDX-License-Identifier: Apache-2.0
"""The selectors as in their papers: whole matrices, float64, no shortcuts.

Ties go to the lowest index; scores closer than rounding in float64 are ties.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pruning_goldens.inputs import Tokens

ROUNDING = 1e-9


class Decisions:
    """Picks the best of some scores and records the margin of the closest decision."""

    def __init__(self) -> None:
        self.margin = np.inf

    def best(self, scores: np.ndarray, candidates: list[int], scale: float = 1) -> int:
        """The lowest candidate with the largest score; scores are measured in `scale`."""
        values = np.array([scores[candidate] for candidate in candidates]) / scale
        ties = values >= values.max() - ROUNDING
        if not ties.all():
            self.margin = min(self.margin, values.max() - values[~ties].max())
        return candidates[int(np.argmax(ties))]

    def largest(self, scores: np.ndarray, count: int) -> list[int]:
        """The `count` largest scores; among equals, the lowest index first."""
        scale = max(np.abs(scores).max(), 1e-30)
        order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
        if 0 < count < len(scores):
            gap = (scores[order[count - 1]] - scores[order[count]]) / scale
            if gap > ROUNDING:
                self.margin = min(self.margin, gap)
        return order[:count]


Rule = Callable[[Tokens, int, "Options", Decisions], list[int]]


@dataclass
class Options:
    """A rule and its options."""

    rule: Rule
    metric: str = "squared-l2"
    share: float = 0.8
    seed: int = 0
    recorded: dict = field(default_factory=dict)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; zeros stay zeros."""
    rows = rows.astype(np.float64)
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def cosines(rows: np.ndarray) -> np.ndarray:
    """Between every row and every row."""
    return unit(rows) @ unit(rows).T


def remaining(count: int, chosen: list[int]) -> list[int]:
    """The remaining candidates, ascending."""
    return [index for index in range(count) if index not in set(chosen)]


def min_max(values: np.ndarray) -> np.ndarray:
    """Scaled to 0…1; all 1 if they are equal."""
    extent = values.max() - values.min()
    return (values - values.min()) / extent if extent > ROUNDING else np.ones_like(values)


def alignment(tokens: Tokens, metric: str) -> np.ndarray:
    """TrimTokenator's alpha: pair by pair."""
    visual, text = tokens.embeddings.astype(np.float64), tokens.text.astype(np.float64)
    if metric == "cosine":
        return (unit(visual) @ unit(text).T).mean(axis=1)
    squares = ((visual[:, None, :] - text[None, :, :]) ** 2).sum(axis=2)
    return -(squares if metric == "squared-l2" else np.sqrt(squares)).mean(axis=1)


def spread_out(
    similarity: np.ndarray, first: int, keep: int, decisions: Decisions
) -> list[int]:
    """Max-sum distance, from a first token on."""
    chosen = [first]
    while len(chosen) < keep:
        scores = -similarity[:, chosen].mean(axis=1)
        chosen.append(decisions.best(scores, remaining(len(similarity), chosen)))
    return chosen


def trimtokenator(
    tokens: Tokens, keep: int, options: Options, decisions: Decisions
) -> list[int]:
    """arXiv 2509.00320: alignment with the text, then the largest expected distance."""
    count = len(tokens.embeddings)
    survivors = list(range(count))
    if len(tokens.text) > 0:
        first_stage = max(keep, int(options.share * count))
        survivors = sorted(decisions.largest(alignment(tokens, options.metric), first_stage))
    similarity = cosines(tokens.embeddings[survivors])
    first = decisions.best(-similarity.mean(axis=1), list(range(len(survivors))))
    return [survivors[index] for index in spread_out(similarity, first, keep, decisions)]


def todre(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """arXiv 2505.18757, the first stage: the most attended token, then the largest sum of distances."""
    first = decisions.largest(tokens.attention.astype(np.float64), 1)[0]
    return spread_out(cosines(tokens.embeddings), first, keep, decisions)


def hiprune(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """arXiv 2508.00553: anchors and their four neighbours by a middle block, the rest by the last one."""
    anchors = decisions.largest(tokens.middle.astype(np.float64), round(0.1 * keep / 5))
    steps = np.abs(tokens.places[:, None, :] - tokens.places[None, anchors, :])  # [count, anchors, 3]
    beside = (steps[:, :, 0] == 0) & (steps[:, :, 1:].sum(axis=2) <= 1)
    objects = [int(index) for index in np.flatnonzero(beside.any(axis=1))]
    others = remaining(len(tokens.places), objects)
    ranks = decisions.largest(tokens.last[others].astype(np.float64), keep - len(objects))
    return objects + [others[rank] for rank in ranks]


def farthest(
    similarity: np.ndarray, weights: np.ndarray, keep: int, decisions: Decisions
) -> list[int]:
    """Max-min distance, each candidate's distance weighted."""
    distance = 1 - similarity
    count = len(distance)
    neighbours = distance + np.diag(np.full(count, np.inf))
    chosen = [decisions.best(weights * neighbours.min(axis=1), list(range(count)))]
    while len(chosen) < keep:
        scores = weights * distance[:, chosen].min(axis=1)
        chosen.append(decisions.best(scores, remaining(count, chosen)))
    return chosen


def divprune(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """arXiv 2503.02175."""
    weights = np.ones(len(tokens.embeddings))
    return farthest(cosines(tokens.embeddings), weights, keep, decisions)


def cenprune(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """DivPrune on centred tokens, weighted by how unlike the others the uncentred ones are."""
    weights = min_max(-cosines(tokens.embeddings).mean(axis=1))
    visual = tokens.embeddings.astype(np.float64)
    return farthest(cosines(visual - visual.mean(axis=0)), weights, keep, decisions)


def cover(
    coverage: np.ndarray, weights: np.ndarray, keep: int, decisions: Decisions
) -> list[int]:
    """Facility location on `coverage[thing, token]`; every gain is recomputed."""
    chosen: list[int] = []
    while len(chosen) < keep:
        covered = coverage[:, chosen].max(axis=1, initial=0)
        gains = weights * np.maximum(0, coverage - covered[:, None]).sum(axis=0)
        candidates = remaining(coverage.shape[1], chosen)
        scale = max(gains[candidates].max(), 1e-30)
        chosen.append(decisions.best(gains, candidates, scale))
    return chosen


def scope(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """arXiv 2510.24214."""
    return cover(cosines(tokens.features), tokens.attention.astype(np.float64), keep, decisions)


def row_softmax(scores: np.ndarray) -> np.ndarray:
    """The softmax of every row."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def mmtok(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """arXiv 2508.18264."""
    count, text_count = len(tokens.embeddings), len(tokens.text)
    coverage = 0.5 * row_softmax(cosines(tokens.features) / 0.2) / count
    if text_count > 0:
        text = row_softmax(unit(tokens.text) @ unit(tokens.embeddings).T / 0.02) / text_count
        coverage = np.vstack([text, coverage])
    return cover(coverage, np.ones(count), keep, decisions)


def spread(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """The rule that docs/pruning.md describes: likeness, nearness and distinctness."""
    count = len(tokens.embeddings)
    visual = tokens.embeddings.astype(np.float64)
    distances = ((visual - visual.mean(axis=0)) ** 2).sum(axis=1)
    weights = np.ones(count)
    if distances.mean() > 0:
        powers = np.minimum(distances / distances.mean(), 5) ** 1.25
        weights = 0.02 + 0.98 * powers / powers.mean()
    reach = 2 * np.sqrt(count / keep)
    places = tokens.places.astype(np.float64)
    squares = ((places[:, None, 1:] - places[None, :, 1:]) ** 2).sum(axis=2)
    near = np.exp(-squares / (2 * reach**2)) * (places[:, None, 0] == places[None, :, 0])
    alike = np.exp((cosines(tokens.features) - 1) / 0.2)
    return cover(weights[:, None] * alike * near, np.ones(count), keep, decisions)


def cdpruner(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """arXiv 2506.10967 with the decoder's text embeddings: greedy determinants.

    What a token adds to the determinant is the Schur complement of its diagonal element.
    """
    count = len(tokens.embeddings)
    relevance = np.ones(count)
    if len(tokens.text) > 0:
        direction = unit(tokens.text.astype(np.float64).mean(axis=0)[None, :])[0]
        relevance = min_max(unit(tokens.embeddings) @ direction)
    kernel = relevance[:, None] * cosines(tokens.embeddings) * relevance[None, :]
    chosen: list[int] = []
    while len(chosen) < keep:
        residuals = np.diag(kernel).copy()
        if chosen:
            across = kernel[:, chosen]
            inner = kernel[np.ix_(chosen, chosen)]
            residuals -= (across * np.linalg.solve(inner, across.T).T).sum(axis=1)
        candidates = remaining(count, chosen)
        largest = residuals[candidates].max() / np.diag(kernel).max()
        if largest < 1e-7:
            return chosen + candidates[: keep - len(chosen)]
        decisions.margin = min(decisions.margin, largest / 10)
        chosen.append(decisions.best(residuals, candidates))
    return chosen


def visionzip(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """arXiv 2412.04467 without merging."""
    contextual = keep * 10 // 64
    dominant = decisions.largest(tokens.attention.astype(np.float64), keep - contextual)
    others = remaining(len(tokens.attention), dominant)
    step = max(1, len(others) // max(1, contextual))
    return dominant + others[::step][:contextual]


def splitmix64(seed: int, count: int) -> list[int]:
    """Steele, Lea and Flood (2014)."""
    mask, state, numbers = 2**64 - 1, seed, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(mixed ^ (mixed >> 31))
    return numbers


def random(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """The tokens that draw the smallest numbers."""
    draws = splitmix64(options.seed, len(tokens.embeddings))
    return sorted(range(len(draws)), key=lambda index: draws[index])[:keep]


def uniform(tokens: Tokens, keep: int, options: Options, decisions: Decisions) -> list[int]:
    """The middles of equal intervals."""
    return [int((place + 0.5) * len(tokens.embeddings) / keep) for place in range(keep)]


def variant(rule: Rule, **recorded: str | float) -> Options:
    """A rule with options that the case records."""
    return Options(rule, recorded=recorded, **recorded)


SELECTORS = {
    "trimtokenator": [
        variant(trimtokenator),
        variant(trimtokenator, metric="l2"),
        variant(trimtokenator, metric="cosine", share=0.5),
        variant(trimtokenator, share=1.0),
    ],
    "spread": [variant(spread)],
    "mmtok": [variant(mmtok)],
    "divprune": [variant(divprune)],
    "cenprune": [variant(cenprune)],
    "scope": [variant(scope)],
    "cdpruner": [variant(cdpruner)],
    "visionzip-select": [variant(visionzip)],
    "todre": [variant(todre)],
    "hiprune": [variant(hiprune)],
    "random": [variant(random), variant(random, seed=2024)],
    "uniform": [variant(uniform)],
}
