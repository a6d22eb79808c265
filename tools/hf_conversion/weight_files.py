# SPDX-License-Identifier: Apache-2.0
"""Files of weights: safetensors, and the zip archives that torch.save writes."""

from __future__ import annotations

import collections
import math
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from .errors import ConversionError

FLOAT_TYPES = ("float16", "bfloat16", "float32", "float64")


class WeightFile(Protocol):
    """Tensors by name, read one at a time."""

    def names(self) -> list[str]:
        """The names of all tensors."""

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, without reading it."""

    def tensor(self, name: str) -> np.ndarray:
        """A tensor in its stored type."""


def open_weights(path: Path) -> WeightFile:
    """A file of weights, by its name."""
    return SafetensorsFile(path) if path.suffix == ".safetensors" else TorchFile(path)


class SafetensorsFile:
    """A safetensors file, mapped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._handle = safe_open(path, framework="np")
        except (SafetensorError, OSError) as error:
            raise ConversionError(f"{path}: not a safetensors file: {error}") from error

    def names(self) -> list[str]:
        return list(self._handle.keys())

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._handle.get_slice(name).get_shape())

    def tensor(self, name: str) -> np.ndarray:
        try:
            return self._handle.get_tensor(name)
        except (SafetensorError, TypeError) as error:
            raise ConversionError(f"{self._path}: tensor {name}: {error}") from error


@dataclass(frozen=True)
class StorageType:
    """An element type, under the name of torch's class of storages."""

    name: str


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor's elements are: counted in elements of a storage, which is a file of the archive."""

    storage: str
    type: StorageType
    length: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


STORAGE_TYPES = {
    "DoubleStorage": np.dtype("<f8"), "FloatStorage": np.dtype("<f4"), "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16), "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"), "ByteStorage": np.dtype("u1"), "BoolStorage": np.dtype("?"),
}  # fmt: skip


class TorchFile:
    """A pytorch_model.bin. Of its pickle, only tensors and dictionaries of them are understood."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
            (pickled,) = [name for name in self._archive.namelist() if name.endswith("/data.pkl")]
            self._folder = pickled.removesuffix("data.pkl")
            with self._archive.open(pickled) as file:
                content = TensorUnpickler(file).load()
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise ConversionError(f"{path}: not a file of torch.save since 1.6: {error}") from error
        except (pickle.UnpicklingError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
            raise ConversionError(f"{path}: holds more than tensors: {error}") from error
        if not isinstance(content, dict):
            raise ConversionError(f"{path}: holds no dictionary of tensors")
        self._tensors = {
            str(name): value for name, value in content.items() if isinstance(value, StoredTensor)
        }

    def names(self) -> list[str]:
        return list(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def tensor(self, name: str) -> np.ndarray:
        stored = self._tensors[name]
        kind = STORAGE_TYPES.get(stored.type.name)
        if kind is None:
            raise ConversionError(f"{self._path}: tensor {name} has type {stored.type.name}")
        try:
            elements = np.frombuffer(self._archive.read(f"{self._folder}data/{stored.storage}"), kind)
        except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
            raise ConversionError(f"{self._path}: tensor {name}: {error}") from error
        steps = [(extent - 1) * stride for extent, stride in zip(stored.shape, stored.strides, strict=True)]
        count = math.prod(stored.shape)
        if min([stored.offset, *stored.shape, *stored.strides]) < 0 or (
            count > 0 and stored.offset + sum(steps) >= len(elements)
        ):
            raise ConversionError(f"{self._path}: tensor {name} reaches beyond its storage")
        return np.lib.stride_tricks.as_strided(
            elements[stored.offset :], stored.shape, [stride * kind.itemsize for stride in stored.strides]
        ).copy()


class TensorUnpickler(pickle.Unpickler):
    """Reads dictionaries of tensors, and calls no code that a file names."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return rebuilt_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name.endswith("Storage"):
            return StorageType(name)
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, reference: Any) -> tuple[StorageType, str, int]:
        kind, storage_type, key, _, length = reference
        if kind != "storage" or not isinstance(storage_type, StorageType):
            raise pickle.UnpicklingError(f"a reference to a {kind}")
        return storage_type, str(key), int(length)


def rebuilt_tensor(
    storage: tuple[StorageType, str, int], offset: int, shape: Any, strides: Any, *_: Any
) -> StoredTensor:
    """What a pickle makes of a storage and a view of it."""
    storage_type, key, length = storage
    return StoredTensor(key, storage_type, length, int(offset), tuple(shape), tuple(strides))
