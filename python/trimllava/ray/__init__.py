# SPDX-License-Identifier: Apache-2.0
"""Captions for Ray Data: one model per node, many pictures in flight.

    from trimllava.ray import caption_dataset, read_pictures

    captions = caption_dataset(read_pictures("photos/"), model="llava.gguf", mmproj="mmproj.gguf", keep=64)
    captions.write_parquet("captions/")

Needs the extra `ray`: `ray[data]`, 2.60 or later.
"""

from ._captioner import Captioner, caption_dataset
from ._reading import read_pictures

__all__ = ["Captioner", "caption_dataset", "read_pictures"]
