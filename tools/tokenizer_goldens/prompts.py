# SPDX-License-Identifier: Apache-2.0
"""Conversations as strings, in the forms of LLaVA's training and of the models' publishers."""

from dataclasses import dataclass
from itertools import pairwise

from tokenizers import Tokenizer

VICUNA_SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)
LLAMA3_HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n"


@dataclass(frozen=True)
class Form:
    """A model family's format of conversations; `{}` marks where a text goes."""

    template: str
    system: str
    default_system: str
    turn: str
    end: str
    between: str = ""
    system_in_turn: bool = False

    def start(self, system: str | None) -> str:
        """The text before the first question, without the turn's own prefix."""
        text = self.default_system if system is None else system
        return self.system.format(text) if text else ""

    def first(self, system: str | None, question: str) -> str:
        start = self.start(system)
        if self.system_in_turn:
            return self.turn.format(start + question)
        return start + self.turn.format(question)

    def next(self, question: str) -> str:
        return self.end + self.between + self.turn.format(question)


def chatml(default_system: str, line_break: str) -> Form:
    return Form(
        "chatml",
        "<|im_start|>system\n{}<|im_end|>" + line_break,
        default_system,
        "<|im_start|>user\n{}<|im_end|>" + line_break + "<|im_start|>assistant\n",
        "<|im_end|>",
        line_break,
    )


FORMS = {
    "llama-spm": [
        Form("vicuna", "{} ", VICUNA_SYSTEM, "USER: {} ASSISTANT:", "</s>"),
        Form("mistral", "{}\n\n", "", "[INST] {} [/INST]", "</s>", system_in_turn=True),
    ],
    "phi-3": [
        Form(
            "phi-3",
            "<|system|>\n{}<|end|>\n",
            "",
            "<|user|>\n{}<|end|>\n<|assistant|>\n",
            "<|end|>",
            "\n",
        ),
    ],
    "gemma": [
        Form(
            "gemma",
            "{}\n\n",
            "",
            "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
            "<end_of_turn>",
            "\n",
            system_in_turn=True,
        ),
    ],
    "yi": [chatml("Answer the questions.", "")],
    "llama-bpe": [
        Form(
            "llama-3",
            LLAMA3_HEADER.format("system") + "{}<|eot_id|>",
            "",
            LLAMA3_HEADER.format("user") + "{}<|eot_id|>" + LLAMA3_HEADER.format("assistant"),
            "<|eot_id|>",
        ),
    ],
    "qwen2": [chatml("You are a helpful assistant.", "\n")],
}


@dataclass(frozen=True)
class Turn:
    """A question as the user writes it, the number of its pictures, and the answer."""

    question: str
    pictures: int = 0
    answer: str = "A red bicycle."

    @property
    def placed(self) -> str:
        """The question with a marker for each picture."""
        if "<image>" in self.question:
            return self.question
        return "<image>\n" * self.pictures + self.question


# The system prompt, or None for the form's own, and the turns.
CONVERSATIONS: list[tuple[str | None, list[Turn]]] = [
    (None, [Turn("What is in this picture?", 1)]),
    (None, [Turn("Hello"), Turn("What is in this picture?", 1)]),
    (
        "You see pictures.",
        [
            Turn("Compare them.", 2, "The first is larger."),
            Turn(" And  now? ", 0, ""),
            Turn("\nA third:\n<image>", 1),
        ],
    ),
    ("", [Turn("a<image>b <image> c", 2)]),
    ("  Be\nbrief. ", [Turn("", 1), Turn("")]),
    (None, [Turn("ASSISTANT: USER: [INST] x [/INST]")]),
    (None, [Turn("  It's the children's 12345 ' s!?\n\n"), Turn("\n\n")]),
]


def expected_prompts(form: Form, tokenizer: Tokenizer, begin: list[int]) -> list[dict]:
    """Each conversation with the pieces that each turn adds."""
    prompts = []
    for system, turns in CONVERSATIONS:
        text = form.first(system, turns[0].placed)
        expected = [pieces(text, tokenizer, begin)]
        for previous, turn in pairwise(turns):
            before = text.split("<image>")[-1] + " " + previous.answer
            text = form.next(turn.placed)
            added = pieces(before + text, tokenizer, [])
            read = ids(before, tokenizer)
            assert added[0][: len(read)] == read, "the answer's end is no border between tokens"
            expected.append([added[0][len(read) :], *added[1:]])
        prompts.append(
            {
                "template": form.template,
                "system": system,
                "questions": [turn.question for turn in turns],
                "pictures": [turn.pictures for turn in turns],
                "pieces": expected,
            }
        )
    return prompts


def pieces(text: str, tokenizer: Tokenizer, begin: list[int]) -> list:
    """The tokens of the text around pictures, each encoded on its own; pictures are numbers."""
    result: list = []
    for index, chunk in enumerate(text.split("<image>")):
        if index > 0:
            result.append(index - 1)
        tokens = (begin if index == 0 else []) + ids(chunk, tokenizer)
        if tokens:
            result.append(tokens)
    return result


def ids(text: str, tokenizer: Tokenizer) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids
