# SPDX-License-Identifier: Apache-2.0
"""Draws a scene as a picture, with the object that each patch of a vision tower shows."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .scenes import SIDE, SIGN_HALF, Scene, SceneObject

PATCH = 14  # pixels of a patch's side
GRID = SIDE // PATCH
FINENESS = 4  # masks are drawn so many times larger and averaged: soft edges
BACKGROUND_PATCH = 0
UNCLEAR_PATCH = 255  # shows too much of two things to be called either
SHOWN_SHARE, HIDDEN_SHARE = 0.4, 0.12  # of a patch's pixels

PAINT = {
    "red": (215, 25, 30), "green": (20, 150, 45), "blue": (25, 60, 215),
    "yellow": (245, 225, 30), "orange": (250, 130, 10), "purple": (140, 35, 165),
    "white": (248, 248, 248), "black": (12, 12, 12),
}  # fmt: skip
WALLS = ((150, 150, 150), (170, 155, 135), (130, 150, 165), (140, 160, 140), (165, 145, 155))


def star_points() -> list[tuple[float, float]]:
    radii = [1.0 if corner % 2 == 0 else 0.42 for corner in range(10)]
    angles = [math.pi * (corner / 5 - 0.5) for corner in range(10)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def heart_points() -> list[tuple[float, float]]:
    """The named sine curve, scaled to the unit circle."""
    turns = [2 * math.pi * step / 60 for step in range(60)]
    return [
        (
            math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16,
        )
        for t in turns
    ]


POLYGONS = {
    "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    "triangle": [(0.0, -0.95), (1.0, 0.85), (-1.0, 0.85)],
    "star": star_points(),
    "heart": heart_points(),
    "cross": [
        (-0.32, -0.95), (0.32, -0.95), (0.32, -0.32), (0.95, -0.32), (0.95, 0.32), (0.32, 0.32),
        (0.32, 0.95), (-0.32, 0.95), (-0.32, 0.32), (-0.95, 0.32), (-0.95, -0.32), (-0.32, -0.32),
    ],
}  # fmt: skip
RING_HOLE = 0.52  # of the outer radius


def draw(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Picture [SIDE, SIDE, 3] of bytes and patch owners [GRID, GRID]: 1 + object, or a constant."""
    lot = random.Random(f"picture {scene.seed}")
    noise = np.random.default_rng(scene.seed)
    canvas = draw_background(scene.background, lot, noise)
    owner = np.zeros((SIDE, SIDE), np.uint8)
    for number, shown in enumerate(scene.objects, start=1):
        if shown.is_sign:
            layer, mask = draw_sign(shown)
        else:
            layer, mask = draw_object(shown, lot)
        left, top = shown.centre[0] - mask.shape[1] // 2, shown.centre[1] - mask.shape[0] // 2
        place = np.s_[top : top + mask.shape[0], left : left + mask.shape[1]]
        canvas[place] += mask[..., None] * (layer - canvas[place])
        owner[place][mask > 0.5] = number
    grain = noise.standard_normal((SIDE, SIDE, 1), dtype=np.float32)
    canvas += lot.uniform(2, 9) * grain
    return np.clip(canvas + 0.5, 0, 255).astype(np.uint8), patch_owners(owner)


def draw_background(kind: str, lot: random.Random, noise: np.random.Generator) -> np.ndarray:
    """A wall in a dull colour with the named pattern."""
    shade = lot.uniform(-25, 25)
    wall = np.array(lot.choice(WALLS), np.float32) + shade
    contrast = lot.choice((-1, 1)) * lot.uniform(28, 45)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    period, phase = lot.uniform(22, 44), lot.uniform(0, 44)
    if kind == "striped":
        across = lot.choice((x, y, (x + y) * math.sqrt(0.5), (x - y) * math.sqrt(0.5)))
        pattern = ((across + phase) % period < period / 2).astype(np.float32)
    elif kind == "checkered":
        columns = (x + phase) % period < period / 2
        pattern = (columns ^ ((y + phase) % period < period / 2)).astype(np.float32)
    elif kind == "speckled":
        coarse = noise.random((SIDE // 4, SIDE // 4), dtype=np.float32) < 0.25
        pattern = np.repeat(np.repeat(coarse, 4, 0), 4, 1).astype(np.float32)
    else:
        pattern = (x * math.cos(phase) + y * math.sin(phase)) / SIDE * 0.5
    return wall + contrast * (pattern - 0.5)[..., None]


def draw_object(shown: SceneObject, lot: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """Colours [side, side, 3] and mask [side, side] in 0…1."""
    side = 2 * shown.radius + 2
    fine = side * FINENESS
    image = Image.new("L", (fine, fine))
    brush = ImageDraw.Draw(image)
    centre, reach = fine / 2, shown.radius * FINENESS
    if shown.shape in POLYGONS:
        points = [(centre + reach * x, centre + reach * y) for x, y in POLYGONS[shown.shape]]
        brush.polygon(points, fill=255)
    else:
        brush.ellipse([centre - reach, centre - reach, centre + reach, centre + reach], fill=255)
        if shown.shape == "ring":
            hole = reach * RING_HOLE
            brush.ellipse([centre - hole, centre - hole, centre + hole, centre + hole], fill=0)
    mask = np.asarray(image.reduce(FINENESS), np.float32) / 255
    paint = np.array(PAINT[shown.colour], np.float32)
    paint = paint + np.array([lot.uniform(-14, 14) for _ in range(3)], np.float32)
    light = np.linspace(lot.uniform(-14, 14), lot.uniform(-14, 14), side, dtype=np.float32)
    return paint + light[:, None, None], mask


def draw_sign(shown: SceneObject) -> tuple[np.ndarray, np.ndarray]:
    """A board with a brown frame and two black characters."""
    width, height = 2 * SIGN_HALF[0], 2 * SIGN_HALF[1]
    image = Image.new("RGB", (width, height), (120, 70, 30))
    brush = ImageDraw.Draw(image)
    brush.rectangle([5, 5, width - 6, height - 6], fill=(250, 245, 225))
    font = ImageFont.load_default(size=56)
    for number, character in enumerate(shown.text):
        place = (width * (0.29 + 0.42 * number), height / 2)
        brush.text(place, character, (10, 10, 10), font, anchor="mm", stroke_width=2,
                   stroke_fill=(10, 10, 10))  # fmt: skip
    return np.asarray(image, np.float32), np.ones((height, width), np.float32)


def patch_owners(owner: np.ndarray) -> np.ndarray:
    """The object that each patch shows, from the object that each pixel shows."""
    blocks = owner.reshape(GRID, PATCH, GRID, PATCH).transpose(0, 2, 1, 3).reshape(GRID, GRID, -1)
    counts = np.stack([(blocks == number).sum(-1) for number in range(owner.max() + 1)], -1)
    shares = counts / PATCH**2
    shares[..., 0] = -1  # the background owns what no object shows enough of
    best, share = shares.argmax(-1), shares.max(-1)
    clear = np.where(share >= SHOWN_SHARE, best, UNCLEAR_PATCH)
    return np.where(share <= HIDDEN_SHARE, BACKGROUND_PATCH, clear).astype(np.uint8)
