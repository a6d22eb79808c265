# SPDX-License-Identifier: Apache-2.0
"""SentencePiece BPE vocabularies, from tokenizer.model or from the same kind in tokenizer.json."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from gguf import TokenType
from google.protobuf.message import DecodeError
from sentencepiece import sentencepiece_model_pb2

from .errors import ConversionError

Pieces = tuple[list[str], list[int], list[float]]  # texts, token types, scores
BYTE_PIECE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
BPE_MODEL_TYPE = 2  # TrainerSpec.ModelType.BPE; GGUF readers merge by score, as BPE does


def from_sentencepiece(path: Path) -> tuple[Pieces, bool]:
    """The pieces of tokenizer.model, and whether a space is added before text."""
    model = sentencepiece_model_pb2.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ConversionError(f"{path}: not a SentencePiece model: {error}") from error
    if not model.pieces or model.trainer_spec.model_type != BPE_MODEL_TYPE:
        raise ConversionError(f"{path}: not a SentencePiece model of type BPE")
    if model.normalizer_spec.precompiled_charsmap:
        print(
            f"warning: {path}: GGUF cannot express normalisation {model.normalizer_spec.name}",
            file=sys.stderr,
        )
    pieces = model.pieces
    return (
        [piece.piece for piece in pieces],
        [int(piece.type) for piece in pieces],  # both formats number the types alike
        [float(piece.score) for piece in pieces],
    ), model.normalizer_spec.add_dummy_prefix


def from_tokenizer_json(definition: dict[str, Any]) -> tuple[Pieces, bool]:
    """The same from a tokenizer.json. A token's score is the negative rank of its first merge."""
    model = definition["model"]
    if model.get("type", "BPE") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise ConversionError(f"tokenizer.json: model type {model.get('type')} is not supported")
    merges = [m.split(" ", 1) if isinstance(m, str) else m for m in model.get("merges", [])]
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    by_id = {number: text for text, number in model["vocab"].items()}
    texts = [by_id.get(number, "") for number in range(max(by_id) + 1)]
    types = [piece_type(text, model.get("unk_token")) for text in texts]
    return (
        texts,
        types,
        [0.0 if kind != TokenType.NORMAL else -float(ranks.get(text, len(merges)))
         for text, kind in zip(texts, types, strict=True)],
    ), prefixes_space(definition)  # fmt: skip


def piece_type(text: str, unknown: str | None) -> int:
    if text == "":
        return int(TokenType.UNUSED)
    if text == unknown:
        return int(TokenType.UNKNOWN)
    return int(TokenType.BYTE if BYTE_PIECE.fullmatch(text) else TokenType.NORMAL)


def prefixes_space(definition: dict[str, Any]) -> bool:
    """Whether a tokenizer.json adds a space before text, by a normalizer or a Metaspace step."""
    normalizer = definition.get("normalizer") or {}
    for step in normalizer.get("normalizers", [normalizer]):
        if step.get("type") == "Prepend":
            return True
    splitter = definition.get("pre_tokenizer") or {}
    for step in splitter.get("pretokenizers", [splitter]):
        if step.get("type") == "Metaspace":
            return step.get("prepend_scheme", "always") != "never" and step.get(
                "add_prefix_space", True
            )
    return False
