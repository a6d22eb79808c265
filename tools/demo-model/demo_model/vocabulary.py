# SPDX-License-Identifier: Apache-2.0
"""The SentencePiece vocabulary, trained on the questions and answers, and the prompt's tokens."""

from __future__ import annotations

import io
import random
import string
from functools import lru_cache

import sentencepiece

from .questions import ASKERS, Question, ask, ask_about_several
from .scenes import make_scene

PIECES = 640
IMAGE, PAD = PIECES, PIECES + 1  # added to the trained pieces, as LLaVA-1.5 adds them to Llama's
ROWS = 672  # of the embedding: a multiple of 32 that holds both
BEGIN, END = 1, 2

SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions. "
)
TRAINING_SCENES = 4000
TRAINING_SEED = 1 << 39  # scenes of the vocabulary's text: none that is drawn


def training_text() -> list[str]:
    """Sentences to train the vocabulary on, without signs, so that it does not learn their pairs."""
    lot = random.Random(TRAINING_SEED)
    lines = [SYSTEM + "USER: "] * 3000
    for number in range(TRAINING_SCENES):
        scenes = [make_scene(TRAINING_SEED + 2 * number + second) for second in (0, 1)]
        asked = [ask(task, scenes[0], lot) for task in ASKERS if task != "sign"]
        asked.append(ask_about_several(scenes, lot))
        lines += [f"{q.question} ASSISTANT: {q.answer}" for q in asked if q]
    characters = " ".join(string.ascii_letters + string.digits)
    return lines + ["What does the sign say? ASSISTANT:", characters] * 500


def train_vocabulary() -> bytes:
    """A tokenizer.model made as Llama's was: BPE, identity normalisation, byte fallback."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(training_text()),
        model_writer=model,
        vocab_size=PIECES,
        model_type="bpe",
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


class Vocabulary:
    """Tokenises text in chunks around the pictures, as LLaVA does."""

    def __init__(self, model: bytes) -> None:
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.encode = lru_cache(maxsize=100_000)(self.processor.encode)

    def decode(self, tokens: list[int]) -> str:
        return self.processor.decode(tokens)

    def prefix(self, pictures: int, patches: int, with_system: bool = True) -> list[int]:
        """Everything before the question: text, and one IMAGE for each patch of the pictures."""
        text = (SYSTEM if with_system else "") + "USER: "
        tokens = [BEGIN, *self.encode(text), *[IMAGE] * patches]
        for _ in range(pictures - 1):
            tokens += [*self.encode("\n"), *[IMAGE] * patches]
        return tokens

    def question(self, question: str) -> list[int]:
        return self.encode(f"\n{question} ASSISTANT:")

    def answered(self, asked: Question) -> tuple[list[int], int]:
        """The tokens of question, answer and end of sequence, and the start of the answer."""
        start = len(self.question(asked.question))
        return [*self.encode(f"\n{asked.question} ASSISTANT: {asked.answer}"), END], start
