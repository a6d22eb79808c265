# SPDX-License-Identifier: Apache-2.0
"""The output of a job: its folder, what it may be continued with, and what it holds."""

from __future__ import annotations

import glob
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._errors import TrimLLaVAError

if TYPE_CHECKING:
    import ray.data


@dataclass(frozen=True)
class Report:
    """What the records of a job hold."""

    pictures: int
    failures: list[tuple[str, str]]
    """Path and reason."""
    repeated: int
    """Records of pictures that have one already."""


class Job:
    """A folder of captions, and beside it what is done and with which settings."""

    FORMATS = ("parquet", "jsonl", "webdataset")

    def __init__(self, output: str, checkpoint: str | None, settings: Mapping[str, Any]) -> None:
        self.output = output
        self._folder = os.path.abspath(checkpoint or output.rstrip("/") + ".checkpoint")
        self._settings = dict(settings)

    @property
    def done(self) -> str:
        """The folder of Ray's checkpoints."""
        return os.path.join(self._folder, "done")

    def claim(self) -> None:
        """Makes the folders, or finds that they are of a job with the same settings.

        Raises TrimLLaVAError if OUTPUT has files of something else.
        """
        path = os.path.join(self._folder, "settings.json")
        try:
            with open(path, encoding="utf-8") as file:
                before = json.load(file)
        except FileNotFoundError:
            self._begin(path)
            return
        except (OSError, ValueError) as error:
            raise TrimLLaVAError(f"{path}: {error}") from error
        # A setting that another version does not know has its default there.
        names = dict.fromkeys([*self._settings, *before])
        changed = [name for name in names if before.get(name) != self._settings.get(name)]
        if changed:
            raise TrimLLaVAError(
                f"{self.output} has captions with other settings ({', '.join(changed)}): "
                f"name another OUTPUT, or remove it and {self._folder}"
            )

    def _begin(self, path: str) -> None:
        if os.path.exists(self.output) and (not os.path.isdir(self.output) or os.listdir(self.output)):
            raise TrimLLaVAError(f"{self.output} exists, and {path} does not say that this command wrote it")
        try:
            os.makedirs(self.output, exist_ok=True)
            os.makedirs(self._folder, exist_ok=True)
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(self._settings, file)
            os.replace(path + ".new", path)
        except OSError as error:
            raise TrimLLaVAError(f"{error.filename}: {error.strerror}") from error

    def finished(self) -> Iterator[str]:
        """The ids of the pictures that are written."""
        import pyarrow.parquet as pq

        for name in glob.glob(os.path.join(glob.escape(self.done), "*.parquet")):
            if not name.endswith(".pending.parquet"):
                yield from pq.read_table(name, columns=["id"])["id"].to_pylist()

    def write(self, captions: ray.data.Dataset, writers: int) -> None:
        """Runs the job. Writing waits for disks, and so takes no core.

        `writers` is how many tasks write at the same time; each is a process.
        """
        how: dict[str, Any] = {"ray_remote_args": {"num_cpus": 0}, "concurrency": writers}
        if self._settings["format"] == "parquet":
            captions.write_parquet(self.output, **how)
        elif self._settings["format"] == "jsonl":
            captions.write_json(self.output, force_ascii=False, **how)
        else:
            captions.write_webdataset(self.output, encoder=_sample, **how)

    def report(self) -> Report:
        """Reads all records, those of earlier runs too."""
        seen: set[str] = set()
        failures, count = [], 0
        for identity, path, error in self._records():
            count += 1
            seen.add(identity)
            if error is not None:
                failures.append((path, error))
        return Report(count, failures, count - len(seen))

    def _records(self) -> Iterator[tuple[str, str, str | None]]:
        suffix = {"parquet": "parquet", "jsonl": "json*", "webdataset": "tar"}[self._settings["format"]]
        for name in sorted(glob.glob(os.path.join(glob.escape(self.output), f"*.{suffix}"))):
            for record in _records_of(name):
                yield record["id"], record["path"], record["error"]


def _records_of(name: str) -> Iterator[dict[str, Any]]:
    if name.endswith(".parquet"):
        import pyarrow.parquet as pq

        with pq.ParquetFile(name) as parquet:
            for batch in parquet.iter_batches(columns=["id", "path", "error"]):
                yield from batch.to_pylist()
    elif name.endswith(".tar"):
        with tarfile.open(name) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.name.endswith(".json") else None
                if content is not None:
                    yield json.load(content)
    else:
        with open(name, encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    """A record as members of a tar: its key without dots, which end a webdataset key."""
    key = row["id"].replace("\\", "/").lstrip("/").replace(".", "_")
    return {"__key__": key, "txt": row["caption"], "json": json.dumps(row, ensure_ascii=False)}
