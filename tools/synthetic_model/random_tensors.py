# SPDX-License-Identifier: Apache-2.0
"""Random tensors, with deviations by which all numbers that a model computes stay finite."""

from __future__ import annotations

import math

from gguf import GGMLQuantizationType as Type

from gguf_mixtures import fitting
from gguf_output import OutputTensor

from .blocks import RandomWeights

EMBEDDING_DEVIATION = 1.0  # visual rows come out of the projector about as large
NORM_SCATTER = 0.05  # of norm weights about 1
BIAS_DEVIATION = 0.02
NORMS = ("norm.weight", "ln1.weight", "ln2.weight", "pre_ln.weight", "post_ln.weight")


def random_tensor(
    weights: RandomWeights, name: str, shape: tuple[int, ...], kind: Type, deviation: float
) -> OutputTensor:
    """A random tensor. Vectors are F32; norm weights scatter around 1."""
    mean = 0.0
    if len(shape) == 1:
        kind = Type.F32
        mean = 1.0 if name.endswith(NORMS) else 0.0
    return OutputTensor(
        name, shape, kind, lambda: weights.stored_bytes(name, shape, kind, deviation, mean)
    )


class RandomTensors:
    """The tensors of a vision tower and a projector, in file order; matrices have variance 1/fan-in."""

    def __init__(self, kind: Type, seed: int) -> None:
        self.kind = kind
        self.made: list[OutputTensor] = []
        self._weights = RandomWeights(seed)

    def add(self, name: str, dimensions: tuple[int, ...], deviation: float, kind: Type | None = None) -> None:
        """Adds a tensor; by default its type is the first that its rows fill, as in converters."""
        stored = fitting(self.kind, dimensions[-1]) if kind is None else kind
        self.made.append(random_tensor(self._weights, name, dimensions, stored, deviation))

    def add_linear(
        self, name: str, rows: int, columns: int, gain: float = 1.0, bias: bool = True
    ) -> None:
        self.add(f"{name}.weight", (rows, columns), gain / math.sqrt(columns))
        if bias:
            self.add(f"{name}.bias", (rows,), BIAS_DEVIATION)

    def add_norm(self, name: str, width: int, bias: bool = True) -> None:
        self.add(f"{name}.weight", (width,), NORM_SCATTER)
        if bias:
            self.add(f"{name}.bias", (width,), BIAS_DEVIATION)
