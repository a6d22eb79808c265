# SPDX-License-Identifier: Apache-2.0
"""Crops pictures from the photographs in scikit-image: crop.py FOLDER COUNT."""

import sys
from pathlib import Path

import skimage
from PIL import Image

PHOTOGRAPHS = (
    "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg",
    "motorcycle_left.png", "hubble_deep_field.jpg", "coins.png", "camera.png",
)  # fmt: skip
SHARE = 0.75  # of a photograph's width and height
STEPS = 4  # places of a crop along each side


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    source = Path(skimage.__file__).parent / "data"
    for number in range(count):
        round_, which = divmod(number, len(PHOTOGRAPHS))
        picture = Image.open(source / PHOTOGRAPHS[which]).convert("RGB")
        width, height = (round(side * SHARE) for side in picture.size)
        row, column = divmod(round_, STEPS)
        left = (picture.width - width) * column // (STEPS - 1)
        top = (picture.height - height) * (row % STEPS) // (STEPS - 1)
        crop = picture.crop((left, top, left + width, top + height))
        crop.save(folder / f"photograph-{number:03}.png")


if __name__ == "__main__":
    main()
