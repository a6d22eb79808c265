# SPDX-License-Identifier: Apache-2.0
"""Turns a checkpoint's tensors into the stored types of GGUF."""

from __future__ import annotations

from collections.abc import Callable

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from gguf_mixtures import MIXTURES, fitting
from gguf_output import OutputTensor

from .checkpoint import Checkpoint
from .errors import ConversionError
from .k_quants import ENCODERS, encode_k_quants

# The mixtures whose types can be encoded without an importance matrix.
OUTPUT_TYPES = [name.lower() for name in MIXTURES if not name.startswith(("IQ", "TQ", "NV", "Q1"))]
# Divides the largest value to give what is stored in half precision: a value, or a block's scale or minimum.
HALF_DIVISORS = {
    Type.F16: 1, Type.Q4_0: 8, Type.Q4_1: 1, Type.Q5_0: 16, Type.Q5_1: 1, Type.Q8_0: 127,
    Type.Q2_K: 15, Type.Q3_K: 128, Type.Q4_K: 63, Type.Q5_K: 63, Type.Q6_K: 4096,
}  # fmt: skip


def storable(wanted: Type, row_length: int) -> Type:
    """The wanted type, or one whose blocks fill rows of this length."""
    return fitting(wanted, row_length)


def encode(values: np.ndarray, kind: Type, name: str) -> np.ndarray:
    """The stored bytes of a tensor's values."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ConversionError(f"tensor {name} has non-finite values")
    largest = float(np.abs(values).max(initial=0))
    if kind in HALF_DIVISORS and largest / HALF_DIVISORS[kind] > float(np.finfo(np.float16).max):
        raise ConversionError(f"tensor {name} overflows {kind.name}; convert to bf16 or f32")
    if kind in ENCODERS:
        return encode_k_quants(values, kind).reshape(-1)
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
    stored_shape: tuple[int, ...] | None = None,
) -> OutputTensor:
    """The output tensor for a checkpoint's tensor of the given shape, which a transform may change."""
    found = checkpoint.shape(source)
    if found != shape:
        raise ConversionError(
            f"{checkpoint.folder}: {source} has shape {list(found)}, expected {list(shape)}"
        )

    def stored_bytes() -> np.ndarray:
        values = checkpoint.tensor(source)
        return encode(transform(values) if transform else values, kind, name)

    return OutputTensor(name, stored_shape or shape, kind, stored_bytes)
