# SPDX-License-Identifier: Apache-2.0
"""A model to convert: its configuration in transformers' form, and its tensors under uniform names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ConversionError
from .folder import ModelFolder
from .weight_files import FLOAT_TYPES, WeightFile, open_weights

# The uniform name of a tensor: text.…, vision.…, projector.… or image_newline; None to leave it out.
Rename = Callable[[str], str | None]


@dataclass(frozen=True)
class Source:
    """A folder with weights, and the names that its tensors get."""

    folder: ModelFolder
    rename: Rename


class Checkpoint:
    """A model; tensors are read one at a time."""

    def __init__(
        self, folder: ModelFolder, config: dict[str, Any], sources: list[Source], pictures: dict[str, Any]
    ) -> None:
        """A model whose tokenizer is in `folder`; `pictures` are the settings of its image processor."""
        self.folder = folder.path
        self.config = config
        self.pictures = pictures
        self.json, self.optional_json = folder.json, folder.optional_json
        self.optional_text = folder.optional_text
        self._places: dict[str, tuple[WeightFile, Path, str]] = {}
        for source in sources:
            for path in source.folder.weight_files():
                self._index(path, source.rename)

    def names(self) -> set[str]:
        """The uniform names of all tensors."""
        return set(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, without reading it."""
        file, _, stored = self._place(name)
        return file.shape(stored)

    def tensor(self, name: str) -> np.ndarray:
        """A tensor as float32."""
        file, path, stored = self._place(name)
        values = file.tensor(stored)
        if values.dtype.name not in FLOAT_TYPES:
            raise ConversionError(f"{path}: tensor {stored} has type {values.dtype}, not float")
        return values.astype(np.float32)

    def _place(self, name: str) -> tuple[WeightFile, Path, str]:
        if name not in self._places:
            raise ConversionError(f"{self.folder}: the weights lack {name}")
        return self._places[name]

    def _index(self, path: Path, rename: Rename) -> None:
        file = open_weights(path)
        for stored in file.names():
            name = rename(stored)
            if name is None:
                continue
            if name in self._places:
                raise ConversionError(f"{path}: tensor {stored} occurs twice")
            self._places[name] = (file, path, stored)
