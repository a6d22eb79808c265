# SPDX-License-Identifier: Apache-2.0
"""The patches that a spared tower sees, against the rule followed step by step."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from golden_models.sparing import LARGEST_REGION, choose


def squared_distance(patches: np.ndarray, first: int, second: int) -> float:
    return float(np.square(patches[first] - patches[second]).sum())


def stand_ins(patches: np.ndarray, columns: int, share: float) -> list[int]:
    """Which patch stands for each, by looking at all pairs of regions again and again."""
    regions = [{patch} for patch in range(len(patches))]
    while len(regions) > math.ceil(share * len(patches)):
        pairs = [
            (squared_distance(patches, one, other), one, other, left, right)
            for left, right in product(range(len(regions)), repeat=2)
            if left != right and len(regions[left]) + len(regions[right]) <= LARGEST_REGION
            for one, other in product(regions[left], regions[right])
            if other == one + columns or (other == one + 1 and other % columns)
        ]
        if not pairs:
            break
        *_, left, right = min(pairs)
        rest = [region for place, region in enumerate(regions) if place not in (left, right)]
        regions = [*rest, regions[left] | regions[right]]
    found = [0] * len(patches)
    for members in map(sorted, regions):
        sums = [sum(squared_distance(patches, one, other) for other in members) for one in members]
        for member in members:
            found[member] = members[sums.index(min(sums))]
    return found


@pytest.mark.parametrize("share", [0.5, 0.6, 0.9, 1])
@pytest.mark.parametrize("grid", [(1, 1), (1, 7), (7, 1), (2, 2), (5, 3), (6, 7)])
@pytest.mark.parametrize("flat", [False, True], ids=["unlike", "flat"])
def test_the_choice_follows_the_rule(grid: tuple[int, int], share: float, flat: bool) -> None:
    rows, columns = grid
    random = np.random.default_rng(rows)
    patches = random.standard_normal((rows * columns, 5))
    if flat:  # with equal patches, and equal distances between others
        patches = np.round(patches)
    choice = choose(patches, columns, share)
    assert choice.seen[choice.places].tolist() == stand_ins(patches, columns, share)
    assert choice.seen.tolist() == sorted(set(choice.seen.tolist()))
    assert flat or choice.gap > 0


def test_the_gap_is_what_turns_the_choice() -> None:
    patches = np.array([[0.0], [1.0], [2.1], [10.0]])
    choice = choose(patches, 4, 0.75)
    assert choice.seen.tolist() == [0, 2, 3] and choice.places.tolist() == [0, 0, 1, 2]
    assert choice.gap == pytest.approx(0.1 / 10)
