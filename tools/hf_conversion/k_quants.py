# SPDX-License-Identifier: Apache-2.0
"""Encoders of the K-quants: superblocks of 256 weights with small integer scales.

Each group's scale, and minimum where the format has them, is the one of some candidates that loses least. The
candidates and the weights of errors are those of llama.cpp's quantiser without an importance matrix.

Weights are arrays [length of a group, groups], so that sums over a group add whole rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from gguf import GGMLQuantizationType as Type

SUPERBLOCK = 256
# Superblocks that are encoded together: their temporary arrays stay in the processor's caches.
CHUNK = 512
# Groups whose largest magnitude is smaller count as zero.
NEGLIGIBLE = np.float32(1e-15)

Array = np.ndarray


def encode_k_quants(values: Array, kind: Type) -> Array:
    """The blocks of values, whose number is a multiple of 256; [blocks, bytes]."""
    superblocks = values.astype(np.float32, copy=False).reshape(-1, SUPERBLOCK)
    chunks = [superblocks[start : start + CHUNK] for start in range(0, len(superblocks), CHUNK)]
    # NumPy computes on arrays without holding the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return np.concatenate(list(threads.map(partial(encode_chunk, ENCODERS[kind]), chunks)))


def encode_chunk(encoder: Callable[[Array], Array], superblocks: Array) -> Array:
    """The blocks of some superblocks; what divisions by zero yield is replaced or not used."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return encoder(superblocks)


def groups_of(superblocks: Array, length: int) -> Array:
    """Neighbouring weights as columns: [length, groups]."""
    return np.ascontiguousarray(superblocks.reshape(-1, length).T)


def rounded(numbers: Array, lowest: int, highest: int) -> Array:
    """The nearest integers in a range, as floats; 0 for what is not a number."""
    return np.clip(np.rint(np.nan_to_num(numbers, nan=0, posinf=highest, neginf=lowest)), lowest, highest)


def quotient(dividend: Array, divisor: Array) -> Array:
    """A quotient that is 0 where the divisor is."""
    return np.divide(dividend, divisor, out=np.zeros_like(dividend), where=divisor != 0)


