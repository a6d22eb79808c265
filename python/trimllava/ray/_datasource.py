# SPDX-License-Identifier: Apache-2.0
"""Rows of pictures as a source of Ray Data that its checkpoints accept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
from ray.data import DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.data.checkpoint.checkpoint_filter import IdColumnCheckpointManager

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
        batch = list(islice(rows, BATCH_SIZE))
        yield pa.Table.from_pylist(batch, schema=_SCHEMA)
        while batch := list(islice(rows, BATCH_SIZE)):
            yield pa.Table.from_pylist(batch, schema=_SCHEMA)


class CleaningManager(IdColumnCheckpointManager):
    """Takes away what an earlier run has half written.

    What is done is left out by the parts. Ray's own filter would be an actor with a core, for which writing
    waits until everything is read.
    """

    def load_checkpoint(
        self, data_file_dir: str | None = None, data_file_filesystem: Any = None
    ) -> tuple[None, int]:
        self._clean_pending_checkpoints(data_file_dir, data_file_filesystem)
        return None, 0
