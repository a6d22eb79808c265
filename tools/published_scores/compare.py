# SPDX-License-Identifier: Apache-2.0
"""Hold the scores of `trimllava eval --set` against those of the published functions, on the same answers."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import originals
from goldens import variant
from sets import COGNITION, LETTERS, PERCEPTION, WRITERS, WrittenSet, read_source

DEMO = Path(__file__).parents[1] / "demo-model"
METRICS = {
    "pope": "pope", "textvqa": "vqa", "vqav2": "vqa-v2", "vizwiz": "vqa", "gqa": "gqa", "mme": "mme",
    "scienceqa": "science-qa", "seed-bench": "seed-bench", "mmbench": "mmbench",
}  # fmt: skip
# The program prints two digits.
TOLERANCE = 0.0051
Row = dict[str, Any]


def evaluate(program: str, written: WrittenSet, answers: Path) -> list[Row]:
    """The program's rows; it asks what `answers` does not have yet."""
    images = ["--images", str(written.images)] if written.images else []
    command = [program, "eval", "--set", written.name, *map(str, written.files), *images]
    command += ["--keep", "64", "--selector", "mmtok", "--max-tokens", "24", "-o", "json"]
    result = subprocess.run(
        [*command, "--answers", str(answers)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SystemExit(f"{written.name}: exit code {result.returncode}\n{result.stderr}")
    return json.loads(result.stdout)["results"]


def read_answers(path: Path) -> dict[str, dict[str, str]]:
    """Texts by setting and question."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for line in path.read_text().splitlines()[1:]:
        record = json.loads(line)
        found[record["setting"]][record["id"]] = record["text"]
    return found


def replace_answers(path: Path, written: WrittenSet, lot: random.Random, plain: bool) -> None:
    """Puts answers of many forms in the place of the model's, right and wrong ones."""
    first, *lines = path.read_text().splitlines()
    changed = [first]
    for line in lines:
        record = json.loads(line)
        doc = written.docs[record["id"]]
        yes_or_no = doc["answers"][0] in ("yes", "no") and written.name in ("pope", "mme")
        others = ["yes", "no"] if yes_or_no else [*doc["choices"], *(LETTERS if doc["choices"] else [])]
        # A question of MMBench is right only if all of its copies are.
        right = doc["answers"] * (60 if written.name == "mmbench" else 2)
        said = lot.choice([*right, *others])
        record["text"] = said if plain else variant(lot, said.capitalize() if yes_or_no else said)
        changed.append(json.dumps(record))
    path.write_text("\n".join(changed) + "\n")


def mean(values: list[float]) -> float:
    return 100 * statistics.fmean(values)


def by_task(written: WrittenSet, texts: dict[str, str]) -> dict[str, list[tuple[str, originals.Doc]]]:
    tasks: dict[str, list[tuple[str, originals.Doc]]] = defaultdict(list)
    for name, doc in written.docs.items():
        tasks[doc["task"]].append((texts[name], doc))
    return tasks


def expected(
    written: WrittenSet, texts: dict[str, str], scorers: dict[str, Any]
) -> dict[tuple[str | None, str], float]:
    """The published figures by task and field; no task stands for all."""
    tasks = by_task(written, texts)
    if written.name == "mme":
        return mme_figures(tasks)
    if written.name == "mmbench":
        return mmbench_figures(tasks)
    figures: dict[tuple[str | None, str], float] = {}
    scores: dict[str, list[float]] = {}
    for task, answered in tasks.items():
        metric = METRICS.get(written.name)
        metric = metric or ("milebench-choice" if task == "ActionPrediction" else "rouge-l")
        if metric not in scorers:
            continue
        scores[task] = [scorers[metric](answer, doc) for answer, doc in answered]
        figures[task, "score"] = mean(scores[task])
        if written.name == "pope":
            labels = [doc["answers"][0] for _, doc in answered]
            found = originals.llava_pope_figures([answer for answer, _ in answered], labels)
            figures |= {(task, name): value for name, value in found.items()}
    if written.name == "pope":
        for name in ("precision", "recall", "f1", "yes_share"):
            figures[None, name] = statistics.fmean(figures[task, name] for task in tasks)
    if len(scores) == len(tasks) > 1:
        together = written.name not in ("pope", "milebench")
        all_scores = [score for task in scores.values() for score in task]
        means = [statistics.fmean(task) for task in scores.values()]
        figures[None, "score"] = mean(all_scores if together else means)
    return figures


def mme_figures(
    tasks: dict[str, list[tuple[str, originals.Doc]]],
) -> dict[tuple[str | None, str], float]:
    results: dict[str, list[Row]] = {}
    for task, answered in tasks.items():
        results[task] = []
        for answer, doc in answered:
            entry = {"answer": doc["answers"][0], "category": task, "question_id": doc["picture"]}
            results[task] += originals.mme.mme_process_results(entry, [answer]).values()
    figures: dict[tuple[str | None, str], float] = {
        (task, "score"): originals.mme.mme_aggregate_results(found) for task, found in results.items()
    }
    for name, subtasks in {"perception": PERCEPTION, "cognition": COGNITION, None: list(tasks)}.items():
        found = [entry for task in subtasks for entry in results[task]]
        figures[name, "score"] = originals.mme.mme_aggregate_results(found)
    return figures


def mmbench_figures(
    tasks: dict[str, list[tuple[str, originals.Doc]]],
) -> dict[tuple[str | None, str], float]:
    rows = [originals.mmbench_row(answer, doc) for answered in tasks.values() for answer, doc in answered]
    with contextlib.redirect_stdout(io.StringIO()):
        overall, categories, _ = originals.mmbench.MMBench_Evaluator().eval_result(rows, "static")
    figures: dict[tuple[str | None, str], float] = {(None, "score"): 100 * overall}
    return figures | {(name, "score"): 100 * value for name, value in categories.items()}


def lmms_pope(written: WrittenSet, texts: dict[str, str]) -> dict[tuple[str | None, str], float]:
    """lmms-eval's figures, which count only a bare yes or no; its share of yes is that of the labels."""
    figures: dict[tuple[str | None, str], float] = {}
    for task, answered in by_task(written, texts).items():
        results = [
            originals.pope.pope_process_results({"answer": doc["answers"][0], "question_id": 0}, [answer])[
                "pope_accuracy"
            ]
            for answer, doc in answered
        ]
        fields = {"score": "accuracy", "precision": "precision", "recall": "recall", "f1": "f1_score"}
        for field, name in fields.items():
            figures[task, field] = 100 * getattr(originals.pope, f"pope_aggregate_{name}")(results)
    return figures


def differences(rows: list[Row], setting: str, figures: dict[tuple[str | None, str], float]) -> list[str]:
    own = [row for row in rows if row["setting"] == setting]
    found = {(row.get("task"), field): row[field] for row in own for field in row}
    return [
        f"{setting}, {task or 'all'}, {field}: {found.get((task, field))}, published {value:.3f}"
        for (task, field), value in figures.items()
        if abs(found.get((task, field), -1) - value) > TOLERANCE
    ]


def check(program: str, written: WrittenSet, folder: Path, scorers: dict[str, Any]) -> list[str]:
    """The figures that differ, on the model's answers and on answers of other forms."""
    answers = folder / "answers.jsonl"
    lot = random.Random(written.name)
    problems: list[str] = []
    for kind in ("the model's", "varied", "plain"):
        if kind != "the model's":
            replace_answers(answers, written, lot, plain=kind == "plain")
        rows = evaluate(program, written, answers)
        count = 0
        for setting, texts in read_answers(answers).items():
            figures = expected(written, texts, scorers)
            if written.name == "pope" and kind == "plain":
                problems += differences(rows, setting, lmms_pope(written, texts))
            problems += [f"{kind} answers, {text}" for text in differences(rows, setting, figures)]
            count += len(figures)
        totals = [row for row in rows if row.get("task") is None] or rows
        scores = ", ".join(f"{row['score']:.1f}" for row in totals)
        print(f"{written.name}: {kind} answers, {count} figures compared; score of all: {scores}")
    return problems


def main() -> None:
    parser = argparse.ArgumentParser(prog="check-published-scores", description=__doc__)
    parser.add_argument("program", nargs="?", default=".build/release/trimllava")
    parser.add_argument("--milebench", type=Path, help="a checkout of MileBench/MileBench")
    parser.add_argument("--questions", type=int, default=3, help="questions of each kind (default 3)")
    options = parser.parse_args()
    originals.loguru_logger.remove()
    scorer = originals.load_milebench(options.milebench) if options.milebench else None
    scorers = originals.scorers(scorer)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = [sys.executable, str(DEMO / "evaluation-set"), "--outdir", str(folder / "scenes")]
        subprocess.run([*made, "--questions", str(options.questions)], check=True, stdout=subprocess.DEVNULL)
        source = read_source(folder / "scenes")
        for write in WRITERS:
            own = folder / write.__name__
            written = write(source, own / "set")
            if written.name == "milebench" and not scorer:
                print("milebench: not compared without --milebench")
                continue
            problems += [f"{written.name}: {text}" for text in check(options.program, written, own, scorers)]
    print("\n".join(problems) or "check-published-scores: all figures are the published ones")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
