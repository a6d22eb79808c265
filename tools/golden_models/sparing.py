# SPDX-License-Identifier: Apache-2.0
"""Which patches a vision tower sees that shall see a share of them, and what it then gives for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

SHARE = 0.5
LARGEST_REGION = 6  # patches
SAME = 1e-6  # largest relative error of a tower that sees all patches chosen one by one
NAMES = {"received": "attention"}  # of stages that are called otherwise

Stages = dict[str, np.ndarray]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Choice:
    """The patches of a tile that a tower sees, and which of them stands for each."""

    seen: np.ndarray  # ascending
    places: np.ndarray  # [patches], among the seen ones
    gap: float  # least change of unlike embeddings, relative to the largest, that may change the choice


def choose(patches: np.ndarray, columns: int, share: float) -> Choice:
    """At least this share of the patches, whose embeddings without positions come line by line.

    Neighbours are joined into regions, the most alike first, until there are as few as wanted. The member
    with the least sum of squared distances to the others stands for its region.
    """
    patches = patches.astype(np.float64)
    wanted = math.ceil(share * len(patches))
    beside = [(place, place + 1) for place in range(len(patches)) if (place + 1) % columns]
    below = [(place, place + columns) for place in range(len(patches) - columns)]
    distances = {pair: np.square(patches[pair[0]] - patches[pair[1]]).sum() for pair in beside + below}
    order = sorted(distances, key=lambda pair: (distances[pair], *pair))
    labels = join(order, len(patches), wanted)
    size = np.linalg.norm(patches, axis=1).max()
    gaps = [math.inf]
    for place, (before, after) in enumerate(pairwise(order)):
        if distances[before] == distances[after]:  # of equal patches, which the order of the picture decides
            continue
        swapped = [*order[:place], after, before, *order[place + 2 :]]
        if not np.array_equal(join(swapped, len(patches), wanted), labels):
            gaps.append(math.sqrt(distances[after]) - math.sqrt(distances[before]))
    stands = np.zeros(len(patches), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        # The distances first: of two members, both have the same sum.
        apart = np.square(patches[members, None] - patches[None, members]).sum(axis=2).sum(axis=1)
        stands[members] = members[apart.argmin()]
        sums = np.sqrt(np.unique(apart))  # without those of equal patches
        gaps += [sums[1] - sums[0]] if len(sums) > 1 else []
    seen, places = np.unique(stands, return_inverse=True)
    return Choice(seen, places, min(gaps) / size)


def join(pairs: list[Pair], count: int, wanted: int) -> np.ndarray:
    """The region of each patch, by its first member, after joining those of pairs in their order."""
    labels = np.arange(count)
    regions = count
    for first, second in pairs:
        if regions <= wanted:
            break
        ends = labels[first], labels[second]
        members = np.isin(labels, ends)
        if ends[0] != ends[1] and members.sum() <= LARGEST_REGION:
            labels[members] = min(ends)
            regions -= 1
    return labels


def spare(
    tiles: np.ndarray, columns: int, whole: Stages, look: Callable[[list[Choice]], Stages]
) -> tuple[Stages, float]:
    """The stages of a tower that sees half of each tile's patches, and the least gap of a choice.

    Patches come as embeddings without positions: [tiles, patches, width]. What the tower gives by the same
    way for all patches must be `whole`.
    """
    for name, values in look([choose(patches, columns, 1) for patches in tiles]).items():
        error = np.abs(values - whole[name]).max() / np.abs(whole[name]).max()
        if values.shape != whole[name].shape or error > SAME:
            raise AssertionError(f"{name} of all patches differ by {error} from those of the whole tower")
    choices = [choose(patches, columns, SHARE) for patches in tiles]
    stages = {f"spared-{NAMES.get(name, name)}": values for name, values in look(choices).items()}
    stages["spared-seen"] = choices[0].seen.astype(np.int32)
    return stages, min(choice.gap for choice in choices)
