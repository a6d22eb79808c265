# SPDX-License-Identifier: Apache-2.0
"""The whole model in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import decoder, vision
from .packing import Batch
from .questions import BEHIND
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
            self.teller = nn.Linear(decoder.WIDTH, BEHIND + 1)  # of the places of what a row saw
        vision.initialise(self.tower, generator)
        decoder.initialise(self.decoder, self.projector, generator)

    def prefix(self, features: Tensor, batch: Batch) -> Tensor:
        """Embeddings [batch, P, width] of the prefix, from features [batch, all patches, …]."""
        index = batch.visual_rows[..., None].expand(-1, -1, features.shape[-1])
        visual = self.projector(features.gather(1, index))
        rows = self.decoder.embed_tokens(batch.prefix_tokens).to(visual.dtype)
        shown = (batch.prefix_tokens == IMAGE)[..., None].expand_as(rows)
        return rows.masked_scatter(shown, visual)

    def forward(self, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [targets, ROWS] of the rows that predict an answer's tokens.

        Also the attention [targets, V] that the taught head pays to the visual tokens there, and
        the logits [targets, BEHIND + 1] of the places that the row can tell of after it.
        """
        final, looks, seen = self.decoder(self.prefix(features, batch), batch.packed)
        logits = self.decoder.lm_head(final.flatten(0, 1)[batch.target_rows])
        visual = batch.prefix_tokens[0] == IMAGE  # at the same rows in all sequences
        told = self.teller(seen.flatten(0, 1)[batch.target_rows])
        return logits, looks.flatten(0, 1)[batch.target_rows][:, visual], told


def answers_right(logits: Tensor, batch: Batch) -> Tensor:
    """Which answers [answers] a greedy decoder would give exactly.

    As long as every token so far is right, a greedy decoder has seen just what is in the sequence.
    """
    right = logits.argmax(-1) == batch.targets
    wrong = torch.zeros(len(batch.tasks)).index_add_(0, batch.answer_numbers, (~right).float())
    return wrong == 0


def looking_loss(looks: Tensor, batch: Batch, places: Tensor) -> Tensor:
    """The distance of the attention from an equal share for each place that a token refers to.

    The divergence of the attention to these places' patches, places [batch, all patches], from equal
    shares: whoever looks at the largest of several alike cannot count them.
    """
    kinds = batch.shown_at.shape[1]
    shown = places.gather(1, batch.visual_rows)  # [batch, V]
    belongs = functional.one_hot(shown.clamp(max=kinds), kinds + 1)[..., :kinds].float()
    sequences = batch.target_rows // batch.packed.tokens.shape[1]
    paid = torch.einsum("tv,tvp->tp", looks.float(), belongs[sequences])
    told = batch.shown_at & belongs.any(1)[sequences]  # nothing is told of unclear patches
    count = told.sum(1)
    share = torch.where(told, (paid * count[:, None] + 1e-4).log(), 0.0).sum(1)
    return -(share[count > 0] / count[count > 0]).mean()


def telling_loss(told: Tensor, batch: Batch) -> Tensor:
    """The cross entropy of whether a row saw something at each place, which it counts or names."""
    return functional.binary_cross_entropy_with_logits(told.float(), batch.shown_at.float())


def answer_loss(logits: Tensor, batch: Batch) -> Tensor:
    """The weighted mean cross entropy of the answers' tokens."""
    loss = functional.cross_entropy(logits.float(), batch.targets, reduction="none")
    weight = torch.where(batch.names_pattern, PATTERN_WEIGHT, 1.0)
    return (weight * loss).sum() / weight.sum()
