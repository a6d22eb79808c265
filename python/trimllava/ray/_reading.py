# SPDX-License-Identifier: Apache-2.0
"""Pictures of folders, webdataset tars and parquet files as datasets.

Ray's own readers raise for a file that is damaged, and do not give ids by which a job goes on after a
restart; these give a row with `error` and an id for every picture.
"""

from __future__ import annotations

import bisect
import functools
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._errors import TrimLLaVAError
from ._captioner import BATCH_SIZE

if TYPE_CHECKING:
    import ray.data

PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif",
    ".avif", ".jxl",
)  # fmt: skip
"""What marks pictures in folders and archives: those of `trimllava caption`, formats it refuses included."""

_ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

Row = dict[str, Any]
Part = Callable[[], Iterable[Row]]


def read_pictures(
    source: str | os.PathLike[str], *, batch_size: int = BATCH_SIZE, readers: int | None = None
) -> ray.data.Dataset:
    """A dataset of the pictures in a folder, in webdataset tars, or in parquet files.

    Columns: `id`, different for every picture and the same in every run; `path`, the picture's name; `bytes`;
    `error`, for what cannot be read. Pictures in files have no bytes: the node that captions them reads them.

    Parquet files have a column `bytes` or `image` (bytes, or the structure {bytes, path} that Hugging Face
    writes); a column `path` or `id` names their pictures. A block has `batch_size` pictures of a
    folder, or an archive's or parquet file's. `readers` is how many tasks read at the same time; each is a
    process whose start takes more than a second of a core.

    Raises TrimLLaVAError if the source holds none of these, or pictures beside archives.
    """
    return dataset_of(parts_of(os.path.abspath(source), batch_size), readers)


def dataset_of(parts: Sequence[Part], readers: int | None = None) -> ray.data.Dataset:
    """A dataset of these parts, one read by each task. Reading waits for disks, and so takes no core."""
    import ray.data

    from ._datasource import PictureSource

    source = PictureSource(parts)
    dataset: ray.data.Dataset = ray.data.read_datasource(
        source, override_num_blocks=len(parts), num_cpus=0, concurrency=readers
    )
    return dataset


def parts_of(source: str, batch_size: int = BATCH_SIZE, done: Iterable[str] = ()) -> list[Part]:
    """Functions that give the rows of one part each: a batch of files, an archive, a parquet file.

    Rows with the ids `done` are left out.
    """
    if not os.path.exists(source):
        raise TrimLLaVAError(f"{source}: no such file or folder")
    files = sorted(_files(source))
    pictures = [name for name in files if name.lower().endswith(PICTURE_SUFFIXES)]
    archives = [name for name in files if name.lower().endswith(_ARCHIVE_SUFFIXES)]
    tables = [name for name in files if name.lower().endswith(".parquet")]
    if pictures and archives:
        raise TrimLLaVAError(
            f"{source}: holds pictures ({pictures[0]}) and archives ({archives[0]}): "
            "name a folder of one kind"
        )
    finished = sorted(done)
    if pictures:
        known = set(finished)
        pictures = [name for name in pictures if _text(name) not in known]
        batches = (pictures[start : start + batch_size] for start in range(0, len(pictures), batch_size))
        return [functools.partial(_file_rows, batch) for batch in batches]
    if archives:
        return [_rest(_archive_rows, archive, finished) for archive in archives]
    if tables:
        return [_rest(_table_rows, table, finished) for table in tables]
    raise TrimLLaVAError(f"{source}: no pictures, no .tar and no .parquet files")


def _rest(rows: Callable[[str], Iterable[Row]], file: str, finished: Sequence[str]) -> Part:
    """The rows of a file whose ids, which begin with its name, are not among the sorted ones."""
    name = _text(file)
    ids = finished[bisect.bisect_left(finished, name) : bisect.bisect_left(finished, name + "\U0010ffff")]
    return functools.partial(_rows_without, rows, file, frozenset(ids))


def _rows_without(rows: Callable[[str], Iterable[Row]], file: str, ids: frozenset[str]) -> Iterator[Row]:
    return (row for row in rows(file) if row["id"] not in ids)


def _files(source: str) -> Iterator[str]:
    """All files below a folder, hidden ones left out and links followed once; or the file itself."""
    if not os.path.isdir(source):
        yield source
        return
    seen: set[tuple[int, int]] = set()

    def raised(error: OSError) -> None:
        raise TrimLLaVAError(f"{error.filename}: {error.strerror}") from error

    for folder, folders, names in os.walk(source, followlinks=True, onerror=raised):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".")),
            key=lambda name: (os.path.islink(os.path.join(folder, name)), name),
        )
        yield from (os.path.join(folder, name) for name in names if not name.startswith("."))


def _row(identity: str, path: str, content: bytes | None, error: str | None = None) -> Row:
    return {"id": _text(identity), "path": _text(path), "bytes": content, "error": error}


def _text(name: str) -> str:
    """A name as text that can be written: bytes that are not UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _file_rows(paths: Iterable[str]) -> Iterator[Row]:
    for path in paths:
        is_text = _text(path) == path
        yield _row(path, path, None, None if is_text else f"{_text(path)}: the name is not UTF-8")


def _archive_rows(archive: str) -> Iterator[Row]:
    """The pictures of a tar archive, named as `trimllava caption` names them: archive/member."""
    seen: set[str] = set()
    try:
        with tarfile.open(archive, "r:*") as file:
            for member in file:
                name = f"{archive}/{member.name}"
                if not member.name.lower().endswith(PICTURE_SUFFIXES) or member.isdir() or name in seen:
                    continue
                seen.add(name)
                yield _row(name, name, *_member(file, member, name))
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        yield _row(archive, archive, None, f"{archive}: {error}")
        return
    if not seen:
        yield _row(archive, archive, None, f"{archive}: has no pictures")


def _member(file: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> tuple[bytes | None, str | None]:
    """A member's bytes, or why there are none."""
    try:
        content = file.extractfile(member)
    except KeyError:
        return None, f"{name}: a link to what is not in the archive"
    if content is None:
        return None, f"{name}: not a file"
    return content.read(), None


def _table_rows(table: str) -> Iterator[Row]:
    """The pictures of a parquet file; their ids are the file and the row's number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(table) as file:
            names = file.schema_arrow.names
            picture = next((name for name in ("bytes", "image") if name in names), None)
            if picture is None:
                yield _row(table, table, None, f"{table}: has no column bytes or image")
                return
            label = next((name for name in ("path", "id") if name in names), None)
            wanted = [picture] if label is None else [picture, label]
            for batch in file.iter_batches(batch_size=BATCH_SIZE, columns=wanted):
                for row in batch.to_pylist():
                    yield _table_row(f"{table}#{number}", row[picture], row.get(label or ""))
                    number += 1
    except (pa.ArrowException, OSError) as error:
        yield _row(f"{table}#{number}", table, None, f"{table}: {error}")


def _table_row(identity: str, picture: Any, label: Any) -> Row:
    if isinstance(picture, Mapping):
        label = picture.get("path") if label is None else label
        picture = picture.get("bytes")
    name = identity if label is None else str(label)
    if not isinstance(picture, bytes):
        return _row(identity, name, None, f"{identity}: has no bytes")
    return _row(identity, name, picture)
