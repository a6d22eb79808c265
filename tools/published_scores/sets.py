# SPDX-License-Identifier: Apache-2.0
"""Writes drawn scenes and their questions in the layouts of the published sets."""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Doc = dict[str, Any]
LETTERS = "ABCD"
PERCEPTION = "existence count position color posters celebrity scene landmark artwork OCR".split()
COGNITION = "commonsense_reasoning numerical_calculation text_translation code_reasoning".split()


@dataclass
class WrittenSet:
    """A set's files, and what scores need of each question by its id."""

    name: str
    files: list[Path]
    images: Path | None
    docs: dict[str, Doc] = field(default_factory=dict)


@dataclass
class Source:
    """Drawn scenes and questions about them."""

    pictures: Path
    single: list[Doc]
    several: list[Doc]
    lot: random.Random

    def choices(self, right: str) -> tuple[list[str], int]:
        """Four texts, and the place of the right one."""
        others = sorted({item["answers"][0] for item in self.single} - {right})
        choices = [right, *self.lot.sample(others, 3)]
        self.lot.shuffle(choices)
        return choices, choices.index(right)

    def people(self, right: str) -> list[str]:
        """Ten people's answers."""
        others = [item["answers"][0] for item in self.single]
        agreeing = self.lot.randint(0, 10)
        return [right] * agreeing + [self.lot.choice(others) for _ in range(10 - agreeing)]

    def yes_or_no(self) -> Iterator[Doc]:
        return itertools.cycle(item for item in self.single if item["answers"][0] in ("Yes.", "No."))


def read_source(folder: Path) -> Source:
    lines = (folder / "questions.jsonl").read_text().splitlines()
    items = [json.loads(line) for line in lines]
    single = [item for item in items if isinstance(item["image"], str)]
    several = [item for item in items if not isinstance(item["image"], str)]
    return Source(folder, single, several, random.Random(1))


