# SPDX-License-Identifier: Apache-2.0
"""Scenes drawn in advance to files that training maps: pictures, patch owners, object tables."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from .drawing import GRID, draw
from .scenes import (
    BACKGROUNDS,
    COLOURS,
    DIGITS,
    LETTERS,
    SHAPES,
    SIDE,
    SIGN,
    SIZES,
    Scene,
    make_scene,
)  # fmt: skip

MOST_OBJECTS = 9
IGNORED = 255
# The parts of a patch's label, which describe the object that it shows, with their numbers of values.
# Value 0 of shape is the background; the background's own kind is the last label.
LABELS = {
    "shape": len(SHAPES) + 2, "colour": len(COLOURS), "size": len(SIZES), "place": 9,
    "centre": 2, "letter": len(LETTERS), "digit": len(DIGITS), "background": len(BACKGROUNDS),
}  # fmt: skip
SHAPE_LABELS = ("", *SHAPES, SIGN)


@dataclass(frozen=True)
class DrawnScenes:
    """Scenes with consecutive seeds and their drawings."""

    scenes: list[Scene]
    pictures: np.ndarray  # [scenes, SIDE, SIDE, 3] bytes
    labels: np.ndarray  # [scenes, GRID, GRID, labels] bytes, IGNORED where unclear or not asked

    def __len__(self) -> int:
        return len(self.scenes)


def patch_labels(scene: Scene, owners: np.ndarray) -> np.ndarray:
    """Labels [GRID, GRID, labels] of the patches by the object that each shows."""
    table = np.full((256, len(LABELS)), IGNORED, np.uint8)
    table[0] = [0, *[IGNORED] * 6, BACKGROUNDS.index(scene.background)]
    for number, shown in enumerate(scene.objects, start=1):
        shape = SHAPE_LABELS.index(shown.shape)
        if shown.is_sign:
            table[number, [0, 3, 4, 5, 6]] = [
                shape, shown.place, 0, LETTERS.index(shown.text[0]), DIGITS.index(shown.text[1]),
            ]  # fmt: skip
        else:
            table[number, :5] = [
                shape, COLOURS.index(shown.colour), SIZES.index(shown.size), shown.place, 0,
            ]  # fmt: skip
    labels = table[owners]
    for number, shown in enumerate(scene.objects, start=1):
        column, row = (min(c * GRID // SIDE, GRID - 1) for c in shown.centre)
        nearby = np.s_[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4]
        mark_centre(labels[nearby], owners[nearby] == number, min(row, 3), min(column, 3))
    return labels


def mark_centre(labels: np.ndarray, shown: np.ndarray, row: int, column: int) -> None:
    """Marks the patch nearest to (row, column) among those that show the object as its centre."""
    rows, columns = np.nonzero(shown)
    if len(rows):
        nearest = np.argmin((rows - row) ** 2 + (columns - column) ** 2)
        labels[rows[nearest], columns[nearest], list(LABELS).index("centre")] = 1


def _draw_range(folder: Path, first_seed: int, start: int, end: int, crowded: bool) -> None:
    pictures = np.load(folder / "pictures.npy", mmap_mode="r+")
    labels = np.load(folder / "labels.npy", mmap_mode="r+")
    for index in range(start, end):
        scene = make_scene(first_seed + index, crowded)
        pictures[index], owners = draw(scene)
        labels[index] = patch_labels(scene, owners)


def drawn_scenes(folder: Path, first_seed: int, count: int, crowded: bool = False) -> DrawnScenes:
    """The scenes of these seeds; missing ones are drawn into the folder."""
    description = {"first_seed": first_seed, "count": count, "crowded": crowded}
    done = folder / "scenes.json"
    if not done.exists() or json.loads(done.read_text()) != description:
        draw_all(folder, first_seed, count, crowded)
        done.write_text(json.dumps(description))
    return DrawnScenes(
        [make_scene(first_seed + index, crowded) for index in range(count)],
        np.load(folder / "pictures.npy", mmap_mode="r"),
        np.load(folder / "labels.npy", mmap_mode="r"),
    )


def draw_all(folder: Path, first_seed: int, count: int, crowded: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, shape in (("pictures", (SIDE, SIDE, 3)), ("labels", (GRID, GRID, len(LABELS)))):
        np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=np.uint8, shape=(count, *shape)
        )
    workers = len(os.sched_getaffinity(0))
    bounds = np.linspace(0, count, 4 * workers + 1).astype(int).tolist()
    with ProcessPoolExecutor(workers) as pool:
        for future in [
            pool.submit(_draw_range, folder, first_seed, start, end, crowded)
            for start, end in pairwise(bounds)
        ]:
            future.result()
