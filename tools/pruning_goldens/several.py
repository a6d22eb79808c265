# SPDX-License-Identifier: Apache-2.0
"""Budgets and selections for several pictures, as SeveralPictures documents them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pruning_goldens.inputs import Tokens
from pruning_goldens.selectors import Decisions, alignment, cosines, remaining, unit

# Objectives that differ by less are equal.
DIGITS = 9
NARROWEST_DIFFERENCE = 3e-6


@dataclass
class Pictures:
    """A case of several pictures."""

    name: str
    groups: list[tuple[int, int]]  # tokens, and the number of different ones among them; 0 for all
    budgets: list[int]
    text_tokens: int = 5
    repeats_first: bool = False
    overselection: float = 1
    guaranteed_share: float = 0.25
    metric: str = "squared-l2"
    width: int = 16


CASES = [
    Pictures("three", [(20, 0), (30, 3), (24, 8)], [3, 12, 40, 74]),
    Pictures("options", [(20, 0), (30, 3), (24, 8)], [12, 40], 5, False, 0.4, 0.75, "cosine"),
    Pictures("no-question", [(16, 0), (16, 4)], [5, 12], text_tokens=0),
    Pictures("same-twice", [(18, 0), (18, 0)], [9, 20], repeats_first=True),
    Pictures("single", [(25, 0)], [4, 25]),
    Pictures("many-small", [(5, 0), (1, 0), (0, 0), (2, 0), (9, 0)], [1, 3, 8, 16]),
]


def draw(case: Pictures, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The tokens of each picture and of the question."""
    random = np.random.default_rng([seed, len(case.name)])
    pictures = []
    offset = random.normal(0, 0.7, case.width)
    for count, groups in case.groups:
        rows = random.normal(0, 1, (count, case.width))
        if groups:
            rows = rows[random.integers(0, groups, count)] + 0.2 * rows
        pictures.append((offset + rows).astype(np.float32))
    if case.repeats_first:
        pictures[1] = pictures[0].copy()
    text = random.normal(0.2, 0.5, (case.text_tokens, case.width)).astype(np.float32)
    return pictures, text


def mean_pair_distance(rows: np.ndarray) -> float:
    """Over all pairs, one by one."""
    similarity = cosines(rows)
    pairs = [1 - similarity[i, j] for i in range(len(rows)) for j in range(i)]
    return float(np.mean(pairs)) if pairs else 0.0


def apportion(total: int, weights: list[float], limits: list[tuple[int, int]]) -> list[int]:
    """Proportional shares. Those beyond a limit are set to it, and the rest is shared again."""
    total = min(max(total, sum(low for low, _ in limits)), sum(high for _, high in limits))
    weights = [max(weight, 1e-9) for weight in weights]
    shares: dict[int, float] = {}
    free = list(range(len(weights)))
    while free:
        rest = total - sum(shares.values())
        per_weight = rest / sum(weights[index] for index in free)
        wanted = {index: per_weight * weights[index] for index in free}
        clamped = {index: min(max(wanted[index], limits[index][0]), limits[index][1]) for index in free}
        excess = sum(clamped.values()) - rest
        if abs(excess) < 1e-9:
            shares |= clamped
            break
        # If lower limits gave too much, or upper ones too little, these shares are final.
        settled = [
            index
            for index in free
            if (clamped[index] > wanted[index] if excess > 0 else clamped[index] < wanted[index])
        ]
        shares |= {index: clamped[index] for index in settled}
        free = [index for index in free if index not in settled]
    parts = [int(np.floor(shares[index] + 1e-9)) for index in range(len(weights))]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - shares[index], index))
    while sum(parts) < total:
        for index in order:
            if sum(parts) < total and parts[index] < limits[index][1]:
                parts[index] += 1
    return parts


