# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of a Hugging Face folder as GGUF metadata: SentencePiece BPE or byte-level BPE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gguf
from gguf import TokenType

from .checkpoint import Checkpoint
from .errors import ConversionError
from .sentencepiece_vocabulary import from_sentencepiece, from_tokenizer_json
from .special_tokens import AddedToken, add_special_tokens, added_tokens

CASED_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# tokenizer.ggml.pre of each known splitting pattern.
SPLIT_PATTERNS = {
    f"{CASED_CONTRACTIONS}|{WORDS}|\\p{{N}}{{1,3}}|{REST}": "llama-bpe",
    f"{CASED_CONTRACTIONS}|{WORDS}|\\p{{N}}|{REST}": "qwen2",
}
# Whether models with each pre-tokenizer begin with a beginning-of-sequence token by default.
ADDS_BEGIN = {"llama-bpe": True, "qwen2": False, "smollm": False, "gpt-2": False}


@dataclass
class Vocabulary:
    """The values of the tokenizer.* keys of a GGUF file."""

    model: str  # "llama" for SentencePiece, "gpt2" for byte-level BPE
    pre: str
    tokens: list[str]
    types: list[int]
    scores: list[float] | None = None
    merges: list[str] | None = None
    flags: dict[str, bool] = field(default_factory=dict)  # add_bos_token, add_space_prefix, …
    special_ids: dict[str, int] = field(default_factory=dict)  # bos_token_id, …
    chat_template: str | None = None

    def add_to(self, writer: gguf.GGUFWriter) -> None:
        """Writes the vocabulary's metadata."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        if self.scores is not None:
            writer.add_token_scores(self.scores)
        writer.add_token_types(self.types)
        if self.merges is not None:
            writer.add_token_merges(self.merges)
        for key, token in self.special_ids.items():
            writer.add_uint32(f"tokenizer.ggml.{key}", token)
        for key, value in self.flags.items():
            writer.add_bool(f"tokenizer.ggml.{key}", value)
        if self.chat_template:
            writer.add_chat_template(self.chat_template)


def read_vocabulary(checkpoint: Checkpoint, rows: int) -> Vocabulary:
    """The folder's tokenizer, padded to the number of embedding rows."""
    settings = checkpoint.optional_json("tokenizer_config.json") or {}
    definition = checkpoint.optional_json("tokenizer.json")
    model_path = checkpoint.folder / "tokenizer.model"
    if model_path.is_file():
        pieces, prefixed = from_sentencepiece(model_path)
        words = Vocabulary("llama", "default", *pieces)
    elif definition is None:
        raise ConversionError(
            f"{checkpoint.folder}: neither tokenizer.model nor tokenizer.json in it"
        )
    elif (definition.get("model") or {}).get("byte_fallback"):
        pieces, prefixed = from_tokenizer_json(definition)
        words = Vocabulary("llama", "default", *pieces)
    else:
        words = byte_level_vocabulary(definition)
    if words.model == "llama":
        words.flags["add_space_prefix"] = bool(settings.get("add_prefix_space", prefixed))
    place(words, added_tokens(checkpoint, definition, settings), rows)
    add_special_tokens(words, checkpoint, settings)
    words.flags["add_bos_token"] = adds_begin(words, definition, settings)
    words.flags["add_eos_token"] = bool(settings.get("add_eos_token", False))
    words.chat_template = chat_template(checkpoint, settings)
    return words


def byte_level_vocabulary(definition: dict[str, Any]) -> Vocabulary:
    """The vocabulary of a tokenizer.json with byte-level BPE."""
    model = definition.get("model") or {}
    if model.get("type", "BPE") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise ConversionError(f"tokenizer.json: model type {model.get('type')} is not supported")
    normalizer = definition.get("normalizer")
    if normalizer is not None and normalizer.get("type") != "NFC":
        raise ConversionError(
            f"tokenizer.json: normalizer {normalizer.get('type')} is not supported"
        )
    by_id = {number: text for text, number in model["vocab"].items()}
    tokens = [by_id.get(number, "") for number in range(max(by_id) + 1)]
    return Vocabulary(
        model="gpt2",
        pre=pre_tokenizer_name(definition.get("pre_tokenizer") or {}),
        tokens=tokens,
        types=[int(TokenType.NORMAL if text else TokenType.UNUSED) for text in tokens],
        merges=[m if isinstance(m, str) else " ".join(m) for m in model.get("merges", [])],
    )


