# SPDX-License-Identifier: Apache-2.0
"""Trains small vocabularies, as `tokenizers` and `sentencepiece` use them."""

import io
import json

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from .splitters import COMPOSING, splitter

# No merges lead to these words, so only a tokenizer that keeps whole words finds them.
WHOLE_WORDS = ["Ġpicturesque", "bicyclette", "!?!?!?"]
# Phi-3's special tokens, except for these, swallow the white space after them.
KEEPING_SPACE = ["<unk>", "<s>", "<|endoftext|>"]


def train_sentencepiece(
    lines: list[str], size: int, user_defined: list[str] | None = None
) -> SentencePieceProcessor:
    """A byte-pair vocabulary with LLaMA's options, or with Gemma's if there are user-defined pieces."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=user_defined is None,
        user_defined_symbols=user_defined or [],
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        character_coverage=0.995,
        num_threads=1,
        minloglevel=2,
    )
    return SentencePieceProcessor(model_proto=model.getvalue())


def sentencepiece_as_tokenizers(
    processor: SentencePieceProcessor,
    special: list[str],
    strips_after: bool = False,
    user_defined: list[str] | None = None,
) -> Tokenizer:
    """The same vocabulary in `tokenizers`, with special tokens, as in transformers."""
    tokens = {processor.id_to_piece(token): token for token in range(processor.get_piece_size())}
    text = {
        piece
        for piece, token in tokens.items()
        if not (processor.is_byte(token) or processor.is_control(token))
    }
    merges = []
    for piece in sorted(text, key=lambda piece: tokens[piece]):
        halves = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        found = [(left, right) for left, right in halves if left in text and right in text]
        merges += sorted(found, key=lambda pair: (tokens[pair[0]], tokens[pair[1]]))
    tokenizer = Tokenizer(
        models.BPE(tokens, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    prefix = [normalizers.Prepend("▁")] if user_defined is None else []
    tokenizer.normalizer = normalizers.Sequence([*prefix, normalizers.Replace(" ", "▁")])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in user_defined or []])
    tokenizer.add_special_tokens(
        [
            AddedToken(
                text,
                special=True,
                normalized=False,
                rstrip=strips_after and text not in KEEPING_SPACE,
            )
            for text in special
        ]
    )
    return tokenizer


def train_byte_pairs(name: str, lines: list[str], size: int) -> tuple[dict[str, int], list]:
    """A byte-level vocabulary for the words of a model family: its tokens and its merges."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = splitter(name)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    trained.train_from_iterator(lines, trainer)
    model = json.loads(trained.to_str())["model"]
    tokens = model["vocab"]
    if name == "llama-bpe":
        tokens |= {word: len(tokens) + index for index, word in enumerate(WHOLE_WORDS)}
    return tokens, [tuple(merge) for merge in model["merges"]]


def byte_pair_tokenizer(
    name: str, tokens: dict[str, int], merges: list, special: list[str]
) -> Tokenizer:
    """The tokenizer of a model family with this vocabulary."""
    tokenizer = Tokenizer(models.BPE(tokens, merges, ignore_merges=name == "llama-bpe"))
    if name in COMPOSING:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = splitter(name)
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in special]
    )
    return tokenizer


def matching_ranges(expression: str) -> list[list[int]]:
    """The characters that a one-character expression matches, as first and last of each range."""
    splitter = pre_tokenizers.Split(Regex(expression), "isolated")
    # A neighbour that it does not match.
    beside = "+" if len(splitter.pre_tokenize_str("++")) == 1 else "a"
    ranges: list[list[int]] = []
    for value in range(0x110000):
        if 0xD800 <= value < 0xE000:
            continue
        if len(splitter.pre_tokenize_str(f"{beside}{chr(value)}{beside}")) != 3:
            continue
        if ranges and ranges[-1][1] == value - 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ranges
