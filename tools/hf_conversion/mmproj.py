# SPDX-License-Identifier: Apache-2.0
"""What the mmproj GGUFs of all families have in common: metadata of a vision tower, and a list of tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from gguf_mixtures import MIXTURES
from gguf_output import OutputTensor

from .checkpoint import Checkpoint
from .configuration import TextConfig
from .encoding import from_checkpoint, storable
from .errors import ConversionError

# The metadata and the tensors of an mmproj GGUF.
Mmproj = tuple[gguf.GGUFWriter, list[OutputTensor]]
Transform = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Tower:
    """The sizes of a vision transformer; `image_side` is that of a tile."""

    width: int
    feed_forward: int
    layers: int
    heads: int
    image_side: int
    patch_side: int
    epsilon: float

    @property
    def patches(self) -> int:
        return (self.image_side // self.patch_side) ** 2


def three_floats(settings: dict[str, Any], key: str) -> list[float]:
    """A number for each colour, from the image processor's settings."""
    values = settings.get(key)
    if not isinstance(values, list) or len(values) != 3:
        raise ConversionError(f"preprocessor_config.json: {key} is {values!r}, expected 3 numbers")
    return [float(value) for value in values]


def require_settings(settings: dict[str, Any], **wanted: object) -> None:
    """Refuses settings of the image processor that GGUF cannot express; missing ones are as wanted."""
    for key, value in wanted.items():
        if settings.get(key, value) != value:
            raise ConversionError(
                f"preprocessor_config.json: {key} {settings[key]} is not supported, only {value}"
            )


def mmproj_writer(
    checkpoint: Checkpoint, text: TextConfig, tower: Tower, name: str, kind: Type, projector: str
) -> gguf.GGUFWriter:
    """A writer with the metadata that llama.cpp's converter gives every vision tower."""
    pictures = checkpoint.pictures
    writer = gguf.GGUFWriter(None, "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name(name)
    writer.add_file_type(MIXTURES[kind.name].file_type)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(projector)
    writer.add_vision_projection_dim(text.width)
    writer.add_vision_image_size(tower.image_side)
    writer.add_vision_patch_size(tower.patch_side)
    writer.add_vision_embedding_length(tower.width)
    writer.add_vision_feed_forward_length(tower.feed_forward)
    writer.add_vision_block_count(tower.layers)
    writer.add_vision_head_count(tower.heads)
    writer.add_vision_attention_layernorm_eps(tower.epsilon)
    writer.add_vision_image_mean(three_floats(pictures, "image_mean"))
    writer.add_vision_image_std(three_floats(pictures, "image_std"))
    return writer


class MmprojTensors:
    """The tensors of an mmproj GGUF, in file order. Matrices get one type where their rows allow it."""

    def __init__(self, checkpoint: Checkpoint, kind: Type) -> None:
        self.checkpoint = checkpoint
        self.kind = kind
        self._made: list[OutputTensor] = []
        self._used: set[str] = set()

    def add(
        self,
        source: str,
        target: str,
        shape: tuple[int, ...],
        kind: Type | None = None,
        part: tuple[tuple[int, ...], Transform] | None = None,
    ) -> None:
        """Adds a tensor of the given shape.

        Args:
            kind: its type; by default F32 for a vector, that of all matrices for others.
            part: what is stored of it, where that is not the whole: its shape, and how it is cut out.
        """
        stored, transform = part or (shape, None)
        if kind is None:
            kind = Type.F32 if len(stored) == 1 else storable(self.kind, stored[-1])
        self._made.append(from_checkpoint(self.checkpoint, source, target, shape, kind, transform, stored))
        self._used.add(source)

    def add_linear(self, source: str, target: str, outputs: int, inputs: int, bias: bool = True) -> None:
        """Adds a matrix, and its bias."""
        self.add(f"{source}.weight", f"{target}.weight", (outputs, inputs))
        if bias:
            self.add(f"{source}.bias", f"{target}.bias", (outputs,))

    def add_norm(self, source: str, target: str, width: int, bias: bool = True) -> None:
        """Adds a norm's weight, and its bias."""
        self.add(f"{source}.weight", f"{target}.weight", (width,))
        if bias:
            self.add(f"{source}.bias", f"{target}.bias", (width,))

    def all(self, ignored: tuple[str, ...] = ()) -> list[OutputTensor]:
        """All tensors that were added; one of the checkpoint's that was not is an error.

        Args:
            ignored: prefixes of tensors that the model does not run.
        """
        left = sorted(
            name
            for name in self.checkpoint.names() - self._used
            if not name.startswith("text.") and not name.startswith(ignored)
        )
        if left:
            raise ConversionError(f"{self.checkpoint.folder}: GGUF has no name for tensor {left[0]}")
        return self._made
