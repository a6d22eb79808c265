# SPDX-License-Identifier: Apache-2.0
"""Reads a Hugging Face model folder: its JSON files and its safetensors, whole or in shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  registers NumPy's "bfloat16", which safetensors looks up by name
import numpy as np
from safetensors import SafetensorError, safe_open

from .errors import ConversionError

# transformers has had two naming schemes for the parts of LLaVA. The second column is used here.
PART_PREFIXES = (
    ("model.language_model.lm_head.", "text.lm_head."),
    ("model.language_model.model.", "text."),
    ("model.language_model.", "text."),
    ("language_model.lm_head.", "text.lm_head."),
    ("language_model.model.", "text."),
    ("language_model.", "text."),
    ("lm_head.", "text.lm_head."),
    ("model.vision_tower.vision_model.", "vision."),
    ("model.vision_tower.", "vision."),
    ("vision_tower.vision_model.", "vision."),
    ("vision_tower.", "vision."),
    ("model.multi_modal_projector.", "projector."),
    ("multi_modal_projector.", "projector."),
    ("model.image_newline", "image_newline"),
    ("image_newline", "image_newline"),
)


def canonical_name(name: str) -> str:
    """The name of a checkpoint's tensor with its part's prefix made uniform."""
    for prefix, replacement in PART_PREFIXES:
        if name.startswith(prefix):
            return replacement + name[len(prefix) :]
    return name


class Checkpoint:
    """A model folder; tensors are read one at a time."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConversionError(f"{folder}: no such folder")
        self.folder = folder
        self.config: dict[str, Any] = self.json("config.json")
        self._handles: dict[Path, Any] = {}
        self._places: dict[str, tuple[Path, str]] = {}
        for path in self._weight_files():
            self._index(path)

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object of the folder; missing or malformed is an error."""
        content = self.optional_json(name)
        if content is None:
            raise ConversionError(f"{self.folder / name}: missing")
        return content

    def optional_json(self, name: str) -> dict[str, Any] | None:
        """A JSON object of the folder; None without such a file."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConversionError(f"{path}: not JSON: {error}") from error
        if not isinstance(content, dict):
            raise ConversionError(f"{path}: expected a JSON object")
        return content

    def optional_text(self, name: str) -> str | None:
        """A text file of the folder; None without such a file."""
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def names(self) -> set[str]:
        """The canonical names of all tensors."""
        return set(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, without reading it."""
        path, stored = self._place(name)
        return tuple(self._handles[path].get_slice(stored).get_shape())

    def tensor(self, name: str) -> np.ndarray:
        """A tensor as float32."""
        path, stored = self._place(name)
        try:
            values = self._handles[path].get_tensor(stored)
        except (SafetensorError, TypeError) as error:
            raise ConversionError(f"{path}: tensor {stored}: {error}") from error
        if values.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
            raise ConversionError(f"{path}: tensor {stored} has type {values.dtype}, not float")
        return values.astype(np.float32)

    def _place(self, name: str) -> tuple[Path, str]:
        if name not in self._places:
            raise ConversionError(f"{self.folder}: the weights lack {name}")
        return self._places[name]

    def _weight_files(self) -> list[Path]:
        index = self.optional_json("model.safetensors.index.json")
        if index is None:
            path = self.folder / "model.safetensors"
            if not path.is_file():
                raise ConversionError(
                    f"{self.folder}: neither model.safetensors nor model.safetensors.index.json"
                )
            return [path]
        weight_map = index.get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ConversionError(
                f"{self.folder / 'model.safetensors.index.json'}: no weight_map in it"
            )
        files = [self.folder / Path(str(name)).name for name in sorted(set(weight_map.values()))]
        for path in files:
            if not path.is_file():
                raise ConversionError(f"{path}: missing, though the index names it")
        return files

    def _index(self, path: Path) -> None:
        try:
            handle = safe_open(path, framework="np")
        except (SafetensorError, OSError) as error:
            raise ConversionError(f"{path}: not a safetensors file: {error}") from error
        self._handles[path] = handle
        for stored in handle.keys():  # noqa: SIM118 -- a handle is no dictionary
            name = canonical_name(stored)
            if name in self._places:
                raise ConversionError(f"{path}: tensor {stored} occurs twice")
            self._places[name] = (path, stored)
