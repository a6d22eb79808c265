# SPDX-License-Identifier: Apache-2.0
"""Turns a checkpoint's tensors into the stored types of GGUF."""

from __future__ import annotations

from collections.abc import Callable

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from gguf_output import OutputTensor

from .checkpoint import Checkpoint
from .errors import ConversionError

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
# Divides the largest value to give what is stored in half precision: the value or its block's scale.
HALF_DIVISORS = {Type.F16: 1, Type.Q4_0: 8, Type.Q8_0: 127}


def storable(wanted: Type, row_length: int) -> Type:
    """The wanted type, or F16 if the row length is not a multiple of its blocks."""
    block_length, _ = gguf.GGML_QUANT_SIZES[wanted]
    return wanted if row_length % block_length == 0 else Type.F16


def encode(values: np.ndarray, kind: Type, name: str) -> np.ndarray:
    """The stored bytes of a tensor's values."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ConversionError(f"tensor {name} has non-finite values")
    largest = float(np.abs(values).max(initial=0))
    if kind in HALF_DIVISORS and largest / HALF_DIVISORS[kind] > np.finfo(np.float16).max:
        raise ConversionError(f"tensor {name} overflows {kind.name}; convert to bf16 or f32")
    return gguf.quants.quantize(values, kind).view(np.uint8).reshape(-1)


def from_array(values: np.ndarray, name: str) -> OutputTensor:
    """An F32 output tensor of computed values."""
    return OutputTensor(name, values.shape, Type.F32, lambda: encode(values, Type.F32, name))


def from_checkpoint(
    checkpoint: Checkpoint,
    source: str,
    name: str,
    shape: tuple[int, ...],
    kind: Type,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
) -> OutputTensor:
    """The output tensor for a checkpoint's tensor of the given shape."""
    found = checkpoint.shape(source)
    if found != shape:
        raise ConversionError(
            f"{checkpoint.folder}: {source} has shape {list(found)}, expected {list(shape)}"
        )

    def stored_bytes() -> np.ndarray:
        values = checkpoint.tensor(source)
        return encode(transform(values) if transform else values, kind, name)

    return OutputTensor(name, shape, kind, stored_bytes)
