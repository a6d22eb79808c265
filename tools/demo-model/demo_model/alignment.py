# SPDX-License-Identifier: Apache-2.0
"""Pulls a patch's visual token towards the embeddings of the words that describe the patch.

LLaVA aligns its projector with captions before it trains the rest; here every patch has words. A
decoder then finds an object by the words of a question as it finds words in text.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .drawn_scenes import IGNORED, LABELS, SHAPE_LABELS
from .scenes import BACKGROUNDS, COLOURS, DIGITS, LETTERS, PLACES, SIZES
from .vocabulary import ROWS, Vocabulary

BACKGROUND_WEIGHT = 1.0  # of a patch that shows no object
SCALE = 0.5  # of the sum of the words' embeddings
PLACE_WORDS = ("top", "bottom", "left", "right", "centre")


def words_of_labels() -> dict[str, list[list[str]]]:
    """The words of each value, for each label that has words."""
    places = [[word for word in PLACE_WORDS if word in place] for place in PLACES]
    return {
        "shape": [["background"], *([shape] for shape in SHAPE_LABELS[1:])],
        "colour": [[colour] for colour in COLOURS],
        "size": [[size] for size in SIZES],
        "place": places,
        "letter": [[letter] for letter in LETTERS],
        "digit": [[digit] for digit in DIGITS],
        "background": [[background] for background in BACKGROUNDS],
    }


class WordAlignment:
    """The loss between visual tokens and the embeddings of the words of their patches."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        words = words_of_labels()
        self.labels = [list(LABELS).index(name) for name in words]
        self.sizes = torch.tensor([LABELS[name] + 1 for name in words])  # the last is IGNORED
        self.starts = torch.cumsum(self.sizes, 0) - self.sizes
        self.counts = torch.zeros(int(self.sizes.sum()), ROWS)  # of tokens, for each value
        for start, values in zip(self.starts.tolist(), words.values(), strict=True):
            for value, texts in enumerate(values):
                for text in texts:
                    self.counts[start + value, vocabulary.encode(text)[-1]] += 1

    def loss(self, visual: Tensor, labels: Tensor, embeddings: Tensor) -> Tensor:
        """The scaled mean squared distance for visual [batch, n, width] and labels [batch, n, …]."""
        values = labels[..., self.labels].long()
        rows = self.starts + torch.where(values == IGNORED, self.sizes - 1, values)
        chosen = torch.zeros(*labels.shape[:2], len(self.counts)).scatter_(-1, rows, 1.0)
        wanted = chosen @ (self.counts @ embeddings.detach())
        distance = (visual.float() - SCALE * wanted).square().mean(-1)
        shape = labels[..., 0].long()
        weight = torch.where(shape == 0, BACKGROUND_WEIGHT, 1.0) * (shape != IGNORED)
        scale = SCALE**2 * embeddings.detach().square().mean()
        return (weight * distance).sum() / weight.sum() / scale
