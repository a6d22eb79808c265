# SPDX-License-Identifier: Apache-2.0
"""Conversations as strings, in the forms of LLaVA's training and of the models' publishers."""

from dataclasses import dataclass
from itertools import pairwise

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from .published import IDEFICS3, LLAVA_ONEVISION, QWEN2_VL, SMOLVLM

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

    def first(self, system: str | None, turn: "Turn") -> str:
        start = self.start(system)
        if self.system_in_turn:
            return self.turn.format(start + turn.placed)
        return start + self.turn.format(turn.placed)

    def next(self, turn: "Turn") -> str:
        return self.end + self.between + self.turn.format(turn.placed)


@dataclass(frozen=True)
class Published:
    """A published chat template, written down as `apply_chat_template` of transformers does.

    `beside` is what it puts between a picture and a text.
    """

    template: str
    jinja: str
    beside: str
    picture: str = "<image>"
    default_system: bool = False
    # Whether all pictures come before all texts, wherever they are in a question.
    pictures_first: bool = False
    # Whether answers that were given are written as the model generates them.
    answers_as_generated: bool = True

    def messages(self, system: str | None, turns: list["Turn"]) -> list[dict]:
        messages = [message("system", text_part(system))] if system else []
        for turn in turns:
            messages.append(message("user", *turn.parts))
            messages.append(message("assistant", text_part(turn.answer)))
        return messages[:-1]

    def render(self, system: str | None, turns: list["Turn"]) -> str:
        """A conversation up to the start of its last answer, with `<image>` for each picture."""
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        text = environment.from_string(self.jinja).render(
            messages=self.messages(system, turns), add_generation_prompt=True
        )
        return text.replace(self.picture, "<image>")

    def first(self, system: str | None, turn: "Turn") -> str:
        return self.render(system, [turn])

    def next(self, turn: "Turn") -> str:
        return self.render(None, [Turn("Hello", answer="ANSWER"), turn]).split("ANSWER")[1]

    def allows(self, system: str | None, turns: list["Turn"]) -> bool:
        """Whether the template can write such a conversation."""
        if self.default_system and system == "":
            return False
        return not self.pictures_first or all("<image>" not in turn.question for turn in turns)


def message(role: str, *content: dict) -> dict:
    return {"role": role, "content": list(content)}


def text_part(text: str) -> dict:
    return {"type": "text", "text": text}


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
    "qwen2": [
        chatml("You are a helpful assistant.", "\n"),
        Published(
            "llava-onevision",
            LLAVA_ONEVISION,
            beside="\n",
            pictures_first=True,
            answers_as_generated=False,
        ),
        Published(
            "chatml",
            QWEN2_VL,
            beside="",
            picture="<|vision_start|><|image_pad|><|vision_end|>",
            default_system=True,
        ),
    ],
    "smollm": [
        Published("smolvlm", SMOLVLM, beside=""),
        Published("idefics3", IDEFICS3, beside=""),
    ],
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

    @property
    def parts(self) -> list[dict]:
        """The question as transformers take it."""
        if "<image>" not in self.question:
            return [{"type": "image"}] * self.pictures + [text_part(self.question)]
        parts: list[dict] = []
        for index, text in enumerate(self.question.split("<image>")):
            parts += [{"type": "image"}] if index > 0 else []
            parts += [text_part(text)] if text else []
        return parts


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

# More for published templates, which write whole conversations.
WHOLE_CONVERSATIONS: list[tuple[str | None, list[Turn]]] = [
    (
        None,
        [
            Turn("Compare them.", 2, "The first is larger."),
            Turn(" And  now? ", 0, "12 birds,\nno more"),
            Turn("Is it <image> or\n<image>?", 2, "Neither."),
            Turn("<image>Why?", 1),
        ],
    ),
    ("You see pictures.", [Turn("What?", 1, "(A dog)"), Turn("Where?")]),
]


def expected_prompts(
    form: Form | Published, tokenizer: Tokenizer, begin: list[int]
) -> list[dict]:
    """Each conversation with the pieces that each turn adds, and where it is published the whole."""
    prompts = []
    conversations = list(CONVERSATIONS)
    if isinstance(form, Published):
        conversations = [talk for talk in conversations + WHOLE_CONVERSATIONS if form.allows(*talk)]
    for system, turns in conversations:
        text = form.first(system, turns[0])
        expected = [pieces(text, tokenizer, begin)]
        for previous, turn in pairwise(turns):
            before = text.split("<image>")[-1] + " " + previous.answer
            text = form.next(turn)
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
        if isinstance(form, Published):
            prompts[-1]["beside"] = form.beside
        if isinstance(form, Published) and form.answers_as_generated and in_order(turns):
            prompts[-1]["answers"] = [turn.answer for turn in turns[:-1]]
            prompts[-1]["whole"] = pieces(form.render(system, turns), tokenizer, begin)
    return prompts


def in_order(turns: list[Turn]) -> bool:
    """Whether no question has a single text before its pictures, which are then put first."""
    return not any(turn.question.endswith("<image>") for turn in turns)


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