def fit_with_minimum(
    x: Array, weights: Array, levels: int, first: float, steps: int, error: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """Scales and subtracted minima that make scale · q − minimum, q from 0 to `levels`, close to `x`.

    Candidates for q divide the range from the best minimum so far into about as many steps as there are
    levels, from `first` more on in tenths. Scale and minimum are the least-squares ones for each of them.
    """
    minimum, highest = np.minimum(x.min(axis=0), 0), x.max(axis=0)
    flat = highest == minimum
    scale = (highest - minimum) / np.float32(levels)
    sum_w, sum_x = weights.sum(axis=0), (weights * x).sum(axis=0)
    q = rounded(quotient(x - minimum, np.broadcast_to(scale, x.shape)), 0, levels)
    least = (weights * error(scale * q + minimum - x)).sum(axis=0)
    for step in range(steps + 1):
        unit = np.float32(levels + first + 0.1 * step) / (highest - minimum)
        q = rounded(unit * (x - minimum), 0, levels)
        wq = weights * q
        sum_q, sum_qq, sum_qx = wq.sum(axis=0), (wq * q).sum(axis=0), (wq * x).sum(axis=0)
        determinant = sum_w * sum_qq - sum_q * sum_q
        new_scale = quotient(sum_w * sum_qx - sum_x * sum_q, determinant)
        new_minimum = quotient(sum_qq * sum_x - sum_q * sum_qx, determinant)
        new_scale = np.where(new_minimum > 0, quotient(sum_qx, sum_qq), new_scale)
        new_minimum = np.minimum(new_minimum, 0)
        loss = (weights * error(new_scale * q + new_minimum - x)).sum(axis=0)
        better = (determinant > 0) & (loss < least)
        least = np.where(better, loss, least)
        scale = np.where(better, new_scale, scale)
        minimum = np.where(better, new_minimum, minimum)
    return np.where(flat, 0, scale), -minimum


def extremes(x: Array) -> Array:
    """The first number of the largest magnitude in each group; 0 where all are negligible."""
    place = np.abs(x).argmax(axis=0)
    largest = np.take_along_axis(x, place[None], axis=0)[0]
    return np.where(np.abs(largest) < NEGLIGIBLE, 0, largest)


def fit_centred(x: Array, levels: int) -> Array:
    """Scales that make scale · q, q from −levels to levels − 1, close to `x`, weighted by its squares."""
    largest = extremes(x)
    weights = x * x
    best_scale = best_gain = np.zeros_like(largest)
    for step in [0, *range(-9, 0), *range(1, 10)]:
        unit = quotient(np.full_like(largest, -(levels + 0.1 * step)), largest)
        q = rounded(unit * x, -levels, levels - 1)
        wq = weights * q
        sum_qx, sum_qq = (wq * x).sum(axis=0), (wq * q).sum(axis=0)
        scale = quotient(sum_qx, sum_qq)
        better = (sum_qq > 0) & (scale * sum_qx > best_gain)
        best_scale = np.where(better, scale, best_scale)
        best_gain = np.where(better, scale * sum_qx, best_gain)
    return best_scale


def fit_by_descent(x: Array, levels: int, rounds: int = 5) -> Array:
    """Scales as of `fit_centred`; each q in turn is changed to what is best beside the others."""
    unit = quotient(np.full_like(x[0], -levels), extremes(x))
    q = rounded(unit * x, -levels, levels - 1)
    weights = x * x
    sum_qx, sum_qq = (weights * q * x).sum(axis=0), (weights * q * q).sum(axis=0)
    for _ in range(rounds):
        changed = False
        for row in range(len(x)):
            w, value, old = weights[row], x[row], q[row]
            others_qx, others_qq = sum_qx - w * value * old, sum_qq - w * old * old
            new = rounded(quotient(value * others_qq, others_qx), -levels, levels - 1)
            new_qx, new_qq = others_qx + w * value * new, others_qq + w * new * new
            better = (
                (others_qx > 0) & (new != old) & (new_qq > 0)
                & (new_qx * new_qx * sum_qq > sum_qx * sum_qx * new_qq)
            )  # fmt: skip
            q[row] = np.where(better, new, old)
            sum_qx, sum_qq = np.where(better, new_qx, sum_qx), np.where(better, new_qq, sum_qq)
            changed = changed or bool(better.any())
        if not changed:
            break
    return quotient(sum_qx, sum_qq)


def half(numbers: Array) -> tuple[Array, Array]:
    """Numbers in half precision: their two bytes each, and their values; [n, 2] and [n]."""
    stored = numbers.astype("<f2")
    return stored.view(np.uint8).reshape(-1, 2), stored.astype(np.float32)


def shared_factor(numbers: Array, levels: int) -> tuple[Array, Array, Array]:
    """Numbers of at least 0 as multiples of a unit, their largest over `levels`.

    Returns the multiples, and the bytes and the values of the units.
    """
    largest = np.maximum(numbers.max(axis=1), 0)
    inverse = quotient(np.full_like(largest, levels), largest)
    multiples = rounded(inverse[:, None] * numbers, 0, levels)
    stored, unit = half(largest / np.float32(levels))
    return multiples.astype(np.uint8), stored, unit


def signed_factor(numbers: Array, levels: int) -> tuple[Array, Array, Array]:
    """The same for numbers of both signs: the largest becomes −levels."""
    largest = extremes(np.ascontiguousarray(numbers.T))
    inverse = quotient(np.full_like(largest, -levels), largest)
    multiples = rounded(inverse[:, None] * numbers, -levels, levels - 1)
    stored, unit = half(quotient(np.ones_like(inverse), inverse))
    return multiples.astype(np.int8), stored, unit


def quantised(superblocks: Array, scale: Array, minimum: Array | None, lowest: int, highest: int) -> Array:
    """The integers of all weights under the stored scales and minima of their groups; [superblocks, 256]."""
    groups = superblocks.reshape(len(superblocks), scale.shape[1], -1)
    shifted = groups if minimum is None else groups + minimum[..., None]
    divisor = np.broadcast_to(scale[..., None], groups.shape)
    q = rounded(quotient(shifted, divisor), lowest, highest) - lowest
    return q.astype(np.uint8).reshape(len(superblocks), SUPERBLOCK)


def packed_pairs(q: Array) -> Array:
    """Two bits each: a byte holds the weights that are 32 apart in one half of the superblock."""
    quarters = q.reshape(-1, 2, 4, 32)
    shifted = quarters << np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    return shifted.sum(axis=2, dtype=np.uint8).reshape(-1, 64)


def encode_q2_k(superblocks: Array) -> Array:
    """Scales and minima of four bits, two bits a weight."""
    x = groups_of(superblocks, 16)
    scale, minimum = (
        part.reshape(-1, 16) for part in fit_with_minimum(x, np.abs(x), 3, -0.5, 15, np.abs)
    )
    scales, scale_bytes, unit = shared_factor(scale, 15)
    minima, minimum_bytes, minimum_unit = shared_factor(minimum, 15)
    q = quantised(superblocks, unit[:, None] * scales, minimum_unit[:, None] * minima, 0, 3)
    return np.concatenate([scales | minima << 4, packed_pairs(q), scale_bytes, minimum_bytes], axis=1)


def encode_q3_k(superblocks: Array) -> Array:
    """Scales of six bits, three bits a weight."""
    scale = fit_by_descent(groups_of(superblocks, 16), 4).reshape(-1, 16)
    scales, unit_bytes, unit = signed_factor(scale, 32)
    q = quantised(superblocks, unit[:, None] * scales, None, -4, 3)
    high = (q >> 2).reshape(-1, 8, 32) << np.arange(8, dtype=np.uint8)[:, None]
    stored = (scales + 32).astype(np.uint8)
    upper = (stored >> 4).reshape(-1, 4, 4) << np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    return np.concatenate(
        [
            high.sum(axis=1, dtype=np.uint8), packed_pairs(q & 3),
            stored[:, :8] & 15 | stored[:, 8:] << 4 & 0xF0, upper.sum(axis=1, dtype=np.uint8), unit_bytes,
        ],
        axis=1,
    )  # fmt: skip


def fit_with_six_bit_scales(superblocks: Array, levels: int, first: float, steps: int) -> tuple[Array, Array]:
    """What Q4_K and Q5_K have in common: the 16 bytes of factors, scales and minima, and the integers."""
    x = groups_of(superblocks, 32)
    weights = np.sqrt((x * x).mean(axis=0)) + np.abs(x)
    scale, minimum = (
        part.reshape(-1, 8) for part in fit_with_minimum(x, weights, levels, first, steps, np.square)
    )
    scales, scale_bytes, unit = shared_factor(scale, 63)
    minima, minimum_bytes, minimum_unit = shared_factor(minimum, 63)
    packed = np.concatenate(
        [
            scales[:, :4] | scales[:, 4:] >> 4 << 6,
            minima[:, :4] | minima[:, 4:] >> 4 << 6,
            scales[:, 4:] & 15 | minima[:, 4:] << 4 & 0xF0,
        ],
        axis=1,
    )
    q = quantised(superblocks, unit[:, None] * scales, minimum_unit[:, None] * minima, 0, levels)
    return np.concatenate([scale_bytes, minimum_bytes, packed], axis=1), q


def packed_nibbles(q: Array) -> Array:
    """Four bits each: a byte holds the weights that are 32 apart in a quarter of the superblock."""
    pairs = (q & 15).reshape(-1, 4, 2, 32)
    return (pairs[:, :, 0] | pairs[:, :, 1] << 4).reshape(-1, 128)


def encode_q4_k(superblocks: Array) -> Array:
    """Scales and minima of six bits, four bits a weight."""
    header, q = fit_with_six_bit_scales(superblocks, 15, -1, 20)
    return np.concatenate([header, packed_nibbles(q)], axis=1)


def encode_q5_k(superblocks: Array) -> Array:
    """Scales and minima of six bits, five bits a weight."""
    header, q = fit_with_six_bit_scales(superblocks, 31, -0.5, 15)
    fifth = (q >> 4).reshape(-1, 8, 32) << np.arange(8, dtype=np.uint8)[:, None]
    return np.concatenate([header, fifth.sum(axis=1, dtype=np.uint8), packed_nibbles(q)], axis=1)


def encode_q6_k(superblocks: Array) -> Array:
    """Scales of eight bits, six bits a weight."""
    scale = fit_centred(groups_of(superblocks, 16), 32).reshape(-1, 16)
    scales, unit_bytes, unit = signed_factor(scale, 128)
    q = quantised(superblocks, unit[:, None] * scales, None, -32, 31).reshape(-1, 2, 4, 32)
    low = (q[:, :, :2] & 15 | q[:, :, 2:] << 4 & 0xF0).reshape(-1, 128)
    upper = q >> 4 << np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    return np.concatenate(
        [low, upper.sum(axis=2, dtype=np.uint8).reshape(-1, 64), scales.view(np.uint8), unit_bytes], axis=1
    )


ENCODERS: dict[Type, Callable[[Array], Array]] = {
    Type.Q2_K: encode_q2_k, Type.Q3_K: encode_q3_k, Type.Q4_K: encode_q4_k,
    Type.Q5_K: encode_q5_k, Type.Q6_K: encode_q6_k,
}  # fmt: skip
