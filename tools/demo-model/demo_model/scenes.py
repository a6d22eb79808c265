# SPDX-License-Identifier: Apache-2.0
"""The contents of a picture: objects with random shape, colour, size and place, from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart")
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black")
SIZES = ("small", "large")
BACKGROUNDS = ("plain", "striped", "checkered", "speckled")
PLACES = (
    "at the top left", "at the top", "at the top right",
    "on the left", "in the centre", "on the right",
    "at the bottom left", "at the bottom", "at the bottom right",
)  # fmt: skip
SIGN = "sign"
LETTERS = "ACEHKLMNRTUX"
DIGITS = "23456789"

SIDE = 336  # pixels of a picture's side
CELL = SIDE // 3  # side of the field that a place names
RADII = {"small": (27, 33), "large": (45, 53)}  # pixels, of the circle around an object
SIGN_HALF = (50, 33)  # pixels, half width and half height
JITTER = 17  # pixels by which an object's centre leaves its field's centre

# Pairs of shape and colour that no training scene has, which test the combination of both.
UNSEEN_PAIRS = frozenset(
    {("star", "purple"), ("ring", "green"), ("heart", "blue"), ("square", "orange")}
)
FIRST_TEST_SEED = 1 << 40  # training scenes have smaller seeds
OBJECT_WEIGHTS = {1: 15, 2: 25, 3: 25, 4: 20, 5: 15}
CROWDED_WEIGHTS = {6: 1, 7: 1, 8: 1, 9: 1}


@dataclass(frozen=True)
class SceneObject:
    """One object. A sign has a text, and no question is about its colour or size."""

    shape: str
    colour: str
    size: str
    place: int  # index into PLACES
    centre: tuple[int, int]  # pixels, x and y
    radius: int  # pixels
    text: str = ""

    @property
    def is_sign(self) -> bool:
        return self.shape == SIGN


@dataclass(frozen=True)
class Scene:
    """A picture's contents; later objects lie above earlier ones."""

    seed: int
    background: str
    objects: tuple[SceneObject, ...]

    def in_reading_order(self) -> list[SceneObject]:
        return sorted(self.objects, key=lambda shown: shown.place)

    def at(self, place: int) -> SceneObject | None:
        return next((shown for shown in self.objects if shown.place == place), None)


def make_scene(seed: int, crowded: bool = False, unseen: bool = False) -> Scene:
    """The scene of a seed; `unseen` makes its first object one of UNSEEN_PAIRS."""
    lot = random.Random(f"scene {seed} {crowded} {unseen}")
    weights = CROWDED_WEIGHTS if crowded else OBJECT_WEIGHTS
    count = lot.choices(list(weights), list(weights.values()))[0]
    places = lot.sample(range(9), count)
    shapes, colours = palettes(lot)
    sign_place = lot.choice(places) if lot.random() < 0.3 else None
    objects = []
    for number, place in enumerate(places):
        if place == sign_place:
            objects.append(make_sign(lot, place))
            continue
        pair = lot.choice(sorted(UNSEEN_PAIRS)) if unseen and number == 0 else None
        while pair is None or (pair in UNSEEN_PAIRS and not unseen):
            pair = (lot.choice(shapes), lot.choice(colours))
        objects.append(make_object(lot, place, *pair))
    return Scene(seed, lot.choice(BACKGROUNDS), tuple(objects))


def palettes(lot: random.Random) -> tuple[list[str], list[str]]:
    """Shapes and colours to choose from; sometimes few of one, so there is more to count."""
    shapes, colours = list(SHAPES), list(COLOURS)
    kind = lot.random()
    if kind < 0.25:
        shapes = lot.sample(shapes, 2)
    elif kind < 0.4:
        colours = lot.sample(colours, 2)
    return shapes, colours


def jittered_centre(lot: random.Random, place: int, reach_x: int, reach_y: int) -> tuple[int, int]:
    """A centre in the place's field that keeps an object of this reach inside the picture."""
    row, column = divmod(place, 3)
    x = column * CELL + CELL // 2 + lot.randint(-JITTER, JITTER)
    y = row * CELL + CELL // 2 + lot.randint(-JITTER, JITTER)
    return (
        min(max(x, reach_x + 2), SIDE - reach_x - 2),
        min(max(y, reach_y + 2), SIDE - reach_y - 2),
    )


def make_object(lot: random.Random, place: int, shape: str, colour: str) -> SceneObject:
    size = lot.choice(SIZES)
    radius = lot.randint(*RADII[size])
    return SceneObject(
        shape, colour, size, place, jittered_centre(lot, place, radius, radius), radius
    )


def make_sign(lot: random.Random, place: int) -> SceneObject:
    text = lot.choice(LETTERS) + lot.choice(DIGITS)
    centre = jittered_centre(lot, place, *SIGN_HALF)
    return SceneObject(SIGN, "white", "large", place, centre, SIGN_HALF[0], text)
