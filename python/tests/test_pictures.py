# SPDX-License-Identifier: Apache-2.0
"""Whatever stands for a picture becomes the file that it should."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trimllava import PictureError
from trimllava._pictures import data_url, file_bytes, file_url, name_of


def decoded(picture: object) -> Image.Image:
    return Image.open(io.BytesIO(file_bytes(picture)))


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (4, 7, 1), (3, 5, 3), (2, 9, 4)])
def test_arrays_keep_every_pixel(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)
    again = np.asarray(decoded(array))
    assert np.array_equal(again.reshape(shape), array)


def test_arrays_need_not_be_contiguous() -> None:
    array = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    for view in (array[::2, ::-1], array.transpose(1, 0, 2), np.asfortranarray(array)):
        assert np.array_equal(np.asarray(decoded(view)), view)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(PictureError, match="array"):
        file_bytes(array)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "F", "I;16"])
def test_images_of_every_mode(mode: str) -> None:
    image = Image.new(mode, (6, 4))
    assert decoded(image).size == (6, 4)


def test_images_are_turned_as_their_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (8, 4)).save(file, "JPEG", exif=exif)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        turned = decoded(image)
    assert turned.size == (4, 8)
    assert turned.getexif().get(0x0112, 1) == 1


def test_files_and_bytes_go_as_they_are(photographs: list[Path]) -> None:
    content = photographs[0].read_bytes()
    for picture in (photographs[0], str(photographs[0]), content, bytearray(content), memoryview(content)):
        assert file_bytes(picture) == content
    assert name_of(photographs[0]) == str(photographs[0])
    assert name_of(content) is None


def test_a_server_of_this_machine_is_given_addresses_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b%.png").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a b%.png")
    monkeypatch.chdir(tmp_path)
    address = f"file://{tmp_path}/a%20b%25.png"
    assert {file_url(picture) for picture in ("a b%.png", tmp_path / "a b%.png", "link")} == {address}
    # The server would not find a file by a name that is not text, nor one that this process alone has open.
    (tmp_path / "\udcff.png").write_bytes(b"content")
    with open("link", "rb") as file:
        (tmp_path / "a b%.png").unlink()
        for picture in ("\udcff.png", b"content", f"/proc/self/fd/{file.fileno()}"):
            assert file_url(picture) == data_url(b"content")
    with pytest.raises(PictureError, match="absent: No such file"):
        file_url("absent")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"absent\.jpg: No such file"):
        file_bytes(tmp_path / "absent.jpg")
    with pytest.raises(PictureError, match="not dict"):
        file_bytes({})
