# SPDX-License-Identifier: Apache-2.0
"""Very many pictures in one process of `trimllava caption`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from serving_load.report import rounded
from serving_load.server import LoadError, Program
from serving_load.watch import Sample, Watch

from .figures import held

DRAWING = Path(__file__).resolve().parents[3] / "tools/demo-model/evaluation-set"
QUESTIONS = 500  # of each task, about some 2,000 scenes
FOLDER_PICTURES = 1000


class LineCount:
    """Counts the lines of a file that grows."""

    def __init__(self, path: Path) -> None:
        self.path, self.read, self.lines = path, 0, 0

    def __call__(self) -> int:
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self.read)
            while block := file.read(1 << 20):
                self.read += len(block)
                self.lines += block.count(b"\n")
        return self.lines


def scenes(folder: Path) -> list[Path]:
    """The drawn scenes in a folder, which are drawn if it has none."""
    if not (folder / "questions.jsonl").exists():
        command = [sys.executable, str(DRAWING), "--one-picture", "--questions", str(QUESTIONS)]
        print(f"drawing scenes in {folder}", file=sys.stderr)
        if subprocess.run([*command, "--outdir", str(folder)], stdout=subprocess.DEVNULL).returncode:
            raise LoadError("the scenes could not be drawn")
    return sorted((folder / "pictures").resolve().iterdir())


def repeated(scenes: Sequence[Path], count: int) -> list[Path]:
    """So many scenes, each at least twice, and each time with other ones beside it."""
    chance = random.Random(1)
    lot = chance.sample(scenes, min(len(scenes), max(1, count // 2)))
    found: list[Path] = []
    while len(found) < count:
        found += lot
        chance.shuffle(lot)
    return found[:count]


def linked(scenes: Iterable[Path], folder: Path) -> list[str]:
    """The names of links to the scenes in subfolders; a picture that is named twice is captioned once."""
    try:
        folder.mkdir()
    except FileExistsError:
        raise LoadError(f"{folder} is there from an earlier run; --output takes a new folder") from None
    names = []
    for number, scene in enumerate(scenes):
        part = folder / f"{number // FOLDER_PICTURES:04}"
        if number % FOLDER_PICTURES == 0:
            part.mkdir()
        names.append(f"{number:07}-{scene.name}")
        (part / names[-1]).symlink_to(scene)
    return names


def failures(records: Iterable[bytes], names: Iterable[str]) -> dict[str, int]:
    """Counts what is wrong with the records of the pictures with these names."""
    left = set(names)
    captions: dict[str, str] = {}
    counts = dict.fromkeys(("failed", "not_asked_for", "other_caption_of_an_equal_picture"), 0)
    for line in records:
        try:
            record = json.loads(line)
        except ValueError:  # a kill left half a line, whose picture is missing
            continue
        name = Path(record["file_name"]).name
        if name not in left:
            counts["not_asked_for"] += 1
            continue
        left.remove(name)
        scene, text = name.partition("-")[2], record.get("text")
        if not text:
            counts["failed"] += 1
        elif captions.setdefault(scene, text) != text:
            counts["other_caption_of_an_equal_picture"] += 1
    return {"missing": len(left), **counts}


async def measure(
    program: Program, count: int, keep: str, drawn: Path, output: Path
) -> tuple[dict, list[Sample]]:
    """Captions so many pictures, and reports the outcome and what the process held meanwhile."""
    chosen = repeated(await asyncio.to_thread(scenes, drawn), count)
    names = linked(chosen, output / "pictures")
    captions, log = output / "captions.jsonl", output / "caption.log"
    command = [str(program.path), "caption", str(output / "pictures"), "--recursive", "--keep", keep]
    with log.open("wb") as errors:
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command, "--output", str(captions), *program.options, stdout=errors, stderr=errors
        )
        watch = Watch(process.pid, LineCount(captions))
        try:
            with watch.sampled():
                code = await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
        seconds = time.monotonic() - started
    if not captions.exists():
        raise LoadError(f"`{' '.join(command)}` ended with {code}; {log} says why")
    with captions.open("rb") as records:
        wrong = {"exit_code": code, **failures(records, names)}
    done = count - wrong["missing"] - wrong["failed"]
    figures = {
        "seconds": rounded(seconds),
        "pictures": done,
        "different_pictures": len(set(chosen)),
        "pictures_per_minute": rounded(60 * done / seconds),
        "failures": wrong,
        **held(watch.samples, "10000_pictures", lambda sample: sample.done / 10_000),
    }
    return figures, watch.samples
