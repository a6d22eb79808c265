# SPDX-License-Identifier: Apache-2.0
"""Random weights in GGUF's block formats, generated as blocks without encoding values."""

from __future__ import annotations

from functools import lru_cache

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

# The number of blocks in the sequence that a matrix repeats. It is a prime above every row count, so
# two rows never start at the same block of the sequence, and no two rows of a matrix are equal.
STRETCH_BLOCKS = 40009
STRETCH_FLOATS = 1_000_003  # the same for formats without blocks
SAMPLE_BLOCKS = 2048  # to measure the deviation of a stretch's values

# Fields of a block, whose scales d are filled in; packing as in llama.cpp. All bits of the others are random.
LAYOUTS = {
    Type.Q4_0: [("d", "<f2"), ("quants", "u1", 16)],
    Type.Q4_1: [("d", "<f2"), ("dmin", "<f2"), ("quants", "u1", 16)],
    Type.Q5_0: [("d", "<f2"), ("quants", "u1", 20)],
    Type.Q5_1: [("d", "<f2"), ("dmin", "<f2"), ("quants", "u1", 20)],
    Type.Q1_0: [("d", "<f2"), ("quants", "u1", 16)],
    Type.Q8_0: [("d", "<f2"), ("quants", "u1", 32)],
    Type.Q2_K: [("scales", "u1", 16), ("quants", "u1", 64), ("d", "<f2"), ("dmin", "<f2")],
    Type.Q3_K: [("quants", "u1", 96), ("scales", "u1", 12), ("d", "<f2")],
    Type.Q4_K: [("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("quants", "u1", 128)],
    Type.Q5_K: [("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("quants", "u1", 160)],
    Type.Q6_K: [("quants", "u1", 192), ("scales", "u1", 16), ("d", "<f2")],
    Type.IQ1_S: [("d", "<f2"), ("quants", "u1", 48)],
    # The bits of d are the upper nibbles of the last four words.
    Type.IQ1_M: [("quants", "u1", 48), ("words", "<u2", 4)],
    Type.IQ2_XXS: [("d", "<f2"), ("quants", "u1", 64)],
    Type.IQ2_XS: [("d", "<f2"), ("quants", "u1", 72)],
    Type.IQ2_S: [("d", "<f2"), ("quants", "u1", 80)],
    Type.IQ3_XXS: [("d", "<f2"), ("quants", "u1", 96)],
    Type.IQ3_S: [("d", "<f2"), ("quants", "u1", 108)],
    Type.IQ4_NL: [("d", "<f2"), ("quants", "u1", 16)],
    Type.IQ4_XS: [("d", "<f2"), ("quants", "u1", 134)],
    Type.TQ1_0: [("quants", "u1", 52), ("d", "<f2")],
    Type.TQ2_0: [("quants", "u1", 64), ("d", "<f2")],
    # Scales of groups of 16, of four exponent and three fraction bits.
    Type.NVFP4: [("scales", "u1", 4), ("quants", "u1", 32)],
}
# dmin as a multiple of d, so that values are centred on 0: the middle of the quants' range, which K-quants
# subtract and others add.
MIDDLES = {Type.Q2_K: 1.5, Type.Q4_K: 7.5, Type.Q5_K: 15.5, Type.Q4_1: -7.5, Type.Q5_1: -15.5}


class RandomWeights:
    """A source of random matrices; the same seed gives the same bytes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._stretch = lru_cache(maxsize=None)(self._make_stretch)

    def stored_bytes(
        self, name: str, shape: tuple[int, ...], kind: Type, deviation: float, mean: float = 0.0
    ) -> np.ndarray:
        """The bytes of a tensor whose values have the given mean and standard deviation."""
        generator = self._generator(name)
        if kind == Type.F32:  # vectors, small enough to draw each value
            values = generator.normal(mean, deviation, shape)
            return values.astype(np.float32).view(np.uint8).reshape(-1)
        stretch = self._scaled(kind, deviation)
        start = int(generator.integers(len(stretch)))
        block_length, _ = gguf.GGML_QUANT_SIZES[kind]
        return np.resize(np.roll(stretch, start), int(np.prod(shape)) // block_length).view(
            np.uint8
        )

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *name.encode()])

    def _scaled(self, kind: Type, deviation: float) -> np.ndarray:
        stretch, unit_deviation = self._stretch(kind)
        factor = deviation / unit_deviation
        if kind == Type.F16:
            return (stretch * np.float32(factor)).astype("<f2")
        if kind == Type.BF16:
            return gguf.quants.quantize(stretch * np.float32(factor), kind).view("<u2")
        scaled = stretch.copy()
        if kind == Type.IQ1_M:
            scaled["words"] = with_split_scale(stretch["words"], factor)
            return scaled
        if kind == Type.NVFP4:
            sizes = gguf.quants.NVFP4.ue4m3_to_fp32(stretch["scales"]) * 2 * np.float32(factor)
            scaled["scales"] = gguf.quants.NVFP4.fp32_to_ue4m3(sizes)
            return scaled
        scaled["d"] = stretch["d"] * np.float32(factor)
        if kind in MIDDLES:
            scaled["dmin"] = MIDDLES[kind] * np.float32(factor)
        return scaled

    def _make_stretch(self, kind: Type) -> tuple[np.ndarray, float]:
        """Random blocks with scales of ±1, and the standard deviation of their values."""
        generator = self._generator(kind.name)
        if kind in (Type.F16, Type.BF16):
            return generator.standard_normal(STRETCH_FLOATS, dtype=np.float32), 1.0
        stretch = np.zeros(STRETCH_BLOCKS, dtype=LAYOUTS[kind])
        stretch["quants"] = random_bytes(generator, stretch["quants"].shape)
        signs = generator.choice([-1.0, 1.0], STRETCH_BLOCKS)
        if kind == Type.IQ1_M:
            words = generator.integers(0, 1 << 12, stretch["words"].shape)
            stretch["words"] = with_split_scale(words, 1.0)
        elif kind == Type.NVFP4:
            stretch["scales"] = generator.integers(0x38, 0x40, stretch["scales"].shape)
        elif kind in MIDDLES:
            stretch["d"], stretch["dmin"] = 1.0, MIDDLES[kind]
        else:  # the quants' range is not quite balanced about 0, so scales have either sign
            stretch["d"] = signs
        if kind == Type.Q6_K:
            sizes = generator.integers(32, 128, stretch["scales"].shape)
            stretch["scales"] = sizes.astype(np.uint8)
        elif kind == Type.Q3_K:
            stretch["scales"] = packed_three_bit_scales(generator)
        elif kind == Type.Q2_K:
            stretch["scales"] = generator.integers(8, 16, stretch["scales"].shape) * 0x11
        elif kind in (Type.Q4_K, Type.Q5_K):
            stretch["scales"] = packed_scales(generator)
        if kind == Type.Q1_0:  # gguf-py does not decode it; every value is ±1
            return stretch, 1.0
        sample = stretch[:SAMPLE_BLOCKS].view(np.uint8)
        values = gguf.quants.dequantize(sample.reshape(SAMPLE_BLOCKS, -1), kind)
        return stretch, float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))


def random_bytes(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(generator.bytes(int(np.prod(shape))), np.uint8).reshape(shape)


def with_split_scale(words: np.ndarray, scale: float) -> np.ndarray:
    """IQ1_M's four words a block, with a half-precision scale in their upper nibbles."""
    bits = int(np.float16(scale).view(np.uint16))
    nibbles = np.array([bits >> 4 * place & 15 for place in range(4)]) << 12
    return (words & 0x0FFF | nibbles).astype(np.uint16)


def packed_three_bit_scales(generator: np.random.Generator) -> np.ndarray:
    """Sixteen 6-bit scales of 40…63 (stored plus 32) per Q3_K block, in their 12 bytes."""
    scales = generator.integers(40, 64, (STRETCH_BLOCKS, 16), dtype=np.uint8)
    low, high = scales & 15, (scales >> 4).reshape(-1, 4, 4)
    upper = high[:, 0] | high[:, 1] << 2 | high[:, 2] << 4 | high[:, 3] << 6
    return np.concatenate([low[:, :8] | low[:, 8:] << 4, upper], axis=1)


def packed_scales(generator: np.random.Generator) -> np.ndarray:
    """Eight 6-bit scales and mins of 32…63 per K-quant block, in their 12 bytes."""
    scales, mins = generator.integers(32, 64, (2, STRETCH_BLOCKS, 8), dtype=np.uint8)
    return np.concatenate(
        [
            scales[:, :4] | (scales[:, 4:] >> 4 << 6),
            mins[:, :4] | (mins[:, 4:] >> 4 << 6),
            (scales[:, 4:] & 15) | (mins[:, 4:] << 4),
        ],
        axis=1,
    )
