# SPDX-License-Identifier: Apache-2.0
"""Added tokens and special token ids, collected from all files that may have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .checkpoint import Checkpoint
from .errors import ConversionError

if TYPE_CHECKING:
    from .vocabulary import Vocabulary


@dataclass(frozen=True)
class AddedToken:
    """A token added to the trained vocabulary; a special one is a control token."""

    id: int
    text: str
    special: bool


def looks_special(text: str) -> bool:
    """Whether a token listed without attributes is a marker such as <|im_end|> or </s>."""
    return (
        (text.startswith("<|") and text.endswith("|>")) or text in ("<s>", "</s>", "<unk>", "<pad>")
    )


def added_tokens(
    checkpoint: Checkpoint, definition: dict[str, Any] | None, settings: dict[str, Any]
) -> list[AddedToken]:
    """All added tokens by id; tokenizer_config.json wins over the other two files."""
    found: dict[int, AddedToken] = {}
    try:
        for text, number in (checkpoint.optional_json("added_tokens.json") or {}).items():
            found[int(number)] = AddedToken(int(number), text, looks_special(text))
        for entry in (definition or {}).get("added_tokens") or []:
            number = int(entry["id"])
            found[number] = AddedToken(number, entry["content"], bool(entry.get("special")))
        for key, entry in (settings.get("added_tokens_decoder") or {}).items():
            found[int(key)] = AddedToken(int(key), entry["content"], bool(entry.get("special")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConversionError(f"{checkpoint.folder}: malformed added tokens: {error}") from error
    return [found[number] for number in sorted(found)]


def add_special_tokens(words: Vocabulary, checkpoint: Checkpoint, settings: dict[str, Any]) -> None:
    """Finds the ids of the special tokens: by text in tokenizer_config.json, else as configured."""
    ids = {text: number for number, text in reversed(list(enumerate(words.tokens)))}
    configured = [
        checkpoint.optional_json("generation_config.json") or {},
        checkpoint.config.get("text_config") or {},
        checkpoint.config,
    ]
    for role, key in (
        ("bos_token", "bos_token_id"),
        ("eos_token", "eos_token_id"),
        ("unk_token", "unknown_token_id"),
        ("pad_token", "padding_token_id"),
    ):
        stored = settings.get(role)
        text = stored.get("content") if isinstance(stored, dict) else stored
        candidates = [ids[text]] if text in ids else []
        for values in configured:
            value = values.get(f"{role}_id")
            candidates += value if isinstance(value, list) else [value]
        valid = [n for n in candidates if isinstance(n, int) and 0 <= n < len(words.tokens)]
        if valid:
            words.special_ids[key] = valid[0]
        others = [number for number in valid if number != words.special_ids.get(key)]
        if key == "eos_token_id" and others:
            words.special_ids["eot_token_id"] = others[0]
