# SPDX-License-Identifier: Apache-2.0
"""Tests of the demonstration model's scenes, questions, packing and conversion."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo-model"))

from demo_model.drawing import GRID, PAINT, PATCH, UNCLEAR_PATCH, draw
from demo_model.drawn_scenes import IGNORED, LABELS, SHAPE_LABELS, patch_labels
from demo_model.evaluation import accuracy, all_items, saved_as, write_set
from demo_model.exported import load_exported
from demo_model.huggingface import transformers_model, write_folder
from demo_model.model import Llava, answers_right, looking_loss
from demo_model.packing import Packer, every_task, questions_of
from demo_model.questions import ASKERS, BEHIND, NUMBERS, Question, ask, caption, name, sentence
from demo_model.scenes import (
    COLOURS,
    FIRST_TEST_SEED,
    PLACES,
    SHAPES,
    SIDE,
    SIZES,
    UNSEEN_PAIRS,
    Scene,
    make_scene,
)  # fmt: skip
from demo_model.training import FIRST_CROWDED_SEED, Phase, shown_places
from demo_model.vision import PATCHES, cut_patches, normalised
from demo_model.vocabulary import BEGIN, IMAGE, TRAINING_SEED, Vocabulary, train_vocabulary

ROWS = 160
TOOLS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(train_vocabulary())


@pytest.fixture(scope="module")
def model() -> Llava:
    """A model without zero weights, which an untrained one has."""
    made = Llava(seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for values in made.parameters():
            scale = values.shape[-1] ** -0.5 if values.ndim > 1 else 0.2
            values += scale * torch.randn(values.shape, generator=generator)
    return made


def test_a_seed_draws_the_same_picture_each_time() -> None:
    for seed in (0, 1, FIRST_TEST_SEED):
        first, owners = draw(make_scene(seed))
        again, owners_again = draw(make_scene(seed))
        assert first.shape == (SIDE, SIDE, 3)
        assert np.array_equal(first, again) and np.array_equal(owners, owners_again)
    assert not np.array_equal(draw(make_scene(0))[0], draw(make_scene(1))[0])


def test_training_and_test_seeds_are_disjoint() -> None:
    most = 1 << 20  # scenes of a kind, far more than are drawn
    starts = sorted([0, FIRST_CROWDED_SEED, TRAINING_SEED, FIRST_TEST_SEED])
    assert all(b - a > most for a, b in pairwise(starts))


def test_unseen_pairs_are_in_no_training_scene_and_in_all_that_ask_for_them() -> None:
    for seed in range(500):
        pairs = {(o.shape, o.colour) for o in make_scene(seed, crowded=seed % 2 == 0).objects}
        assert not pairs & UNSEEN_PAIRS
    found = [
        {(o.shape, o.colour) for o in make_scene(seed, unseen=True).objects} & UNSEEN_PAIRS
        or any(o.is_sign for o in make_scene(seed, unseen=True).objects)
        for seed in range(100)
    ]
    assert all(found)


def test_patch_labels_agree_with_the_pixels() -> None:
    """A large part of a patch that shows an object has the object's colour."""
    for seed in range(20):
        scene = make_scene(seed, crowded=True)
        picture, owners = draw(scene)
        labels = patch_labels(scene, owners)
        for row, column in zip(*np.nonzero(labels[..., 1] != IGNORED), strict=True):
            patch = picture[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            paint = np.array(PAINT[COLOURS[labels[row, column, 1]]])
            near = np.abs(patch.astype(int) - paint).max(-1) < 70
            assert near.mean() > 0.3
        for number, shown in enumerate(scene.objects, start=1):
            centres = (owners == number) & (labels[..., 4] == 1)
            assert centres.sum() == 1, shown
            place = labels[..., 3][owners == number]
            assert (place == shown.place).all()
        assert (labels[owners == UNCLEAR_PATCH] == IGNORED).all()
        assert labels.shape == (GRID, GRID, len(LABELS))
    assert len(SHAPE_LABELS) == LABELS["shape"]


def answer_by_hand(scene, task: str, question: str) -> str:
    """Derives the answer from the question's words, independently of the generator."""
    words = question.rstrip("?.").split()
    shapes = {s: s for s in (*SHAPES, "sign")} | {s + ("es" if s == "cross" else "s"): s for s in SHAPES}
    known = {"shape": shapes, "colour": {c: c for c in COLOURS}, "size": {s: s for s in SIZES}}
    if task in ("size", "neighbour", "place", "colour"):
        words = words[: words.index("large")] if "or" in words else words
    wanted = {
        key: values[word] for key, values in known.items() for word in words if word in values
    }
    meant = [o for o in scene.objects if all(getattr(o, k) == v for k, v in wanted.items())
             and (("shape" in wanted and wanted["shape"] == "sign") or not o.is_sign)]  # fmt: skip
    places = [i for i, place in enumerate(PLACES) if question.rstrip("?").endswith(" " + place)]
    if task == "count" and "objects" in words and not wanted:
        return sentence(NUMBERS[len(scene.objects)])
    if task == "count":
        return sentence(NUMBERS[len(meant)])
    if task == "presence":
        return "Yes." if meant else "No."
    if places:
        at = [o for o in scene.objects if o.place == places[-1]]
        if task == "colour":
            return sentence(at[0].colour)
        return f"A {name(at[0])}." if at else "Nothing."
    assert len(meant) == 1, question
    if task == "neighbour":
        row, column = divmod(meant[0].place, 3)
        right = ("right" in words) - ("left" in words)
        down = ("below" in words) - ("above" in words)
        return f"A {name(scene.at(3 * (row + down) + column + right))}.".replace("A o", "An o")
    return sentence(PLACES[meant[0].place] if task == "place" else getattr(meant[0], task))


def test_answers_agree_with_the_scene() -> None:
    lot = random.Random(3)
    asked = 0
    for seed in range(300):
        scene = make_scene(seed)
        for task in ("colour", "size", "place", "what-is-at", "count", "presence", "neighbour"):
            question = ask(task, scene, lot)
            if question:
                asked += 1
                assert question.answer == answer_by_hand(scene, task, question.question), question
    assert asked > 1500


def test_captions_name_every_attribute_once() -> None:
    for seed in range(200):
        scene = make_scene(seed)
        text = caption(scene)
        assert text.count(" at the ") + text.count(" on the ") + text.count(" in the centre") == len(
            scene.objects
        )
        for shown in scene.objects:
            assert f"{name(shown)} {PLACES[shown.place]}" in text
        assert text.endswith(f"on a {scene.background} background.")


def test_pixels_are_those_of_the_image_processor() -> None:
    picture, _ = draw(make_scene(5))
    processor = CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    wanted = processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"]
    patches = normalised(cut_patches(torch.from_numpy(picture[None])))
    cut = torch.nn.functional.unfold(wanted, 14, stride=14).transpose(1, 2)
    assert torch.allclose(patches, cut, atol=1e-5)


@pytest.mark.parametrize("pictures", [1, 2])
def test_packed_questions_equal_separate_prompts_in_transformers(
    model: Llava, vocabulary: Vocabulary, pictures: int
) -> None:
    scenes = [make_scene(seed) for seed in range(pictures)]
    drawn = torch.from_numpy(np.stack([draw(scene)[0] for scene in scenes]))
    draw_questions = every_task if pictures == 1 else questions_of
    batch = Packer(vocabulary, ROWS).batch([scenes], random.Random(0), draw=draw_questions)
    questions = draw_questions(scenes, after_sampling(pictures), ROWS // 10)
    with torch.no_grad():
        features = model.tower(cut_patches(drawn)).flatten(0, 1)[None]
        logits, _, _ = model(features, batch)
        reference = transformers_model(model)
        patches = normalised(cut_patches(drawn)).transpose(1, 2)
        pixels = torch.nn.functional.fold(patches, SIDE, 14, stride=14)
        compared = 0
        for number in range(len(batch.tasks)):
            tokens, start = vocabulary.answered(questions[number])
            ids = [*vocabulary.prefix(pictures, PATCHES), *tokens[:-1]]
            assert ids[0] == BEGIN and ids.count(IMAGE) == pictures * PATCHES
            output = reference(input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0]
            alone = output[len(ids) - len(tokens) + start :]
            packed = logits[batch.answer_numbers == number]
            # Float32 sums of a few hundred terms in two orders: 1e-4 is a hundred times their error.
            assert torch.allclose(packed, alone, atol=1e-4 * float(alone.abs().max())), number
            compared += 1
    assert compared >= 5
    assert answers_right(logits, batch).shape == (len(batch.tasks),)


def after_sampling(pictures: int) -> random.Random:
    """A random generator in the packer's state after it has sampled all patches."""
    lot = random.Random(0)
    for _ in range(pictures):
        lot.sample(range(PATCHES), PATCHES)
    return lot


def test_a_question_is_no_longer_right_with_another_picture(
    model: Llava, vocabulary: Vocabulary
) -> None:
    """The packed rows attend to the visual tokens."""
    batch = Packer(vocabulary, ROWS).batch([[make_scene(0)]], random.Random(0), draw=every_task)
    with torch.no_grad():
        first, second = (
            model(model.tower(cut_patches(torch.from_numpy(draw(make_scene(s))[0][None]))), batch)[0]
            for s in (0, 1)
        )
    assert (first - second).abs().max() > 0.1


def test_every_task_has_an_asker_with_its_name() -> None:
    lot = random.Random(0)
    for task in ASKERS:
        for seed in range(20):
            question = ask(task, make_scene(seed), lot)
            assert question is None or question.task == task


def test_an_evaluation_set_is_repeatable_and_complete(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        write_set(all_items(2), tmp_path / folder, lambda done: None)
    first, second = (tmp_path / folder / "questions.jsonl" for folder in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    records = [json.loads(line) for line in first.read_text().splitlines()]
    asked = Counter(record["task"] for record in records)
    assert set(asked.values()) == {2}
    assert {*ASKERS, "several-pictures", "several-pictures-3", "unseen-pair"} < set(asked)
    for record in records:
        images = record["image"] if isinstance(record["image"], list) else [record["image"]]
        for image in images:
            assert (first.parent / image).read_bytes() == (second.parent / image).read_bytes()
    right = [record | {"answer": record["answers"][0]} for record in records]
    assert set(accuracy(right).values()) == {1.0}
    assert accuracy([*right[:1], right[0] | {"answer": "Nonsense."}]) == {right[0]["task"]: 0.5}


def test_an_evaluation_set_may_have_one_picture_to_a_question(tmp_path: Path) -> None:
    items = [saved_as(item, ".webp") for item in all_items(1, several=False)]
    write_set(items, tmp_path, lambda done: None)
    assert all(len(item.images) == 1 for item in items)
    for item in items:
        path = tmp_path / item.record()["image"]
        shown = np.asarray(Image.open(path), dtype=int)
        assert path.suffix == ".webp"
        assert np.abs(shown - draw(item.scenes[0])[0]).mean() < 8


def test_evaluation_scenes_are_test_scenes() -> None:
    assert all(scene.seed > FIRST_TEST_SEED for item in all_items(3) for scene in item.scenes)


def test_tokens_that_tell_of_the_background_are_taught_to_look_at_it(vocabulary: Vocabulary) -> None:
    scene = make_scene(0)
    labels = torch.from_numpy(patch_labels(scene, draw(scene)[1])[None]).flatten(1, 2)
    places = shown_places(labels)
    assert ((places == BEHIND) == (labels[..., 0] == 0)).all()
    assert set(places.unique().tolist()) <= {*(o.place for o in scene.objects), BEHIND, IGNORED}
    packer = Packer(vocabulary, 320)
    asked = [ask(task, scene, random.Random(0)) for task in ("caption", "background")]
    batch = packer.batch([[scene]], random.Random(0), draw=lambda *_: asked)
    word = vocabulary.encode(scene.background)[0]
    told = batch.shown_at[batch.targets == word]
    assert len(told) == 1 and told[0].tolist() == [False] * 9 + [True]
    assert int(batch.names_pattern.sum()) == 2 and batch.names_pattern[batch.targets == word].all()
    answer = batch.shown_at[batch.answer_numbers == 1]
    assert answer[:, BEHIND].all() and not answer[:, :BEHIND].any()
    caption_places = [row.nonzero().flatten().tolist() for row in batch.shown_at[batch.answer_numbers == 0]]
    order = [places[0] for places in caption_places if places]
    assert list(dict.fromkeys(order)) == [*(o.place for o in scene.in_reading_order()), BEHIND]


def test_looking_at_one_of_two_alike_is_not_enough(vocabulary: Vocabulary) -> None:
    """Attention must be spread equally over the counted patches."""
    scene = next(s for s in map(make_scene, range(99)) if len(s.objects) == 2)
    labels = torch.from_numpy(patch_labels(scene, draw(scene)[1])[None]).flatten(1, 2)
    places = shown_places(labels)
    batch = Packer(vocabulary, 320).batch([[scene]], random.Random(0), draw=lambda *_: [count_all(scene)])
    patches = [(places[0] == shown.place).float() for shown in scene.objects]

    def loss(*shares: float) -> float:
        looks = sum(share * on / on.sum() for share, on in zip(shares, patches, strict=True))
        return float(looking_loss(looks.expand(len(batch.targets), -1), batch, places))

    assert abs(loss(0.5, 0.5)) < 1e-3
    assert loss(0.5, 0.5) < loss(0.8, 0.2) < loss(1.0, 0.0)
    assert loss(0.5, 0.5) < loss(0.25, 0.25)


def count_all(scene: Scene) -> Question:
    about = tuple(shown.place for shown in scene.objects)
    return Question("count", "How many objects are there?", sentence(NUMBERS[len(about)]), about)


def test_half_of_the_counts_of_one_are_left_out() -> None:
    lot = random.Random(0)
    scenes = [make_scene(seed) for seed in range(300)]
    asked = [q for scene in scenes for q in questions_of([scene], lot, 32) if q.task == "count"]
    answers = Counter(question.answer for question in asked)
    lot = random.Random(0)
    every = Counter(ask("count", scene, lot).answer for scene in scenes for _ in range(32))
    one = sentence(NUMBERS[1])
    assert 0.2 < answers[one] / sum(answers.values()) < every[one] / sum(every.values()) - 0.05


@pytest.mark.parametrize("steps", [1, 4, 100, 5000])
def test_the_rate_rises_stays_and_falls(steps: int) -> None:
    phase = Phase("joint", steps, pictures=8, rate=1e-3, decay=0.5)
    rates = [phase.rate_at(step) for step in range(steps)]
    assert max(rates) <= phase.rate and rates.index(max(rates)) <= max(steps // 5, 1)
    assert steps < 100 or (rates[0] < 0.1 * phase.rate and rates[-1] < 0.1 * phase.rate)
    assert max(rates) == phase.rate


def test_an_exported_pair_holds_the_weights_that_it_was_made_of(
    model: Llava, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    write_folder(model, vocabulary.processor.serialized_model_proto(), tmp_path / "huggingface")
    arguments = [tmp_path / "huggingface", "--outdir", tmp_path, "--outtype", "f32", "--name", "it"]
    subprocess.run([sys.executable, TOOLS / "convert-hf", *arguments], check=True)
    again = Llava(seed=3)
    load_exported(again, tmp_path / "it-f32.gguf", tmp_path / "it-mmproj-f32.gguf")
    for key, values in model.state_dict().items():
        if not key.startswith(("labeller.", "teller.")):  # they are for training alone
            assert torch.equal(again.state_dict()[key], values), key
