# SPDX-License-Identifier: Apache-2.0
"""Test questions with their pictures, on scenes outside the training, and their scores."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from .drawing import draw
from .questions import ASKERS, Question, article, ask, ask_about_several, name, sentence
from .scenes import FIRST_TEST_SEED, PLACES, UNSEEN_PAIRS, Scene, make_scene

# Each kind of scene has its own seeds, above those that the training measures with.
KIND_STRIDE = 1 << 32
SEVERAL = "several-pictures"
PICTURES = "pictures"  # the folder in a set's folder
WEBP_QUALITY = 90  # of 100; PNG has none


@dataclass(frozen=True)
class Item:
    """A question with the file names and scenes of its pictures."""

    images: tuple[str, ...]
    scenes: tuple[Scene, ...]
    asked: Question

    def record(self) -> dict[str, object]:
        """The line of JSON; paths are relative to the set's folder."""
        images = [f"{PICTURES}/{image}" for image in self.images]
        return {
            "image": images[0] if len(images) == 1 else images,
            "question": self.asked.question,
            "answers": [self.asked.answer],
            "task": self.asked.task,
        }


def scenes_of_kind(kind: int, **options: bool) -> Iterator[tuple[str, Scene]]:
    """Endless test scenes and the names of their pictures."""
    first = FIRST_TEST_SEED + (1 + kind) * KIND_STRIDE
    for number in range(KIND_STRIDE):
        yield f"{'-'.join(options) or 'usual'}-{number:05}.png", make_scene(first + number, **options)


def single_picture_items(count: int) -> Iterator[Item]:
    """The given number of questions of each task about one picture."""
    lot = random.Random("single")
    left = dict.fromkeys(ASKERS, count)
    for image, scene in scenes_of_kind(0):
        for task in [task for task, number in left.items() if number]:
            asked = ask(task, scene, lot)
            if asked:
                left[task] -= 1
                yield Item((image,), (scene,), asked)
        if not any(left.values()):
            return


def several_picture_items(count: int, pictures: int) -> Iterator[Item]:
    """Questions that need several pictures."""
    lot = random.Random(f"several {pictures}")
    shown = scenes_of_kind(1)
    found = 0
    while found < count:
        images, scenes = zip(*(next(shown) for _ in range(pictures)), strict=True)
        asked = ask_about_several(scenes, lot)
        if asked:
            found += 1
            task = SEVERAL if pictures == 2 else f"{SEVERAL}-{pictures}"
            named = tuple(f"several-{image}" for image in images)
            yield Item(named, scenes, Question(task, asked.question, asked.answer))


def crowded_items(count: int) -> Iterator[Item]:
    """Questions about places, and captions, of scenes with six to nine objects."""
    lot = random.Random("crowded")
    for (image, scene), _ in zip(scenes_of_kind(2, crowded=True), range(count), strict=False):
        for task in ("caption", "what-is-at", "count"):
            asked = ask(task, scene, lot)
            yield Item(
                (image,), (scene,), Question(f"crowded-{task}", asked.question, asked.answer)
            )


def unseen_pair_items(count: int) -> Iterator[Item]:
    """Questions about the place of an object whose shape never had this colour in training."""
    found = 0
    for image, scene in scenes_of_kind(3, unseen=True):
        for shown in scene.objects:
            if (shown.shape, shown.colour) in UNSEEN_PAIRS and found < count:
                found += 1
                question = f"What is {PLACES[shown.place]}?"
                answer = sentence(article(name(shown)))
                yield Item((image,), (scene,), Question("unseen-pair", question, answer))
        if found == count:
            return


def all_items(count: int, several: bool = True) -> list[Item]:
    """The whole set, with or without questions about several pictures."""
    return [
        *single_picture_items(count),
        *(several_picture_items(count, 2) if several else ()),
        *(several_picture_items(count, 3) if several else ()),
        *crowded_items(count),
        *unseen_pair_items(count),
    ]


def saved_as(item: Item, suffix: str) -> Item:
    """The same set with pictures in another suffix's format."""
    return replace(item, images=tuple(str(Path(image).with_suffix(suffix)) for image in item.images))


def write_set(items: Iterable[Item], folder: Path, progress: Callable[[int], None]) -> None:
    """Writes the pictures, in the formats of their names, and a line of JSON per question."""
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    lines = []
    for item in items:
        for image, scene in zip(item.images, item.scenes, strict=True):
            path = folder / PICTURES / image
            if not path.exists():
                Image.fromarray(draw(scene)[0]).save(path, quality=WEBP_QUALITY)
        lines.append(json.dumps(item.record()) + "\n")
        progress(len(lines))
    (folder / "questions.jsonl").write_text("".join(lines))


def accuracy(records: Sequence[dict[str, str]]) -> dict[str, float]:
    """The share of exact answers for each task."""
    tasks: dict[str, list[bool]] = {}
    for record in records:
        tasks.setdefault(record["task"], []).append(record["answer"] in record["answers"])
    return {task: sum(right) / len(right) for task, right in tasks.items()}
