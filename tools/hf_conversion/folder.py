# SPDX-License-Identifier: Apache-2.0
"""The files of a Hugging Face model folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import ConversionError

# Files of weights, in the order in which they are looked for; each may be in shards that an index lists.
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


class ModelFolder:
    """A folder with JSON files and weights."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise ConversionError(f"{path}: no such folder")
        self.path = path

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object of the folder; missing or malformed is an error."""
        content = self.optional_json(name)
        if content is None:
            raise ConversionError(f"{self.path / name}: missing")
        return content

    def optional_json(self, name: str) -> dict[str, Any] | None:
        """A JSON object of the folder; None without such a file."""
        path = self.path / name
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
        path = self.path / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def weight_files(self) -> list[Path]:
        """The files with the model's weights."""
        for name in WEIGHT_FILES:
            index = self.optional_json(f"{name}.index.json")
            if index is not None:
                return self._shards(f"{name}.index.json", index)
            if (self.path / name).is_file():
                return [self.path / name]
        wanted = " nor ".join(f"{name} nor {name}.index.json" for name in WEIGHT_FILES)
        raise ConversionError(f"{self.path}: neither {wanted}")

    def _shards(self, name: str, index: dict[str, Any]) -> list[Path]:
        weight_map = index.get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ConversionError(f"{self.path / name}: no weight_map in it")
        files = [self.path / Path(str(file)).name for file in sorted(set(weight_map.values()))]
        for path in files:
            if not path.is_file():
                raise ConversionError(f"{path}: missing, though the index names it")
        return files
