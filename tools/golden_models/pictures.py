# SPDX-License-Identifier: Apache-2.0
"""Small made-up pictures of several aspect ratios, the same from the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

# Width and height of each picture; odd and prime sides are intentional.
SIZES = {
    "landscape": (157, 101),
    "portrait": (89, 139),
    "square": (96, 96),
    "wide": (199, 37),
    "small": (31, 23),
    "transparent": (83, 61),
    "halves": (28, 20),  # whole and a half times 8
    "speck": (10, 2),
}


def make_picture(width: int, height: int, seed: int) -> Image.Image:
    """A colour gradient with some filled shapes on it."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 256, (2, 2, 3)).astype(np.float64)
    down = np.linspace(0, 1, height)[:, None, None]
    across = np.linspace(0, 1, width)[None, :, None]
    top = corners[0, 0] * (1 - across) + corners[0, 1] * across
    bottom = corners[1, 0] * (1 - across) + corners[1, 1] * across
    picture = Image.fromarray((top * (1 - down) + bottom * down).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for shape in range(8):
        x0, x1 = sorted(random.integers(0, width, 2).tolist())
        y0, y1 = sorted(random.integers(0, height, 2).tolist())
        colour = tuple(random.integers(0, 256, 3).tolist())
        (draw.ellipse if shape % 2 else draw.rectangle)((x0, y0, x1, y1), fill=colour)
    return picture


def make_transparent(picture: Image.Image) -> Image.Image:
    """The picture with a round hole in a corner, and fading out to the right."""
    width, height = picture.size
    fading = np.tile(np.linspace(255, 20, width).astype(np.uint8), (height, 1))
    alpha = Image.fromarray(fading)
    ImageDraw.Draw(alpha).ellipse((0, 0, width // 3, height // 2), fill=0)
    picture = picture.copy()
    picture.putalpha(alpha)
    return picture


def on_white(picture: Image.Image) -> Image.Image:
    """An opaque picture, with white where it was transparent."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def write_pictures(folder: Path) -> None:
    """Writes every picture as a PNG file."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (width, height)) in enumerate(SIZES.items()):
        picture = make_picture(width, height, seed)
        if name == "transparent":
            picture = make_transparent(picture)
        picture.save(folder / f"{name}.png", optimize=True)


def pad_to_square(picture: Image.Image, fill: tuple[int, int, int]) -> Image.Image:
    """The picture centred on a square of its longer side, as in LLaVA-1.5's training."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), fill)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square