def pre_tokenizer_name(definition: dict[str, Any]) -> str:
    """tokenizer.ggml.pre of a pre-tokenizer, recognised by its splitting pattern."""
    steps = definition.get("pretokenizers", [definition])
    kinds = [step.get("type") for step in steps]
    last = steps[-1]
    if kinds[-1] == "ByteLevel" and not last.get("add_prefix_space", False):
        if kinds == ["ByteLevel"] and last.get("use_regex", True):
            return "gpt-2"
        digits_alone = kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits")
        if digits_alone and last.get("use_regex", True):
            return "smollm"
        if kinds == ["Split", "ByteLevel"] and not last.get("use_regex", True):
            pattern = (steps[0].get("pattern") or {}).get("Regex")
            if pattern in SPLIT_PATTERNS and steps[0].get("behavior") == "Isolated":
                return SPLIT_PATTERNS[pattern]
    raise ConversionError(
        f"tokenizer.json: this pre-tokenizer ({', '.join(map(str, kinds))}) is not supported, "
        f"only those of {', '.join(ADDS_BEGIN)}"
    )


def place(words: Vocabulary, added: list[AddedToken], rows: int) -> None:
    """Puts added tokens at their ids and pads the other embedding rows with unused tokens."""
    highest = max([len(words.tokens) - 1, *(token.id for token in added)])
    if highest >= rows:
        raise ConversionError(
            f"the tokenizer has token {highest}, but the embedding has {rows} rows"
        )
    missing = range(len(words.tokens), rows)
    words.tokens += [f"[PAD{number}]" for number in missing]
    words.types += [int(TokenType.UNUSED)] * len(missing)
    if words.scores is not None:
        words.scores += [-1000.0] * len(missing)
    for token in added:
        same = words.tokens[token.id] == token.text
        if same and words.types[token.id] not in (TokenType.NORMAL, TokenType.UNUSED):
            continue  # the model file itself calls it control, unknown or a byte
        words.tokens[token.id] = token.text
        words.types[token.id] = int(TokenType.CONTROL if token.special else TokenType.USER_DEFINED)
    for number, text in enumerate(words.tokens):
        if text == "":
            words.tokens[number] = f"[PAD{number}]"


def adds_begin(
    words: Vocabulary, definition: dict[str, Any] | None, settings: dict[str, Any]
) -> bool:
    """Whether encoding adds the beginning-of-sequence token."""
    if isinstance(settings.get("add_bos_token"), bool):
        return settings["add_bos_token"]
    begin = words.special_ids.get("bos_token_id")
    if begin is None:
        return False
    processor = (definition or {}).get("post_processor") or {}
    for step in processor.get("processors", [processor]):
        if step.get("type") == "TemplateProcessing":
            first = (step.get("single") or [{}])[0]
            return first.get("SpecialToken", {}).get("id") == words.tokens[begin]
    return True if words.model == "llama" else ADDS_BEGIN[words.pre]


def chat_template(checkpoint: Checkpoint, settings: dict[str, Any]) -> str | None:
    """The chat template, from the file that has it in this folder."""
    stored = settings.get("chat_template")
    if stored is None:
        stored = checkpoint.optional_text("chat_template.jinja")
    for name in ("chat_template.json", "processor_config.json"):
        if stored is None:
            stored = (checkpoint.optional_json(name) or {}).get("chat_template")
    if isinstance(stored, list):
        named = {entry.get("name"): entry.get("template") for entry in stored}
        stored = named.get("default")
    return stored if isinstance(stored, str) else None
