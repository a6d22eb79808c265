# SPDX-License-Identifier: Apache-2.0
"""The published scoring functions: lmms-eval's, LLaVA's for POPE, and MileBench's from a checkout."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import sys
import tempfile
import types
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

Doc = dict[str, Any]


def bare_package(name: str) -> None:
    """Lets a package's modules be imported without running its own, which imports torch."""
    *parents, last = name.split(".")
    if parents:
        places = sys.modules[".".join(parents)].__path__
        folder = next(path for path in (Path(place) / last for place in places) if path.is_dir())
    else:
        specification = importlib.util.find_spec(name)
        assert specification and specification.origin, f"{name} is not installed"
        folder = Path(specification.origin).parent
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def stand_in(name: str, **contents: object) -> None:
    """Stands in for a module that scores do not need."""
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    sys.modules[name] = module


def registering(*_: object, **__: object) -> Callable[[Any], Any]:
    return lambda function: function


for package in ("lmms_eval", "lmms_eval.api", "lmms_eval.tasks", "llava", "llava.eval"):
    bare_package(package)
stand_in("sacrebleu")
stand_in("lmms_eval.api.registry", register_aggregation=registering, register_metric=registering)

loguru_logger = importlib.import_module("loguru").logger
metrics = importlib.import_module("lmms_eval.api.metrics")
textvqa = importlib.import_module("lmms_eval.tasks.textvqa.utils")
vizwiz = importlib.import_module("lmms_eval.tasks.vizwiz_vqa.utils")
vqav2 = importlib.import_module("lmms_eval.tasks.vqav2.utils")
science_qa = importlib.import_module("lmms_eval.tasks.scienceqa.utils")
seed_bench = importlib.import_module("lmms_eval.tasks.seedbench.utils")
mme = importlib.import_module("lmms_eval.tasks.mme.utils")
pope = importlib.import_module("lmms_eval.tasks.pope.utils")
mmbench = importlib.import_module("lmms_eval.tasks.mmbench.mmbench_evals")
llava_pope = importlib.import_module("llava.eval.eval_pope")
# Without ChatGPT, an answer that MMBench's rules cannot read is wrong; lmms-eval then looks for any letter.
letters = importlib.import_module("lmms_eval.tasks._task_utils.mcq_extract")
letters.extract_mcq_answer = lambda *_, **__: ""


def load_milebench(folder: Path) -> Any:
    """MileBench's scorer from a checkout."""
    specification = importlib.util.spec_from_file_location("milebench", folder / "evaluate.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.Eval()


def pope_says_yes(answer: str) -> bool:
    """What LLaVA's script makes of an answer; its figures of a single answer divide by zero."""
    answers = [{"text": answer}]
    with (
        tempfile.NamedTemporaryFile("w", suffix=".json") as labels,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.suppress(ZeroDivisionError),
    ):
        labels.write('{"label": "yes"}\n')
        labels.flush()
        llava_pope.eval_pope(answers, labels.name)
    return answers[0]["text"] == "yes"


def letter_index(answer: str) -> int:
    return ord(answer) - ord("A")


def mmbench_row(answer: str, doc: Doc) -> Doc:
    """A row as lmms-eval's aggregation takes it."""
    choices = {
        letter: doc["choices"][place] if place < len(doc["choices"]) else float("nan")
        for place, letter in enumerate("ABCD")
    }
    row = {"index": doc.get("index", 0), "category": doc.get("task", "all"), "answer": doc["answers"][0]}
    return {**row, **choices, "prediction": answer}


def scorers(milebench: Any = None) -> dict[str, Callable[[str, Doc], float]]:
    """The score of one answer by each metric, from the answer and a question with `answers` and `choices`."""

    def people(function: Callable[..., Any], answer: str, answers: list[Any]) -> float:
        doc = {"question_id": 1, "answers": deepcopy(answers)}
        return function(doc, [answer])["exact_match"]

    def in_order(answers: Iterable[str]) -> list[Doc]:
        return [{"answer": answer, "answer_id": index} for index, answer in enumerate(answers)]

    def seed(answer: str, doc: Doc) -> float:
        entry = {"answer": doc["answers"][0], "data_type": "image", "question_id": 1}
        result = seed_bench.seed_process_result(entry, [answer])
        return float(seed_bench.seed_aggregation_result([result["seed_all"]]))

    evaluator = mmbench.MMBench_Evaluator()
    found: dict[str, Callable[[str, Doc], float]] = {
        "vqa": lambda answer, doc: people(textvqa.textvqa_process_results, answer, doc["answers"]),
        "vqa-v2": lambda answer, doc: people(vqav2.vqav2_process_results, answer, in_order(doc["answers"])),
        "gqa": lambda answer, doc: float(
            metrics.exact_match_hf_evaluate(
                predictions=[answer.strip()],
                references=doc["answers"],
                ignore_case=True,
                ignore_punctuation=True,
            )["exact_match"]
        ),
        "pope": lambda answer, doc: float(pope_says_yes(answer) == (doc["answers"][0] == "yes")),
        "science-qa": lambda answer, doc: science_qa.sqa_process_results(
            {"choices": doc["choices"], "answer": letter_index(doc["answers"][0])}, [answer]
        )["exact_match"],
        "seed-bench": seed,
        "mmbench": lambda answer, doc: float(
            evaluator.prefetch_answer(mmbench_row(answer, doc)) == doc["answers"][0]
        ),
        "mme": lambda answer, doc: float(mme.parse_pred_ans(answer) == doc["answers"][0]),
    }
    if milebench:
        found |= milebench_scorers(milebench)
    return found


def milebench_scorers(scorer: Any) -> dict[str, Callable[[str, Doc], float]]:
    def run(answer: str, doc: Doc, score: Callable[[list[Doc], Doc], Any]) -> float:
        instance = {"images_path": ["a", "b"], "choice_list": list(doc["choices"])}
        sample = {"sample_id": 0, "image_quantity_level": "Few", "task_instance": instance}
        prediction = {
            "sample_id": 0, "gt_response": doc["answers"][0], "pred_response": answer, "image": ["a", "b"]
        }  # fmt: skip
        return score([prediction], {"data": [sample]})

    return {
        "milebench-choice": lambda answer, doc: run(
            answer, doc, lambda found, core: scorer.evaluate_multichoice(found, core)[1]["Accuracy"]
        ),
        "milebench-word": lambda answer, doc: run(
            answer, doc, lambda found, core: scorer.evaluate_needle(found, core)[0]["Accuracy"]
        ),
        "milebench-part": lambda answer, doc: run(
            answer, doc, lambda found, core: scorer.evaluate_needle(found, core, needle=False)[0]["Accuracy"]
        ),
        "rouge-l": lambda answer, doc: run(
            answer, doc, lambda found, core: scorer.evaluate_rouge(found, core)[0]["Rouge-L f"]
        ),
    }


def llava_pope_figures(answers: list[str], labels: list[str]) -> dict[str, float]:
    """Accuracy, precision, recall, F1 and the share of yes, in per cent, as LLaVA's script prints them."""
    printed = io.StringIO()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, contextlib.redirect_stdout(printed):
        file.write("".join(json.dumps({"label": label}) + "\n" for label in labels))
        file.flush()
        llava_pope.eval_pope([{"text": answer} for answer in answers], file.name)
    names = {"Accuracy": "score", "Precision": "precision", "Recall": "recall"}
    names |= {"F1 score": "f1", "Yes ratio": "yes_share"}
    lines = [line.split(": ") for line in printed.getvalue().splitlines() if ": " in line]
    return {names[name]: 100 * float(value) for name, value in lines}
