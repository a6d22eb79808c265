# SPDX-License-Identifier: Apache-2.0
"""Trains small vocabularies, as `tokenizers` and `sentencepiece` use them."""

import io
import json

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

CONTRACTIONS = r"'s|'t|'re|'ve|'m|'ll|'d"
MODERN_WORD = (
    rf"(?i:{CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|NUMBER"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
WORDS = {
    "llama-bpe": MODERN_WORD.replace("NUMBER", r"\p{N}{1,3}"),
    "qwen2": MODERN_WORD.replace("NUMBER", r"\p{N}"),
    "gpt-2": rf"{CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+",
}
# No merges lead to these words, so only a tokenizer that keeps whole words finds them.
WHOLE_WORDS = ["Ġpicturesque", "bicyclette", "!?!?!?"]
# Phi-3's special tokens, except for these, swallow the white space after them.
KEEPING_SPACE = ["<unk>", "<s>", "<|endoftext|>"]


def train_sentencepiece(lines: list[str], size: int) -> SentencePieceProcessor:
    """A byte-pair vocabulary with LLaMA's options."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        character_coverage=0.995,
        num_threads=1,
        minloglevel=2,
    )
    return SentencePieceProcessor(model_proto=model.getvalue())


def sentencepiece_as_tokenizers(
    processor: SentencePieceProcessor, special: list[str], strips_after: bool = False
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
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
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
    trained.pre_tokenizer = word_splitter(name)
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
    tokenizer.pre_tokenizer = word_splitter(name)
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in special]
    )
    return tokenizer


def word_splitter(name: str) -> pre_tokenizers.PreTokenizer:
    """The pre-tokenizer of a model family."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS[name]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def matching_ranges(expression: str) -> list[list[int]]:
    """The characters that a one-character expression matches, as first and last of each range."""
    splitter = pre_tokenizers.Split(Regex(expression), "isolated")
    ranges: list[list[int]] = []
    for value in range(0x110000):
        if 0xD800 <= value < 0xE000 or len(splitter.pre_tokenize_str(f"+{chr(value)}+")) != 3:
            continue
        if ranges and ranges[-1][1] == value - 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ranges
