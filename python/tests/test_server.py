# SPDX-License-Identifier: Apache-2.0
"""The client against the program, with the demonstration model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trimllava import QUESTION, LLaVA, ProgramError, RequestError


def captions_of_the_program(program: str, pictures: list[Path], folder: Path, question: str) -> list[str]:
    records = folder / "captions.jsonl"
    arguments = [program, "caption", *map(str, pictures), "-o", str(records), "-p", question, "--ordered"]
    subprocess.run(arguments, check=True, capture_output=True)
    return [json.loads(line)["text"] for line in records.read_text().splitlines()]


def test_captions_are_those_of_the_program(
    llava: LLaVA, program: str, photographs: list[Path], tmp_path: Path
) -> None:
    question = "Describe the picture."
    ours = [caption.text for caption in llava.caption(photographs, question)]
    assert ours == captions_of_the_program(program, photographs, tmp_path, question)


def test_describe_and_stream_agree(llava: LLaVA, photographs: list[Path]) -> None:
    answer = llava.describe(photographs[0], "What is this?")
    assert answer.text
    assert "".join(llava.stream(photographs[0], "What is this?")) == answer.text
    assert answer.visual_tokens == answer.kept_tokens > 0
    assert answer.seconds["total"] > 0


def test_pruning(llava: LLaVA, photographs: list[Path]) -> None:
    answer = llava.describe(photographs[0], keep=16)
    assert answer.kept_tokens == 16 < answer.visual_tokens
    kept = llava.prune_map(photographs[0], keep=16)
    assert kept.kept_tokens == 16
    assert sum(len(tile.kept) for tile in kept.tiles) == 16
    assert sum(cell for tile in kept.tiles for row in tile.mask() for cell in row) == 16
    with Image.open(photographs[0]) as image:
        assert (kept.width, kept.height) == image.size


@pytest.mark.parametrize(
    ("name", "limit", "wrong", "message"),
    [
        ("max_tiles", 1, 0, "--max-tiles is 0, expected 1 or more"),
        ("max_pixels", 1, 0, "--max-pixels is 0, expected 1 or more"),
        ("tower_keep", "50%", "49%", "expected 50% to 100%"),
    ],
)
def test_limits_on_pictures_are_given_to_the_child(
    program: str, photographs: list[Path], name: str, limit: int | str, wrong: int | str, message: str
) -> None:
    with LLaVA(program=program, **{name: limit}) as model:
        assert model.describe(photographs[0], max_tokens=1).visual_tokens > 0
    with pytest.raises(ProgramError, match=message):
        LLaVA(program=program, **{name: wrong})
    with pytest.raises(ValueError, match=f"pass url or {name}"):
        LLaVA(url="http://localhost:1", **{name: limit})


def test_one_picture_in_four_forms(llava: LLaVA, photographs: list[Path]) -> None:
    with Image.open(photographs[0]) as image:
        image = image.convert("RGB")
        texts = {llava.describe(form).text for form in (image, np.asarray(image))}
    files = {llava.describe(form).text for form in (photographs[0], photographs[0].read_bytes())}
    assert len(texts) == len(files) == 1


def test_several_pictures(llava: LLaVA, photographs: list[Path]) -> None:
    one = llava.describe(photographs[0], "Compare them.")
    two = llava.describe(photographs[:2], "Compare them.")
    assert two.visual_tokens == 2 * one.visual_tokens


def test_refusals(llava: LLaVA, photographs: list[Path]) -> None:
    with pytest.raises(RequestError) as raised:
        llava.describe(photographs[0], selector="nonsense")
    assert raised.value.status == 400
    assert "mmtok" in str(raised.value)
    [bad, good] = llava.caption([b"no picture", photographs[0]])
    assert bad.answer is None
    assert bad.error
    assert good.text


def test_a_child_that_dies_is_started_again(program: str, photographs: list[Path]) -> None:
    with LLaVA(program=program) as model:
        before = model.describe(photographs[0]).text
        assert model._child is not None
        captions = model.caption(photographs * 10, in_flight=4)
        first = next(captions)
        os.kill(model._child.process_id, signal.SIGKILL)
        rest = list(captions)
        assert [caption.error for caption in rest] == [None] * 39
        texts = [first.text, *(caption.text for caption in rest)]
        assert texts[0] == model.describe(photographs[0], QUESTION).text
        assert model.describe(photographs[0]).text == before
    with pytest.raises(ProgramError, match="closed"):
        model.describe(photographs[0])


def test_the_child_ends_with_its_parent(program: str) -> None:
    script = f"""
import os, sys
from trimllava import LLaVA
model = LLaVA(program={program!r})
print(model._child.process_id, flush=True)
os.kill(os.getpid(), 9)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    parent = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    child = int(parent.stdout)
    for _ in range(3000):
        if not is_running(child):
            return
        signal.sigtimedwait([], 0.01)
    pytest.fail("the child still runs")


def is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_model_that_is_not_there(program: str) -> None:
    with pytest.raises(ProgramError, match=r"absent\.gguf"):
        LLaVA("absent.gguf", "absent-mmproj.gguf", program=program)
    with pytest.raises(ProgramError, match="No such file"):
        LLaVA(program="/absent/program")
