# SPDX-License-Identifier: Apache-2.0
"""Writes GGUF files tensor by tensor, first under temporary names."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type


@dataclass(frozen=True)
class OutputTensor:
    """A tensor to write: its entry in the header, and the source of its stored bytes."""

    name: str
    shape: tuple[int, ...]  # outermost first, as in NumPy; GGUF lists it reversed
    type: Type
    stored_bytes: Callable[[], np.ndarray]

    @property
    def byte_count(self) -> int:
        block_length, block_bytes = gguf.GGML_QUANT_SIZES[self.type]
        return int(np.prod(self.shape)) // block_length * block_bytes


@dataclass(frozen=True)
class OutputFile:
    """A GGUF file to write: its name, a writer with its metadata, its tensors in file order."""

    name: str
    writer: gguf.GGUFWriter
    tensors: list[OutputTensor]

    def write(self, path: Path) -> None:
        """Writes metadata and tensors, holding one tensor in memory at a time."""
        for tensor in self.tensors:
            self.writer.add_tensor_info(
                tensor.name, tensor.shape, np.dtype(np.float32), tensor.byte_count, tensor.type
            )
        try:
            self.writer.write_header_to_file(path)
            self.writer.write_kv_data_to_file()
            self.writer.write_ti_data_to_file()
            for tensor in self.tensors:
                self.writer.write_tensor_data(tensor.stored_bytes())
        finally:
            self.writer.close()


def write_files(files: list[OutputFile], folder: Path) -> list[Path]:
    """Writes all files under temporary names, then renames them, so none is ever incomplete."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = [folder / f".{file.name}.partial" for file in files]
    final = [folder / file.name for file in files]
    try:
        for file, path in zip(files, partial, strict=True):
            file.write(path)
        for source, target in zip(partial, final, strict=True):
            os.replace(source, target)
    finally:
        for path in partial:
            path.unlink(missing_ok=True)
    return final
