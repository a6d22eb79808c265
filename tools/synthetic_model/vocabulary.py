# SPDX-License-Identifier: Apache-2.0
"""A SentencePiece-like vocabulary of any size in which English text is tokenised sensibly."""

from __future__ import annotations

from dataclasses import dataclass

import gguf
import numpy as np
from gguf import TokenType

from .words import (
    COMMON_WORDS,
    ENDINGS,
    ONSETS,
    OTHER_CHARACTERS,
    PUNCTUATION,
    SPEAKERS,
    VOWELS,
)  # fmt: skip

SPACE = "\u2581"  # SentencePiece's visible space
SPECIAL = (("<unk>", TokenType.UNKNOWN), ("<s>", TokenType.CONTROL), ("</s>", TokenType.CONTROL))


@dataclass(frozen=True)
class SyntheticVocabulary:
    tokens: list[str]
    types: list[int]
    scores: list[float]

    def add_to(self, writer: gguf.GGUFWriter) -> None:
        """Writes the metadata that published Llama files carry."""
        writer.add_tokenizer_model("llama")
        writer.add_token_list(self.tokens)
        writer.add_token_scores(self.scores)
        writer.add_token_types(self.types)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(True)


def make_vocabulary(size: int, seed: int) -> SyntheticVocabulary:
    """Special tokens, 256 bytes, words with all their prefixes, single characters."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    characters = [
        SPACE,
        *letters,
        *map(str.upper, letters),
        *"0123456789",
        *PUNCTUATION,
        *OTHER_CHARACTERS,
    ]
    base = [text for text, _ in SPECIAL] + [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = word_pieces(size - len(base) - len(characters), seed)
    scores = [0.0] * len(base) + [-float(n) for n in range(len(pieces) + len(characters))]
    types = [kind for _, kind in SPECIAL] + [TokenType.BYTE] * 256
    types += [TokenType.NORMAL] * (size - len(base))
    return SyntheticVocabulary(base + pieces + characters, [int(kind) for kind in types], scores)


def word_pieces(count: int, seed: int) -> list[str]:
    """Pieces that begin with a space, shorter ones first.

    A SentencePiece reader joins neighbours pairwise, so each piece's own beginnings must be pieces
    too; with no others, a word is joined from its first letter on.
    """
    pieces: dict[str, None] = {}

    def add(word: str) -> None:
        text = SPACE + word
        for end in range(2, len(text) + 1):
            if len(pieces) < count:
                pieces[text[:end]] = None

    for word in [*SPEAKERS, *COMMON_WORDS.split()]:
        add(word)
        add(word.capitalize())
    generator = np.random.default_rng(seed)
    while len(pieces) < count:
        syllables = 1 + int(generator.integers(1, 4))
        word = [generator.choice(ONSETS) + generator.choice(VOWELS) for _ in range(syllables)]
        add("".join(word) + generator.choice(ENDINGS))
    return sorted(pieces, key=len)
