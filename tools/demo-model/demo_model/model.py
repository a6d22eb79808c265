# SPDX-License-Identifier: Apache-2.0
"""The whole model, as it is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import decoder, vision
from .packing import Batch
from .vocabulary import IMAGE

PATTERN_WEIGHT = 20.0  # of a token that names the background's pattern, which few do


class Llava(nn.Module):
    """Vision tower, patch labels, projector and decoder."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.tower = vision.VisionTower()
            self.labeller = vision.PatchLabeller()
            self.projector = decoder.Projector()
            self.decoder = decoder.Decoder()
        vision.initialise(self.tower, generator)
        decoder.initialise(self.decoder, self.projector, generator)

    def prefix(self, features: Tensor, batch: Batch) -> Tensor:
        """Embeddings [batch, P, width] of the prefix, from features [batch, all patches, …]."""
        index = batch.visual_rows[..., None].expand(-1, -1, features.shape[-1])
        visual = self.projector(features.gather(1, index))
        rows = self.decoder.embed_tokens(batch.prefix_tokens).to(visual.dtype)
        shown = (batch.prefix_tokens == IMAGE)[..., None].expand_as(rows)
        return rows.masked_scatter(shown, visual)

    def forward(self, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits [targets, ROWS] where an answer's tokens are predicted.

        Also the attention [targets, V] that the taught head pays to the visual tokens there.
        """
        final, looks = self.decoder(self.prefix(features, batch), batch.packed)
        logits = self.decoder.lm_head(final.flatten(0, 1)[batch.target_rows])
        visual = batch.prefix_tokens[0] == IMAGE  # at the same rows in all sequences
        return logits, looks.flatten(0, 1)[batch.target_rows][:, visual]


def answers_right(logits: Tensor, batch: Batch) -> Tensor:
    """Which answers [answers] a greedy decoder would give to the letter.

    As long as every token so far is right, a greedy decoder has seen just what is in the sequence.
    """
    right = logits.argmax(-1) == batch.targets
    wrong = torch.zeros(len(batch.tasks)).index_add_(0, batch.answer_numbers, (~right).float())
    return wrong == 0


def looking_loss(looks: Tensor, batch: Batch, places: Tensor) -> Tensor:
    """−log of the attention to patches of what a token tells of, places [batch, all patches]."""
    shown = places.gather(1, batch.visual_rows)  # [batch, V]
    sequences = batch.target_rows // batch.packed.tokens.shape[1]
    told = functional.pad(batch.shown_at, (0, 1))  # nothing is told of unclear patches
    right = told.gather(1, shown.clamp(max=told.shape[1] - 1)[sequences])
    seen = right.any(1)
    paid = (looks.float() * right).sum(1)[seen]
    return -(paid + 1e-4).log().mean()


def answer_loss(logits: Tensor, batch: Batch) -> Tensor:
    """The weighted mean cross entropy of the answers' tokens."""
    loss = functional.cross_entropy(logits.float(), batch.targets, reduction="none")
    weight = torch.where(batch.names_pattern, PATTERN_WEIGHT, 1.0)
    return (weight * loss).sum() / weight.sum()
