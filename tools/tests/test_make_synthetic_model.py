# SPDX-License-Identifier: Apache-2.0
"""Synthetic models: sizes of the real ones, bounded numbers, sensible tokens."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from gguf_mixtures import MIXTURES, Place
from gguf_output import write_files
from synthetic_model.blocks import (
    LAYOUTS,
    STRETCH_BLOCKS,
    RandomWeights,
    packed_three_bit_scales,
)
from synthetic_model.byte_level import byte_characters, make_byte_level
from synthetic_model.shapes import SHAPES, SmolVLMShape
from synthetic_model.text_model import text_file
from synthetic_model.vision_model import mmproj_file
from synthetic_model.vocabulary import SPACE, make_vocabulary

LARGEST_GROWTH = 100  # of the residual stream's norm over all layers


def read(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a GGUF file, decoded."""
    return {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        for tensor in gguf.GGUFReader(path).tensors
    }


def rms_norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-5) * weight


def layer_norm(x: np.ndarray, tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
    return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int, causal: bool) -> np.ndarray:
    """Attention without position embedding, which preserves norms; arrays are [rows, width]."""
    q, k, v = (x.reshape(len(x), heads, -1).swapaxes(0, 1) for x in (q, k, v))
    scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tri(q.shape[1]), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights @ v).swapaxes(0, 1).reshape(q.shape[1], -1)