def write(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def link(picture: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(picture.resolve())


def pope(source: Source, folder: Path) -> WrittenSet:
    written = WrittenSet("pope", [], source.pictures)
    asked = source.yes_or_no()
    for kind in ("random", "popular", "adversarial"):
        lines = []
        for number in range(1, 9):
            item = next(asked)
            label = item["answers"][0].strip(".").lower()
            line = {
                "question_id": number, "image": item["image"], "text": item["question"], "label": label
            }  # fmt: skip
            lines.append(json.dumps(line) + "\n")
            task = f"coco_pope_{kind}"
            written.docs[f"{task}/{number}"] = {"answers": [label], "choices": [], "task": task}
        written.files.append(write(folder / f"coco_pope_{kind}.json", "".join(lines)))
    return written


def textvqa(source: Source, folder: Path) -> WrittenSet:
    data, readings = [], []
    written = WrittenSet("textvqa", [], folder / "train_images")
    for number, item in enumerate(source.single):
        link(source.pictures / item["image"], folder / f"train_images/{number:016x}.jpg")
        answers = source.people(item["answers"][0])
        image = f"{number:016x}"
        data.append(
            {"question_id": number, "image_id": image, "question": item["question"], "answers": answers}
        )
        readings.append({"image_id": image, "ocr_tokens": ["red", "circle"]})
        written.docs[str(number)] = {"answers": answers, "choices": [], "task": "textvqa"}
    written.files = [
        write(folder / "TextVQA_0.5.1_val.json", {"data": data}),
        write(folder / "TextVQA_Rosetta_OCR_v0.2_val.json", {"data": readings}),
    ]
    return written


def vqav2(source: Source, folder: Path) -> WrittenSet:
    questions, annotations = [], []
    written = WrittenSet("vqav2", [], None)
    for number, item in enumerate(source.single):
        link(source.pictures / item["image"], folder / f"val2014/COCO_val2014_{number:012}.jpg")
        answers = source.people(item["answers"][0])
        kind = source.lot.choice(["other", "number", "yes/no"])
        given = [{"answer": text, "answer_id": place} for place, text in enumerate(answers, 1)]
        questions.append({"image_id": number, "question": item["question"], "question_id": number})
        annotations.append({"question_id": number, "answer_type": kind, "answers": given})
        written.docs[str(number)] = {"answers": answers, "choices": [], "task": kind}
    written.files = [
        write(folder / "questions.json", {"data_subtype": "val2014", "questions": questions}),
        write(folder / "annotations.json", {"annotations": annotations}),
    ]
    return written


def vizwiz(source: Source, folder: Path) -> WrittenSet:
    entries = []
    written = WrittenSet("vizwiz", [], source.pictures)
    for number, item in enumerate({item["image"]: item for item in source.single}.values()):
        answers = source.people(item["answers"][0]) if number % 3 else ["unanswerable"] * 10
        kind = "other" if number % 3 else "unanswerable"
        given = [{"answer": text, "answer_confidence": "yes"} for text in answers]
        entries.append(
            {"image": item["image"], "question": item["question"], "answers": given, "answer_type": kind}
        )
        written.docs[item["image"]] = {"answers": answers, "choices": [], "task": kind}
    written.files = [write(folder / "val.json", entries)]
    return written


def gqa(source: Source, folder: Path) -> WrittenSet:
    written = WrittenSet("gqa", [], None)
    entries = {}
    for number, item in enumerate(source.single):
        link(source.pictures / item["image"], folder / f"images/n{number}.jpg")
        right = item["answers"][0].strip(".").lower()
        entries[f"{number:08}"] = {
            "imageId": f"n{number}", "question": item["question"], "answer": right
        }  # fmt: skip
        written.docs[f"{number:08}"] = {"answers": [right], "choices": [], "task": "gqa"}
    written.files = [write(folder / "testdev_balanced_questions.json", entries)]
    return written


def scienceqa(source: Source, folder: Path) -> WrittenSet:
    written = WrittenSet("scienceqa", [], None)
    problems = {}
    for number, item in enumerate(source.single):
        choices, right = source.choices(item["answers"][0])
        has_picture = number % 4 != 0
        if has_picture:
            link(source.pictures / item["image"], folder / f"images/test/{number}/image.png")
        problems[str(number)] = {
            "question": item["question"], "choices": choices, "answer": right,
            "hint": "Look." if number % 2 else "", "image": "image.png" if has_picture else None,
        }  # fmt: skip
        task = "with picture" if has_picture else "without picture"
        written.docs[str(number)] = {"answers": [LETTERS[right]], "choices": choices, "task": task}
    written.files = [
        write(folder / "problems.json", problems),
        write(folder / "pid_splits.json", {"train": [], "test": list(problems)}),
    ]
    return written


def seed_bench(source: Source, folder: Path) -> WrittenSet:
    written = WrittenSet("seed-bench", [], source.pictures)
    types = {"Scene Understanding": 1, "Instance Identity": 2, "Action Prediction": 11}
    questions: list[Doc] = [{"question_id": "v", "data_type": "video", "question_type_id": 11}]
    for number, item in enumerate(source.single):
        choices, right = source.choices(item["answers"][0])
        kind = list(types)[number % 2]
        questions.append(
            {
                "question_id": str(number), "question": item["question"], "data_type": "image",
                "data_id": item["image"], "question_type_id": types[kind], "answer": LETTERS[right],
                **{f"choice_{letter}": choice for letter, choice in zip("abcd", choices, strict=True)},
            }
        )  # fmt: skip
        written.docs[str(number)] = {"answers": [LETTERS[right]], "choices": choices, "task": kind}
    written.files = [write(folder / "SEED-Bench.json", {"question_type": types, "questions": questions})]
    return written


def mmbench(source: Source, folder: Path) -> WrittenSet:
    written = WrittenSet("mmbench", [], None)
    columns = ["index", "question", "hint", *LETTERS, "answer", "category", "image"]
    rows = []
    for number, item in enumerate(source.single[:24]):
        choices, right = source.choices(item["answers"][0])
        picture = base64.b64encode((source.pictures / item["image"]).read_bytes()).decode()
        category = ["attribute", "relation"][number % 2]
        for turn in range(4):
            index = number + turn * 1_000_000
            turned = choices[turn:] + choices[:turn]
            answer = LETTERS[(right - turn) % 4]
            image = picture if turn == 0 else number
            hint = '"Two\nlines"' if number % 2 else ""
            rows.append([index, item["question"], hint, *turned, answer, category, image])
            written.docs[str(index)] = {
                "answers": [answer], "choices": turned, "task": category, "index": index
            }  # fmt: skip
    text = "".join("\t".join(map(str, row)) + "\n" for row in [columns, *rows])
    written.files = [write(folder / "mmbench_dev.tsv", text)]
    return written


def mme(source: Source, folder: Path) -> WrittenSet:
    written = WrittenSet("mme", [folder], None)
    asked = source.yes_or_no()
    for subtask in PERCEPTION + COGNITION:
        for number in range(3):
            items = [next(asked), next(asked)]
            link(source.pictures / items[0]["image"], folder / subtask / f"{number}.png")
            lines = []
            for line, item in enumerate(items, 1):
                label = item["answers"][0].strip(".")
                lines.append(f"{item['question']} Please answer yes or no.\t{label}\n")
                written.docs[f"{subtask}/{number}.png/{line}"] = {
                    "answers": [label.lower()], "choices": [], "task": subtask, "picture": number
                }  # fmt: skip
            write(folder / subtask / f"{number}.txt", "".join(lines))
    return written


def milebench(source: Source, folder: Path) -> WrittenSet:
    written = WrittenSet("milebench", [], source.pictures)
    for name, kind in {"ActionPrediction": "multi-choice", "IEdit": "open-ended"}.items():
        data = []
        for number, item in enumerate(source.several):
            choices, _ = source.choices(item["answers"][0])
            marks = "".join(f"{{image#{place + 1}}}" for place in range(len(item["image"])))
            instance: Doc = {"context": f"{marks}{item['question']}", "images_path": item["image"]}
            if kind == "multi-choice":
                instance["choice_list"] = choices
            data.append(
                {
                    "sample_id": number, "task_instruction_id": number % 2, "task_instance": instance,
                    "response": item["answers"][0], "image_quantity_level": "Few",
                }
            )  # fmt: skip
            written.docs[f"{name}/{number}"] = {"answers": item["answers"], "choices": choices, "task": name}
        meta = {"question_type": kind, "task_instruction": ["Look.", "See."]}
        written.files.append(write(folder / f"{name}.json", {"meta_data": meta, "data": data}))
    return written


WRITERS: list[Callable[[Source, Path], WrittenSet]] = [
    pope, textvqa, vqav2, vizwiz, gqa, scienceqa, seed_bench, mmbench, mme, milebench
]  # fmt: skip