def rep_max(rows: np.ndarray, keep: int, decisions: Decisions) -> list[int]:
    """The largest expected distance, greedily."""
    if keep == 0:
        return []
    similarity = cosines(rows)
    chosen = [decisions.best(-similarity.mean(axis=1), list(range(len(rows))))]
    while len(chosen) < keep:
        scores = -similarity[:, chosen].mean(axis=1)
        chosen.append(decisions.best(scores, remaining(len(rows), chosen)))
    return sorted(chosen)


def dominates(left: np.ndarray, right: np.ndarray) -> bool:
    """At least as good in all, better in one."""
    return bool((left >= right).all() and (left > right).any())


def pareto(objectives: np.ndarray, keep: int) -> list[int]:
    """Non-dominated sorting; the front that does not fit is thinned by crowding distance."""
    left, kept = list(range(len(objectives))), []
    while len(kept) < keep:
        front = [
            point
            for point in left
            if not any(dominates(objectives[other], objectives[point]) for other in left)
        ]
        if len(kept) + len(front) > keep:
            front = sorted(front, key=lambda point: (-objectives[point][0], point))
            room = dict.fromkeys(front, 0.0)
            for column in range(2):
                extent = abs(objectives[front[0]][column] - objectives[front[-1]][column])
                for before, point, after in zip(front, front[1:], front[2:], strict=False):
                    gap = abs(objectives[before][column] - objectives[after][column])
                    room[point] += gap / extent if extent > 0 else 0
            room[front[0]] = room[front[-1]] = np.inf
            front = sorted(front, key=lambda point: (-round(room[point], 7), point))
            front = front[: keep - len(kept)]
        kept += front
        left = [point for point in left if point not in front]
    return sorted(kept)


def select(
    case: Pictures, pictures: list[np.ndarray], text: np.ndarray, keep: int
) -> dict | None:
    """The kept tokens; None if a choice is close."""
    decisions = Decisions()
    diversity = [mean_pair_distance(rows) for rows in pictures]
    means = [unit(rows).mean(axis=0) for rows in pictures if len(rows) > 0]
    means += [np.zeros(case.width) for rows in pictures if len(rows) == 0]
    variation = mean_pair_distance(np.array(means)) if len(means) > 1 else 1.0
    fewest = [
        min(len(rows), max(1, int(case.guaranteed_share * keep / len(pictures))))
        for rows in pictures
    ]
    total = int(keep * (1 + case.overselection * max(0.0, 1 - variation)))
    limits = [(low, len(rows)) for low, rows in zip(fewest, pictures, strict=True)]
    budgets = apportion(total, diversity, limits)
    for change in (1 - 1e-5, 1 + 1e-5):
        for index in range(len(pictures)):
            shaken = [weight * (change if place == index else 1) for place, weight in enumerate(diversity)]
            shaken_total = int(keep * (1 + case.overselection * max(0.0, 1 - variation * change)))
            if apportion(shaken_total, shaken, limits) != budgets:
                return None
    pool = [
        (picture, token)
        for picture, rows in enumerate(pictures)
        for token in rep_max(rows, budgets[picture], decisions)
    ]
    if keep < len(pool):
        rows = np.array([pictures[picture][token] for picture, token in pool])
        tokens = Tokens(rows, rows, np.zeros(len(rows)), text)
        distances = (1 - cosines(rows)).mean(axis=1)
        aligned = alignment(tokens, case.metric) if len(text) > 0 else np.zeros(len(rows))
        objectives = np.stack([distances, aligned / max(np.abs(aligned).max(), 1e-30)], axis=1)
        objectives = np.round(objectives, DIGITS)
        for column in objectives.T:
            differences = np.diff(np.unique(column))
            if len(differences) > 0 and differences.min() < NARROWEST_DIFFERENCE:
                return None
        pool = [pool[index] for index in pareto(objectives, keep)]
    if decisions.margin < NARROWEST_DIFFERENCE:
        return None
    indices = [[token for place, token in pool if place == picture] for picture in range(len(pictures))]
    return {
        "keep": keep,
        "diversity": diversity,
        "variation": variation,
        "budgets": budgets,
        "indices": indices,
    }
