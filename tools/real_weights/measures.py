# SPDX-License-Identifier: Apache-2.0
"""How logits and texts are compared, and the prompts that they are compared on."""

import numpy as np

# Words of the shortest prompt, and how many lengths there are.
SHORTEST, LENGTHS = 8, 57


def prompts(text: str, count: int) -> list[str]:
    """Pieces of a text of 8 to 64 words, from beginnings that are spread over the whole of it."""
    words = text.split()
    last = len(words) - SHORTEST - LENGTHS
    if last < count:
        raise SystemExit(f"the text has {len(words)} words, too few for {count} prompts")
    starts = [index * last // count for index in range(count)]
    return [
        " ".join(words[start : start + SHORTEST + index * 7 % LENGTHS])
        for index, start in enumerate(starts)
    ]


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of two rows of logits, as a part of the range of the expected ones."""
    return float(np.abs(found - expected).max() / (expected.max() - expected.min()))


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def divergence(expected: np.ndarray, found: np.ndarray) -> float:
    """The Kullback-Leibler divergence of two rows' next-token distributions, in nats."""
    p, q = log_probabilities(expected), log_probabilities(found)
    return float((np.exp(p) * (p - q)).sum())


def first_difference(one: list[int], other: list[int]) -> int | None:
    """Where two lists of tokens differ first; None if they are equal."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return None if len(one) == len(other) else min(len(one), len(other))
