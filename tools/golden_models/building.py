# SPDX-License-Identifier: Apache-2.0
"""Builds the random models with transformers and saves them as Hugging Face folders."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from transformers import GenerationConfig, PreTrainedModel

from .golden_model import GoldenModel
from .specification import ModelSpecification
from .vocabularies import SENTENCEPIECE_SIZE, Encoder, write_byte_level, write_sentencepiece

# Matrices whose random values are larger than 1/sqrt(fan-in). Attention must be selective, and
# logits must differ, or a wrong intermediate value would go unnoticed.
GAINS = {"q_proj": 1.6, "k_proj": 1.6, "qkv_proj": 1.4, "qkv": 1.4, "lm_head": 2.5}
POSITION_TABLES = ("position_embedding", "pos_embed")
QUIETENING = 0.05  # of the logits of special tokens, so that greedy answers are text
END_TOKENS = ("<|eot_id|>", "<end_of_utterance>", "<|im_end|>")  # the first that a model has ends a turn
SCATTER = 0.2  # deviation of biases from 0 and of norm weights from 1


def build(specification: ModelSpecification, folder: Path, seed: int) -> GoldenModel:
    """A random model, saved in folder with its tokenizer and image processor."""
    encode, special, image_token, begin = write_vocabulary(specification, folder)
    model, pictures = specification.family.assemble(specification, image_token)
    model.eval()
    randomise(model, seed, specification.embedding_deviation)
    if specification.text.get("tie_word_embeddings"):
        # Otherwise a token's likeliest successor is itself: its embedding dominates the sum.
        model.model.get_decoder().norm.weight.data[::2] *= -1
    model.get_output_embeddings().weight.data[sorted(special)] *= QUIETENING
    model.generation_config = GenerationConfig()
    model.save_pretrained(folder, max_shard_size=specification.shard_size)
    pictures.save_pretrained(folder)
    return GoldenModel(specification, model, pictures, encode, image_token, begin, special)


def write_vocabulary(
    specification: ModelSpecification, folder: Path
) -> tuple[Encoder, set[int], int, int | None]:
    """Writes the tokenizer; returns its encoder, special tokens, picture token and first token."""
    kind, texts = specification.vocabulary, specification.special_tokens
    if kind.startswith("sentencepiece"):
        encode = write_sentencepiece(folder, texts, as_json=kind.endswith("json"))
        special = {0, 1, 2, *range(SENTENCEPIECE_SIZE, specification.rows)}
        return encode, special, SENTENCEPIECE_SIZE + texts.index("<image>"), 1
    begin = "<|begin_of_text|>" if "<|begin_of_text|>" in texts else None
    end = next(text for text in END_TOKENS if text in texts)
    encode = write_byte_level(folder, kind, texts, begin, end, specification.chat_template)
    special = set(range(encode(texts[0])[0], specification.rows))
    return encode, special, encode(specification.picture_token)[0], encode(begin)[0] if begin else None


@torch.no_grad()
def randomise(model: PreTrainedModel, seed: int, embedding_deviation: float) -> None:
    """Draws every parameter, so none is zero, one or negligible."""
    generator = torch.Generator().manual_seed(seed)
    for name, values in sorted(model.named_parameters()):
        part = name.split(".")[-2]
        norm = "norm" in part or part == "ln_q"
        noise = torch.randn(values.shape, generator=generator)
        if name.endswith("class_embedding") or part in POSITION_TABLES:
            values.copy_(0.5 * noise)
        elif part == "embed_tokens" or name.endswith("image_newline"):
            values.copy_(embedding_deviation * noise)
        elif values.ndim > 1:
            fan_in = math.prod(values.shape[1:])
            values.copy_(GAINS.get(part, 1.0) / math.sqrt(fan_in) * noise)
        else:
            values.copy_(float(norm and name.endswith("weight")) + SCATTER * noise)
