# SPDX-License-Identifier: Apache-2.0
"""A byte-level BPE vocabulary of any size in which English text is tokenised into words."""

from __future__ import annotations

from dataclasses import dataclass

import gguf
from gguf import TokenType

from published_templates import ONEVISION, QWEN2_VL, QWEN3_VL, SMOLVLM

from .vocabulary import SPACE, word_pieces

BYTE_LEVEL_SPACE, LINE_END = "\u0120", "\u010a"  # how byte-level vocabularies write bytes 32 and 10


@dataclass(frozen=True)
class Markers:
    """The special tokens of a published vocabulary, before and after its words."""

    pre: str  # the pre-tokenizer
    first: tuple[str, ...]
    words: int  # the first token after the words
    after: tuple[str, ...]
    begin: str | None
    end: str
    template: str


CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN_VL = (
    *CHATML, "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>",
    "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
SMOLVLM_MARKERS = (
    "<global-img>",
    *(f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6)),
    "<fake_token_around_image>", "<image>",
    *(f"<|reserved_special_token_{number}|>" for number in range(88)),
    "<end_of_utterance>",
)  # fmt: skip


def after_words(after: tuple[str, ...], template: str) -> Markers:
    """A vocabulary of Qwen2's kind."""
    return Markers("qwen2", (), 151643, after, None, "<|im_end|>", template)


MARKERS = {
    "smolvlm": Markers(
        "smollm", CHATML, 49152, SMOLVLM_MARKERS, "<|im_start|>", "<end_of_utterance>", SMOLVLM
    ),
    "onevision": after_words((*CHATML, "<image>", "<video>"), ONEVISION),
    "qwen2vl": after_words(QWEN_VL, QWEN2_VL),
    "qwen3vl": after_words(QWEN_VL, QWEN3_VL),
}


@dataclass(frozen=True)
class ByteLevelVocabulary:
    tokens: list[str]
    types: list[int]
    merges: list[str]
    markers: Markers

    def add_to(self, writer: gguf.GGUFWriter) -> None:
        """Writes the metadata that published files carry."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.markers.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        writer.add_token_merges(self.merges)
        if self.markers.begin:
            writer.add_bos_token_id(self.tokens.index(self.markers.begin))
        writer.add_eos_token_id(self.tokens.index(self.markers.end))
        writer.add_add_bos_token(False)
        writer.add_chat_template(self.markers.template)


def make_byte_level(size: int, name: str, seed: int) -> ByteLevelVocabulary:
    """Special tokens, bytes, words with all their beginnings, two line ends, more special tokens."""
    markers = MARKERS[name]
    head = [*markers.first, *byte_characters(), LINE_END * 2]
    pieces = [
        piece.replace(SPACE, BYTE_LEVEL_SPACE) for piece in word_pieces(markers.words - len(head), seed)
    ]
    tokens = [*head, *pieces, *markers.after]
    unused = [f"[PAD{number}]" for number in range(len(tokens), size)]
    special = {*markers.first, *markers.after}
    types = [TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens]
    types += [TokenType.UNUSED] * len(unused)
    merges = [f"{piece[:-1]} {piece[-1]}" for piece in (LINE_END * 2, *pieces)]
    return ByteLevelVocabulary(tokens + unused, [int(kind) for kind in types], merges, markers)


def byte_characters() -> list[str]:
    """The character that stands for each byte: itself where it is visible, else one from 256 on."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return [chr(byte if byte in visible else 256 + hidden.index(byte)) for byte in range(256)]
