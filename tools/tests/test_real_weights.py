# SPDX-License-Identifier: Apache-2.0
"""How tools/check-real-weights compares logits and texts."""

import math

import numpy as np
import pytest

from real_weights import measures


def test_prompts_are_spread_over_the_text():
    text = " ".join(f"w{index}" for index in range(1000))
    prompts = measures.prompts(text, 100)
    assert len(prompts) == 100
    lengths = [len(prompt.split()) for prompt in prompts]
    assert min(lengths) == 8
    assert max(lengths) == 64
    assert prompts[0].startswith("w0 w1 ")
    assert int(prompts[-1].split()[0][1:]) > 900
    with pytest.raises(SystemExit):
        measures.prompts("too few words", 1)


def test_differences_are_parts_of_the_range():
    expected = np.array([-1.0, 3.0, 1.0], np.float32)
    assert measures.relative_difference(expected, expected) == 0
    assert measures.relative_difference(expected + np.array([0, 0, 0.5]), expected) == 0.125


def test_divergence_is_that_of_the_distributions():
    even, odd = np.zeros(2, np.float32), np.array([math.log(3), 0], np.float32)
    expected = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert measures.divergence(even, odd) == pytest.approx(expected)
    assert measures.divergence(odd, odd + 100) == pytest.approx(0, abs=1e-6)


def test_the_first_difference_is_found():
    assert measures.first_difference([1, 2], [1, 2]) is None
    assert measures.first_difference([1, 2, 3], [1, 4, 3]) == 1
    assert measures.first_difference([1], [1, 2]) == 1
