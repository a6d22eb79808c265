# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file tensor by tensor, aside first and then under its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from .checkpoint import Checkpoint, ConversionError

OUTPUT_TYPES = {
    "f32": Type.F32, "f16": Type.F16, "bf16": Type.BF16, "q8_0": Type.Q8_0, "q4_0": Type.Q4_0,
}  # fmt: skip
FILE_TYPES = {
    Type.F32: gguf.LlamaFileType.ALL_F32,
    Type.F16: gguf.LlamaFileType.MOSTLY_F16,
    Type.BF16: gguf.LlamaFileType.MOSTLY_BF16,
    Type.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
    Type.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0,
}


@dataclass(frozen=True)
class OutputTensor:
    """One tensor to be written: where its values come from and the type that they are stored in."""

    name: str
    shape: tuple[int, ...]  # outermost first, as in NumPy; GGUF lists it reversed
    type: Type
    load: Callable[[], np.ndarray]


def storable(wanted: Type, row_length: int) -> Type:
    """The wanted type, or F16 where rows are no whole number of its blocks."""
    block_length, _ = gguf.GGML_QUANT_SIZES[wanted]
    return wanted if row_length % block_length == 0 else Type.F16


def byte_count(tensor: OutputTensor) -> int:
    block_length, block_bytes = gguf.GGML_QUANT_SIZES[tensor.type]
    return int(np.prod(tensor.shape)) // block_length * block_bytes


def encode(tensor: OutputTensor) -> np.ndarray:
    """The stored bytes of a tensor."""
    values = np.ascontiguousarray(tensor.load(), dtype=np.float32)
    if not np.isfinite(values).all():
        raise ConversionError(f"tensor {tensor.name} has values that are not finite")
    if tensor.type in (Type.F16, Type.Q4_0, Type.Q8_0):
        # Q4_0 divides a block's largest value by 8 and Q8_0 by 127, into a half-precision scale.
        divisor = {Type.F16: 1, Type.Q4_0: 8, Type.Q8_0: 127}[tensor.type]
        if np.abs(values).max(initial=0) / divisor > np.finfo(np.float16).max:
            raise ConversionError(
                f"tensor {tensor.name} overflows {tensor.type.name}; convert to bf16 or f32"
            )
    return gguf.quants.quantize(values, tensor.type).view(np.uint8).reshape(-1)


def write(writer: gguf.GGUFWriter, tensors: list[OutputTensor], path: Path) -> None:
    """Writes metadata and tensors to path, holding one tensor in memory at a time."""
    for tensor in tensors:
        writer.add_tensor_info(
            tensor.name, tensor.shape, np.dtype(np.float32), byte_count(tensor), tensor.type
        )
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in tensors:
            writer.write_tensor_data(encode(tensor))
    finally:
        writer.close()


def from_checkpoint(
    checkpoint: Checkpoint,
    source: str,
    name: str,
    shape: tuple[int, ...],
    kind: Type,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
) -> OutputTensor:
    """An output tensor that a checkpoint's tensor of the given shape becomes."""
    found = checkpoint.shape(source)
    if found != shape:
        raise ConversionError(
            f"{checkpoint.folder}: {source} has shape {list(found)}, expected {list(shape)}"
        )

    def load() -> np.ndarray:
        values = checkpoint.tensor(source)
        return transform(values) if transform else values

    return OutputTensor(name, shape, kind, load)
