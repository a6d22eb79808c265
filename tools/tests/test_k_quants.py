# SPDX-License-Identifier: Apache-2.0
"""K-quants and mixtures: what llama.cpp's quantiser stores."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from gguf_mixtures import MIXTURES, fitting
from hf_conversion.encoding import encode
from hf_conversion.errors import ConversionError
from hf_conversion.k_quants import ENCODERS, encode_k_quants

FIXTURES = Path(__file__).resolve().parent / "fixtures"
GOLDEN = np.load(FIXTURES / "k_quants.npz")
TYPES = json.loads((FIXTURES / "mixtures.json").read_text())


@pytest.mark.parametrize("kind", ENCODERS)
def test_blocks_are_those_of_llama_cpp(kind: Type) -> None:
    values = GOLDEN["numbers"].astype(np.float32)
    expected = GOLDEN[kind.name]
    found = encode_k_quants(values, kind)
    decoded, wanted = (gguf.quants.dequantize(blocks, kind) for blocks in (found, expected))
    # The C compiler fuses products with sums, so that a candidate may win where it is as good as another.
    same = (decoded == wanted).all(axis=1)
    assert same.mean() >= 0.9
    for row in np.flatnonzero(~same):
        errors = [np.square(numbers[row] - values[row]).sum() for numbers in (decoded, wanted)]
        assert errors[0] == pytest.approx(errors[1], rel=0.02)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("magnitude", [1e-30, 1e-7, 1e-3, 1, 1e4])
def test_every_magnitude_is_stored_as_well_as_halves_allow(kind: Type, magnitude: float) -> None:
    values = (np.random.default_rng(3).standard_normal((4, 256)) * magnitude).astype(np.float32)
    blocks = encode_k_quants(values, kind)
    decoded = gguf.quants.dequantize(blocks, kind)
    assert np.isfinite(decoded).all()
    step = {Type.Q2_K: 0.6, Type.Q3_K: 0.35, Type.Q4_K: 0.2, Type.Q5_K: 0.1, Type.Q6_K: 0.06}[kind]
    # Scales are at least the smallest half-precision number, 2^-24, apart.
    assert np.abs(decoded - values).max() <= step * np.abs(values).max() * 1.5 + 2**-16


def test_many_superblocks_are_encoded_in_chunks_as_alone() -> None:
    values = np.random.default_rng(5).standard_normal((1100, 256)).astype(np.float32)
    whole = encode_k_quants(values, Type.Q4_K)
    assert np.array_equal(whole[700:703], encode_k_quants(values[700:703], Type.Q4_K))


@pytest.mark.parametrize("kind", ENCODERS)
def test_what_overflows_or_is_no_number_is_refused(kind: Type) -> None:
    for value, reason in ((1e30, "overflows"), (np.nan, "non-finite"), (np.inf, "non-finite")):
        values = np.full((1, 256), value, np.float32)
        with pytest.raises(ConversionError, match=reason):
            encode(values, kind, "matrix")


@pytest.mark.parametrize("shape", TYPES)
def test_mixtures_are_those_of_llama_cpp(shape: str) -> None:
    heads_per_key = {"separate": 1, "shared": 4}[shape]
    row_lengths = {"ffn_down": {"separate": 256, "shared": 288}[shape]}
    for mixture, golden in TYPES[shape].items():
        for name in matrix_names(layers=24):
            parts = name.split(".")
            layer = int(parts[1]) if parts[0] == "blk" else None
            kind = MIXTURES[mixture].type_of(
                parts[-2], layer, 24, sharing=heads_per_key, row_length=row_lengths.get(parts[-2], 256)
            )
            assert kind.name == golden.get(name, golden["*"]), (mixture, name)


def matrix_names(layers: int) -> list[str]:
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    blocks = [f"blk.{layer}.{part}.weight" for layer in range(layers) for part in parts]
    return ["token_embd.weight", "output.weight", *blocks]


@pytest.mark.parametrize(
    ("kind", "row_length", "stored"),
    [
        (Type.Q4_K, 512, Type.Q4_K), (Type.Q4_K, 288, Type.Q5_0), (Type.Q6_K, 288, Type.Q8_0),
        (Type.Q3_K, 288, Type.Q4_0), (Type.Q5_K, 288, Type.Q5_1), (Type.Q5_K, 100, Type.F16),
        (Type.Q8_0, 100, Type.F16), (Type.F32, 1, Type.F32), (Type.IQ2_XS, 288, Type.IQ4_NL),
    ],
)  # fmt: skip
def test_rows_that_blocks_do_not_fill_get_smaller_ones(kind: Type, row_length: int, stored: Type) -> None:
    assert fitting(kind, row_length) == stored
