# SPDX-License-Identifier: Apache-2.0
"""Scales a picture to a size: enlarge.py FROM TO WIDTH HEIGHT."""

import sys

from PIL import Image


def main() -> None:
    source, target, width, height = sys.argv[1:]
    picture = Image.open(source).convert("RGB")
    picture.resize((int(width), int(height)), Image.Resampling.BICUBIC).save(target)


if __name__ == "__main__":
    main()