# gguf-py does not decode Q1_0.
@pytest.mark.parametrize("type_name", [name for name in MIXTURES if name not in ("F32", "Q1_0")])
def test_decoder_stays_bounded(tmp_path: Path, type_name: str) -> None:
    shape = SHAPES["tiny"].text
    (path,) = write_files([text_file("tiny", shape, type_name, seed=1)], tmp_path)
    tensors = read(path)
    x = tensors["token_embd.weight"][np.random.default_rng(2).integers(3, shape.vocabulary, 40)]
    start = np.linalg.norm(x)
    for layer in range(shape.layers):
        part = {
            name.split(".")[2]: tensor
            for name, tensor in tensors.items()
            if name.startswith(f"blk.{layer}.")
        }
        h = rms_norm(x, part["attn_norm"])
        q, k, v = (h @ part[f"attn_{name}"].T for name in "qkv")
        x = x + attend(q, k, v, shape.heads, causal=True) @ part["attn_output"].T
        h = rms_norm(x, part["ffn_norm"])
        gate = h @ part["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ part["ffn_up"].T)) @ part["ffn_down"].T
        assert np.linalg.norm(x) < LARGEST_GROWTH * start
    logits = rms_norm(x, tensors["output_norm.weight"]) @ tensors["output.weight"].T
    assert np.isfinite(logits).all()
    assert 1 < logits.std() < 10


@pytest.mark.parametrize("type_name", ["F16", "BF16", "Q8_0"])
def test_vision_tower_stays_bounded(tmp_path: Path, type_name: str) -> None:
    shape = SHAPES["tiny"]
    vision = shape.vision
    (path,) = write_files([mmproj_file("tiny", shape, type_name, seed=1)], tmp_path)
    tensors = read(path)

    def linear(h: np.ndarray, name: str) -> np.ndarray:
        return h @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    pixels = np.random.default_rng(2).normal(0, 1, (vision.patches, 3 * vision.patch_side**2))
    kernel = tensors["v.patch_embd.weight"].reshape(vision.width, -1)
    x = np.vstack([tensors["v.class_embd"], pixels @ kernel.T])
    x = layer_norm(x + tensors["v.position_embd.weight"], tensors, "v.pre_ln")
    start = np.linalg.norm(x)
    for block in range(vision.stored_blocks):
        name = f"v.blk.{block}"
        h = layer_norm(x, tensors, f"{name}.ln1")
        q, k, v = (linear(h, f"{name}.attn_{part}") for part in "qkv")
        x = x + linear(attend(q, k, v, vision.heads, causal=False), f"{name}.attn_out")
        h = linear(layer_norm(x, tensors, f"{name}.ln2"), f"{name}.ffn_down")
        x = x + linear(h / (1 + np.exp(-1.702 * h)), f"{name}.ffn_up")
        assert np.linalg.norm(x) < LARGEST_GROWTH * start
    h = linear(x[1:], "mm.0")
    projected = linear(0.5 * h * (1 + np.tanh(0.79788 * (h + 0.044715 * h**3))), "mm.2")
    assert 0.2 < projected.std() < 5  # about as large as the embedding of a word


@pytest.mark.parametrize("type_name", ["F16", "BF16", "Q8_0"])
def test_siglip_tower_stays_bounded(tmp_path: Path, type_name: str) -> None:
    vision = SmolVLMShape(64, 200, 4, 4, image_side=64, patch_side=8, scale=2, longest_edge=256)
    shape = replace(SHAPES["tiny"], vision=vision)
    (path,) = write_files([mmproj_file("tiny", shape, type_name, seed=1)], tmp_path)
    tensors = read(path)

    def linear(h: np.ndarray, name: str) -> np.ndarray:
        return h @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    pixels = np.random.default_rng(2).normal(0, 1, (vision.patches, 3 * vision.patch_side**2))
    x = pixels @ tensors["v.patch_embd.weight"].reshape(vision.width, -1).T + tensors["v.patch_embd.bias"]
    x = x + tensors["v.position_embd.weight"]
    start = np.linalg.norm(x)
    for block in range(vision.blocks):
        name = f"v.blk.{block}"
        h = layer_norm(x, tensors, f"{name}.ln1")
        q, k, v = (linear(h, f"{name}.attn_{part}") for part in "qkv")
        x = x + linear(attend(q, k, v, vision.heads, causal=False), f"{name}.attn_out")
        h = linear(layer_norm(x, tensors, f"{name}.ln2"), f"{name}.ffn_up")
        x = x + linear(0.5 * h * (1 + np.tanh(0.79788 * (h + 0.044715 * h**3))), f"{name}.ffn_down")
        assert np.linalg.norm(x) < LARGEST_GROWTH * start
    cells = layer_norm(x, tensors, "v.post_ln").reshape(-1, vision.scale**2 * vision.width)
    projected = cells @ tensors["mm.model.fc.weight"].T
    assert 0.2 < projected.std() < 5  # about as large as the embedding of a word


@pytest.mark.parametrize("kind", [Type.F16, Type.BF16, *(kind for kind in LAYOUTS if kind != Type.Q1_0)])
def test_weights_have_the_asked_deviation_and_distinct_rows(kind: Type) -> None:
    shape = (1000, 512)
    weights = RandomWeights(seed=3)
    stored = weights.stored_bytes("matrix", shape, kind, deviation=1 / 64)
    values = gguf.quants.dequantize(stored.reshape(len(stored), -1).reshape(1000, -1), kind)
    assert values.shape == shape
    # Scales of NVFP4 have few bits where they are small.
    assert values.std() == pytest.approx(1 / 64, rel=0.1 if kind == Type.NVFP4 else 0.02)
    assert abs(values.mean()) < 0.02 / 64
    assert len(np.unique(values, axis=0)) == 1000
    assert np.array_equal(stored, weights.stored_bytes("matrix", shape, kind, 1 / 64))
    assert not np.array_equal(stored, weights.stored_bytes("other", shape, kind, 1 / 64))


@pytest.mark.parametrize(
    ("name", "parameters"),
    # As counted by the publishers of Llama-2-7B, Llama-2-13B and Mistral-7B.
    [
        ("llava-1.5-7b", 6_738_415_616),
        ("llava-1.5-13b", 13_015_864_320),
        ("llava-next-mistral-7b", 7_241_732_096),
    ],
)
def test_shapes_have_the_real_parameter_counts(name: str, parameters: int) -> None:
    file = text_file(name, SHAPES[name].text, "Q4_0", seed=0)
    assert sum(math.prod(tensor.shape) for tensor in file.tensors) == parameters
    assert len(file.tensors) == 3 + 9 * SHAPES[name].text.layers


def test_four_layers_differ_from_the_whole_model_in_their_number_only() -> None:
    whole, short = SHAPES["llava-1.5-7b"], SHAPES["llava-1.5-7b-4-layers"]
    assert replace(short.text, layers=whole.text.layers) == whole.text
    assert (short.text.layers, short.vision) == (4, whole.vision)


def test_q4_0_keeps_the_output_matrix_finer() -> None:
    file = text_file("7b", SHAPES["llava-1.5-7b"].text, "Q4_0", seed=0)
    layers, table, norms = 32 * (4 * 4096**2 + 3 * 4096 * 11008), 32000 * 4096, 65 * 4096
    expected = (layers + table) * 18 // 32 + table * 210 // 256 + norms * 4
    assert sum(tensor.byte_count for tensor in file.tensors) == expected


def test_q3_k_m_has_the_published_size() -> None:
    # llama-2-7b.Q3_K_M.gguf of TheBloke/Llama-2-7B-GGUF has 3.30 GB.
    file = text_file("7b", SHAPES["llava-1.5-7b"].text, "Q3_K_M", seed=0)
    assert sum(tensor.byte_count for tensor in file.tensors) == pytest.approx(3.30e9, abs=5e6)


def test_three_bit_scales_are_those_drawn() -> None:
    drawn = np.random.default_rng(7).integers(40, 64, (STRETCH_BLOCKS, 16), dtype=np.uint8)
    blocks = np.zeros(16, dtype=LAYOUTS[Type.Q3_K])  # every weight is −4
    blocks["scales"] = packed_three_bit_scales(np.random.default_rng(7))[:16]
    blocks["d"] = 1.0
    values = gguf.quants.dequantize(blocks.view(np.uint8).reshape(16, -1), Type.Q3_K)
    assert np.array_equal(values[:, ::16], -4.0 * (drawn[:16].astype(int) - 32))


def test_sixteen_of_thirty_two_layers_get_more_bits() -> None:
    chosen = [layer for layer in range(32) if Place(layer, 32, 1).gets_more_bits]
    assert chosen == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]


