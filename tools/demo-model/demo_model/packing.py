# SPDX-License-Identifier: Apache-2.0
"""Packs many questions about the same pictures after one prefix of text and visual tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .decoder import Packed
from .questions import ASKERS, BEHIND, NUMBERS, Question, ask, ask_about_several, sentence
from .scenes import BACKGROUNDS, Scene
from .vision import PATCHES
from .vocabulary import IMAGE, PAD, Vocabulary

# The weight of each task besides the caption, which every sequence has.
TASK_WEIGHTS = {
    "colour": 3, "place": 3, "count": 9, "what-is-at": 3, "sign": 2, "size": 1,
    "neighbour": 2, "presence": 2, "background": 2,
}  # fmt: skip
SEVERAL = "several-pictures"
ONE_OF_A_KIND = 0.5  # share that is kept of the counts whose answer is one: most things are alone


@dataclass
class Batch:
    """Packed sequences of one prefix length, with the targets of their rows."""

    prefix_tokens: Tensor  # [batch, P]; IMAGE where a visual token stands
    visual_rows: Tensor  # [batch, V]: which of the pictures' patches, in order, stand there
    packed: Packed
    target_rows: Tensor  # [targets]: rows of the flattened [batch · T] that predict a token
    targets: Tensor  # [targets]: the token that follows
    answer_numbers: Tensor  # [targets]: which answer each belongs to
    tasks: list[str]  # of the answers
    shown_at: Tensor  # [targets, 10]: whether the token tells of what is at the place, or BEHIND
    names_pattern: Tensor  # [targets]: whether the token names the background's pattern


def questions_of(scenes: Sequence[Scene], lot: random.Random, limit: int) -> list[Question]:
    """Different questions about one scene, the caption first, or about several scenes."""
    if len(scenes) > 1:
        drawn = [ask_about_several(scenes, lot) for _ in range(limit)]
    else:
        tasks = lot.choices(list(TASK_WEIGHTS), list(TASK_WEIGHTS.values()), k=limit)
        drawn = [ask(task, scenes[0], lot) for task in ["caption", *tasks]]
    asked = dict.fromkeys(question for question in drawn if question)
    return [q for q in asked if not counts_one(q) or lot.random() < ONE_OF_A_KIND]


def counts_one(question: Question) -> bool:
    return question.task == "count" and question.answer == sentence(NUMBERS[1])


@dataclass
class Answers:
    """The targets of a batch's sequences: (row, token, number of the answer)."""

    targets: list[tuple[int, int, int]]
    tasks: list[str]
    places: list[set[int]]  # that the token of each target tells of


class Packer:
    """Makes batches of sequences from scenes."""

    def __init__(self, vocabulary: Vocabulary, rows: int) -> None:
        self.vocabulary = vocabulary
        self.rows = rows  # of a sequence's questions
        patterns = [text for word in BACKGROUNDS for text in (word, word.capitalize())]
        self.patterns = torch.tensor([vocabulary.encode(text)[-1] for text in patterns])
        (self.article,) = vocabulary.encode("a")  # objects and background of a caption begin with it

    def batch(
        self,
        groups: Sequence[Sequence[Scene]],
        lot: random.Random,
        kept: int = PATCHES,
        draw: Callable[..., list[Question]] = questions_of,
    ) -> Batch:
        """A sequence per group of scenes, with `kept` random visual tokens of each picture."""
        pictures = len(groups[0])
        prefix = np.array(self.vocabulary.prefix(pictures, PATCHES))
        places = np.flatnonzero(prefix == IMAGE)
        prefix_rows, visual = [], []
        for _ in groups:
            chosen = np.concatenate(
                [n * PATCHES + np.sort(lot.sample(range(PATCHES), kept)) for n in range(pictures)]
            )
            visual.append(chosen)
            prefix_rows.append(np.union1d(np.flatnonzero(prefix != IMAGE), places[chosen]))
        rows = np.stack(prefix_rows)
        tokens = np.full((len(groups), self.rows), PAD)
        positions, segments = np.zeros_like(tokens), np.zeros_like(tokens)
        answers = Answers([], [], [])
        for number, scenes in enumerate(groups):
            views = (tokens[number], positions[number], segments[number])
            self.fill(views, draw(scenes, lot, self.rows // 10), len(prefix), answers, number)
        target_rows, following, numbers = torch.tensor(answers.targets).T
        shown_at = torch.tensor([[p in told for p in range(BEHIND + 1)] for told in answers.places])
        packed = Packed(*map(torch.from_numpy, (rows, tokens, positions, segments)))
        return Batch(
            torch.from_numpy(prefix[rows]), torch.from_numpy(np.stack(visual)), packed,
            target_rows, following, numbers, answers.tasks, shown_at,
            torch.isin(following, self.patterns),
        )  # fmt: skip

    def fill(
        self,
        views: tuple[np.ndarray, np.ndarray, np.ndarray],
        questions: Sequence[Question],
        first_position: int,
        answers: Answers,
        number: int,
    ) -> None:
        """Fills the sequence of this number with as many questions as fit."""
        tokens, positions, segments = views
        at = 0
        for segment, asked in enumerate(questions, start=1):
            answered, start = self.vocabulary.answered(asked)
            length = len(answered) - 1  # nothing follows the end of the answer
            if at + length > self.rows:
                continue
            span = slice(at, at + length)
            tokens[span] = answered[:-1]
            positions[span] = np.arange(first_position, first_position + length)
            segments[span] = segment
            base, index = number * self.rows + at, len(answers.tasks)
            answers.targets += [
                (base + row, answered[row + 1], index) for row in range(start - 1, length)
            ]
            answers.places += self.places_told(asked, answered[start:])
            answers.tasks.append(asked.task)
            at += length

    def places_told(self, asked: Question, answer: list[int]) -> list[set[int]]:
        """For each token of the answer, the places that it refers to; one at a time in captions."""
        if asked.task != "caption":
            return [set(asked.about)] * len(answer)
        told, number = [], -1
        for token in answer:
            number += token == self.article
            told.append({asked.about[number]} if 0 <= number < len(asked.about) else set())
        return told


def every_task(scenes: Sequence[Scene], lot: random.Random, limit: int) -> list[Question]:
    """One question of each task, for measurements."""
    if len(scenes) > 1:
        drawn = [ask_about_several(scenes, lot) for _ in range(limit)]
    else:
        drawn = [ask(task, scenes[0], lot) for task in ASKERS]
    return [question for question in drawn if question]
