# SPDX-License-Identifier: Apache-2.0
"""Whatever stands for a picture, as the bytes of an encoded file."""

from __future__ import annotations

import base64
import io
import os
import stat
import struct
import zlib
from typing import Any, TypeAlias
from urllib.parse import quote

from ._errors import PictureError

Picture: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Any"
"""A path, the bytes of a JPEG, PNG or WebP file, a PIL image, or an array of 8-bit numbers.

Arrays have the shape (height, width), (height, width, 1), (height, width, 3) or (height, width, 4).
"""


def file_bytes(picture: Picture) -> bytes:
    """The bytes of a picture file.

    Raises PictureError if the file cannot be read, or if the object is not a picture.
    """
    if isinstance(picture, (str, os.PathLike)):
        try:
            with open(picture, "rb") as file:
                return file.read()
        except OSError as error:
            raise PictureError(f"{os.fspath(picture)}: {error.strerror}") from error
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if hasattr(picture, "getexif") and hasattr(picture, "save"):
        return _image_file(picture)
    if hasattr(picture, "__array_interface__"):
        return _array_file(picture.__array_interface__, picture)
    raise PictureError(f"a picture is a path, bytes, a PIL image or an array, not {type(picture).__name__}")


def data_url(picture: Picture) -> str:
    """A picture as requests carry it."""
    return "data:;base64," + base64.b64encode(file_bytes(picture)).decode("ascii")


def file_url(picture: Picture) -> str:
    """A picture as requests carry it to a server that reads this machine's files: a file by its address.

    Whatever the server would not find or read is sent as it is.
    """
    if isinstance(picture, (str, os.PathLike)):
        # Links of /proc lead elsewhere for the server.
        path = os.path.realpath(picture)
        try:
            if stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.R_OK):
                return "file://" + quote(path)
        except (OSError, UnicodeEncodeError):
            pass
    return data_url(picture)


def name_of(picture: Picture) -> str | None:
    """The path of a picture that has one."""
    if isinstance(picture, (str, os.PathLike)):
        return os.fspath(picture)
    return getattr(picture, "filename", None) or None


def _image_file(image: Any) -> bytes:
    """A PIL image as PNG, turned as its EXIF orientation says."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        upright = upright.convert("RGB")
    file = io.BytesIO()
    upright.save(file, "PNG", compress_level=1)
    return file.getvalue()


_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""PNG's colour type by the number of channels (PNG specification, 11.2.1)."""


def _array_file(interface: dict[str, Any], array: Any) -> bytes:
    """An array as PNG."""
    shape = tuple(interface["shape"])
    channels = shape[2] if len(shape) == 3 else 1
    if interface["typestr"] != "|u1" or len(shape) not in (2, 3) or channels not in _COLOUR_TYPES:
        raise PictureError(
            "an array of 8-bit numbers has the shape (height, width) or (height, width, 1, 3 or 4), "
            f"this one has {shape} of {interface['typestr']}"
        )
    height, width = shape[0], shape[1]
    if height == 0 or width == 0:
        raise PictureError(f"an array of the shape {shape} has no pixels")
    pixels = bytes(array.tobytes())
    stride = width * channels
    rows = b"".join(b"\0" + pixels[y * stride : (y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows, 1))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