@pytest.mark.parametrize("size", [4096, 32000])
def test_every_piece_can_be_joined_from_its_beginnings(size: int) -> None:
    vocabulary = make_vocabulary(size, seed=0)
    assert len(vocabulary.tokens) == len(set(vocabulary.tokens)) == size
    assert len(vocabulary.types) == len(vocabulary.scores) == size
    pieces = set(vocabulary.tokens)
    words = [token for token in pieces if token.startswith(SPACE) and len(token) > 2]
    assert all(word[:-1] in pieces and word[-1] in pieces for word in words)
    assert {SPACE + "picture", SPACE + "Describe", SPACE + "USER:"} <= pieces


def test_smolvlms_vocabulary_has_words_and_markers_at_their_places() -> None:
    vocabulary = make_byte_level(49280, "smolvlm", seed=0)
    assert len(vocabulary.tokens) == len(set(vocabulary.tokens)) == len(vocabulary.types) == 49280
    places = {
        1: "<|im_start|>", 49152: "<global-img>", 49153: "<row_1_col_1>", 49190: "<image>",
        49279: "<end_of_utterance>",
    }  # fmt: skip
    assert {number: vocabulary.tokens[number] for number in places} == places
    # What merges join, and what they make, are tokens; so words are joined from their first letter on.
    tokens = set(vocabulary.tokens)
    for left, right in (merge.split(" ") for merge in vocabulary.merges):
        assert {left, right, left + right} <= tokens
    assert {"\u0120picture", "\u0120Describe", "\u010a\u010a"} <= tokens


def test_bytes_have_the_characters_of_byte_level_vocabularies() -> None:
    characters = byte_characters()
    assert len(set(characters)) == 256
    assert [characters[byte] for byte in b"A \n\x00\xff"] == ["A", "\u0120", "\u010a", "\u0100", "\u00ff"]
