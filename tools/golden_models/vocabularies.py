# SPDX-License-Identifier: Apache-2.0
"""Small vocabularies of the real kinds: SentencePiece with byte fallback, and byte-level BPE."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import LlamaTokenizerFast

from hf_conversion.vocabulary import SPLIT_PATTERNS

TRAINING_TEXT = """\
The picture shows a small red house beside a lake. Two dogs are running along the shore.
A woman in a yellow coat is holding an umbrella. What is she looking at?
There are three boats on the water and a bridge in the distance.
USER: Describe this photograph in detail. ASSISTANT: It is a quiet street with parked cars.
How many people can you see in the image? I can see seven people near the station.
Below the window stands a table with a cup of coffee, a newspaper and a pair of glasses.
It's raining, they're waiting, and we'll see what happens next; don't you think so?
In 2019 the tower was 324 metres high and 1889 is the year in which it was built.
[INST] Which colour is the bicycle? [/INST] The bicycle is green and leans against the wall.
"""
Encoder = Callable[[str], list[int]]  # one chunk of text, tokenised on its own

SENTENCEPIECE_SIZE = 340
BYTE_LEVEL_MERGES = 48


def sentencepiece_model() -> bytes:
    """A tokenizer.model trained the way Llama's was: BPE, identity normalisation, byte fallback."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING_TEXT.splitlines()),
        model_writer=model,
        vocab_size=SENTENCEPIECE_SIZE,
        model_type="bpe",
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=0.99,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def write_sentencepiece(folder: Path, added: tuple[str, ...], as_json: bool) -> Encoder:
    """Writes the SentencePiece vocabulary, as tokenizer.model or as a tokenizer.json."""
    model = sentencepiece_model()
    (folder / "tokenizer.model").write_bytes(model)
    settings: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    if as_json:
        fast = LlamaTokenizerFast(
            str(folder / "tokenizer.model"), add_prefix_space=True, legacy=True, **settings
        )
        fast.add_tokens([AddedToken(text, special=True, normalized=False) for text in added])
        fast.backend_tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer.model").unlink()
    else:
        settings["added_tokens_decoder"] = {
            str(SENTENCEPIECE_SIZE + number): {"content": text, "special": True}
            for number, text in enumerate(added)
        }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return lambda text: processor.encode(text)


def write_byte_level(
    folder: Path,
    pre: str,
    special: tuple[str, ...],
    begin: str | None,
    end: str,
    chat_template: str | None = None,
) -> Encoder:
    """Writes a byte-level BPE tokenizer.json that splits words as the named pre-tokenizer does."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splitter(pre))
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + BYTE_LEVEL_MERGES,
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    # SmolLM's vocabulary has a token of two line ends, which stand in its prompts.
    ends = ["\n\n"] * 50 if pre == "smollm" else []
    tokenizer.train_from_iterator(TRAINING_TEXT.splitlines() + ends, trainer)
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in special]
    )
    if begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, tokenizer.token_to_id(begin))]
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": end, "bos_token": begin} if begin else {"eos_token": end}
    if pre == "smollm":  # which never begins with its beginning-of-sequence token by itself
        settings |= {"bos_token": "<|im_start|>", "pad_token": "<|im_end|>"}
    if chat_template:
        settings["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def splitter(pre: str) -> list[pre_tokenizers.PreTokenizer]:
    """The steps that split words as the named pre-tokenizer does."""
    if pre == "smollm":
        return [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    pattern = next(text for text, name in SPLIT_PATTERNS.items() if name == pre)
    return [
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
