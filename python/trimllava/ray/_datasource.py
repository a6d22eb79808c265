# SPDX-License-Identifier: Apache-2.0
"""Rows of pictures as a source that Ray Data's checkpoints can filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
from ray.data import DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata

from ._captioner import BATCH_SIZE

_SCHEMA = pa.schema(
    [("id", pa.string()), ("path", pa.string()), ("bytes", pa.binary()), ("error", pa.string())]
)

Part = Callable[[], Iterable[dict[str, Any]]]


class PictureSource(Datasource):
    """Pictures in parts, each read by a task of its own."""

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self._parts = parts

    def get_name(self) -> str:
        return "Pictures"

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """A task per part: more would read an archive twice, fewer would make blocks larger."""
        nothing = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
        return [
            ReadTask(_Tables(part), nothing, _SCHEMA, per_task_row_limit=per_task_row_limit)
            for part in self._parts
        ]


class _Tables:
    """A part's rows as tables of a batch each, so that a large archive need not fit in memory."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def __call__(self) -> Iterator[pa.Table]:
        rows = iter(self._part())
        while batch := list(islice(rows, BATCH_SIZE)):
            yield pa.Table.from_pylist(batch, schema=_SCHEMA)
