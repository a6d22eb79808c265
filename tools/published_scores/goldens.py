# SPDX-License-Identifier: Apache-2.0
"""Writes answers and what the published functions score them, for the tests of the metrics."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from originals import load_milebench, scorers

FILE = Path(__file__).parents[2] / "Tests/TestSupport/Fixtures/scores/published.json"
WORDS = (
    "a an the two ten none red cat dog's dont can't it's left-hand 1,000 3.5 1,,2 7. x-ray yes No no not Yes "
    "circle square, above? A B. (C) C) D: E unanswerable T-shirt st. o'clock oclock youre Größe 'quoted' "
    "\"so\" 10:30 somebody'd hed've"
).split()


def text(lot: random.Random, words: int) -> str:
    separators = [" "] * 6 + ["\n", ", ", ". ", "; ", "-", "  "]
    return "".join(lot.choice(WORDS) + lot.choice(separators) for _ in range(words))[:-1]


def variant(lot: random.Random, right: str) -> str:
    """An answer near the right one."""
    forms = [
        right, right.upper(), right.lower(), f"{right}.", f" {right} ", f"The {right}", f"({right})",
        f"{right}) it", f"{right}: yes", f"It is {right}, I think.", f"{right}!", f"A {right} of them", "",
        "?", f"{right} {right}", f"The answer is {right}.", f"not {right}", right.replace(" ", ""), right[:1],
        f"{right}\nbecause", text(lot, 3),
    ]  # fmt: skip
    return lot.choice(forms)


def cases(lot: random.Random, metric: str) -> list[dict[str, object]]:
    letters = ["A", "B", "C", "D"]
    found = []
    for _ in range(60):
        choices = [text(lot, lot.randint(1, 3)) for _ in range(4)]
        right = lot.choice(letters)
        if metric in ("vqa", "vqa-v2"):
            people = [text(lot, lot.randint(1, 2)) for _ in range(4)]
            answers, choices = [lot.choice(people) for _ in range(10)], []
        elif metric in ("pope", "mme"):
            answers, choices = [lot.choice(["yes", "no"])], []
        elif metric in ("science-qa", "seed-bench", "mmbench"):
            answers = [right]
        elif metric == "milebench-choice":
            answers = [choices[letters.index(right)]]
        else:
            answers, choices = [text(lot, lot.randint(1, 6)) or "x"], []
        said = lot.choice([answers[0], *choices, *letters, answers[-1]])
        found.append({"metric": metric, "answer": variant(lot, said), "answers": answers, "choices": choices})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="make-published-goldens", description=__doc__)
    parser.add_argument("milebench", type=Path, help="a checkout of MileBench/MileBench")
    lot = random.Random(1)
    lines = []
    for metric, score in scorers(load_milebench(parser.parse_args().milebench)).items():
        for case in cases(lot, metric):
            lines.append(json.dumps(case | {"score": float(score(case["answer"], case))}, ensure_ascii=False))
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{FILE}: {len(lines)} answers")


if __name__ == "__main__":
    main()
