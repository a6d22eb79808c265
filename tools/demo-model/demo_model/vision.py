# SPDX-License-Identifier: Apache-2.0
"""A CLIP vision tower over any subset of a picture's patches, and the labels it learns first."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .drawing import GRID, PATCH
from .drawn_scenes import IGNORED, LABELS

PATCHES = GRID * GRID
MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
PATCH_VALUES = 3 * PATCH * PATCH

WIDTH, HEADS, FEED_FORWARD, LAYERS = 192, 6, 768, 4
HEAD_WIDTH = WIDTH // HEADS
EPSILON = 1e-5


def cut_patches(pictures: Tensor) -> Tensor:
    """Patches [pictures, PATCHES, 3 · PATCH · PATCH] of byte pictures [pictures, side, side, 3]."""
    cut = pictures.view(-1, GRID, PATCH, GRID, PATCH, 3).permute(0, 1, 3, 5, 2, 4)
    return cut.reshape(len(pictures), PATCHES, PATCH_VALUES)


def normalised(patches: Tensor) -> Tensor:
    """CLIP's normalisation of byte patches."""
    mean = torch.tensor(MEAN).repeat_interleave(PATCH * PATCH)
    deviation = torch.tensor(DEVIATION).repeat_interleave(PATCH * PATCH)
    return (patches.float() / 255 - mean) / deviation


class VisionBlock(nn.Module):
    """Pre-LN attention over all rows and a quick-GELU MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(WIDTH, EPSILON)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        self.layer_norm2 = nn.LayerNorm(WIDTH, EPSILON)
        self.fc1 = nn.Linear(WIDTH, FEED_FORWARD)
        self.fc2 = nn.Linear(FEED_FORWARD, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, rows, _ = x.shape
        qkv = self.qkv(self.layer_norm1(x)).view(batch, rows, 3, HEADS, HEAD_WIDTH)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        heads = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out_proj(heads.transpose(1, 2).reshape(batch, rows, WIDTH))
        hidden = self.fc1(self.layer_norm2(x))
        return x + self.fc2(hidden * torch.sigmoid(1.702 * hidden))


class VisionTower(nn.Module):
    """The tower up to the layer that outputs the features."""

    def __init__(self) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(WIDTH))
        self.patch_embedding = nn.Linear(PATCH_VALUES, WIDTH, bias=False)
        self.position_embedding = nn.Parameter(torch.zeros(1 + PATCHES, WIDTH))
        self.pre_layrnorm = nn.LayerNorm(WIDTH, EPSILON)
        self.blocks = nn.ModuleList(VisionBlock() for _ in range(LAYERS))

    def forward(self, patches: Tensor, places: Tensor | None = None) -> Tensor:
        """Features [batch, n, WIDTH] of byte patches [batch, n, …] at places [batch, n] (all)."""
        x = self.patch_embedding(normalised(patches))
        positions = self.position_embedding[1:]
        x = x + (positions if places is None else positions[places])
        first = (self.class_embedding + self.position_embedding[0]).expand(len(x), 1, WIDTH)
        x = self.pre_layrnorm(torch.cat([first.to(x.dtype), x], 1))
        for block in self.blocks:
            x = block(x)
        return x[:, 1:]


class PatchLabeller(nn.Module):
    """Predicts all labels of each patch; only training needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, EPSILON)
        self.head = nn.Linear(WIDTH, sum(LABELS.values()))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.head(self.norm(features)).float().split(list(LABELS.values()), -1)


# The weights of a label's patches in the loss. Few patches are centres or show signs.
LOSS_WEIGHTS = {
    "shape": 1.0, "colour": 0.5, "size": 0.3, "place": 0.3,
    "centre": 0.5, "letter": 0.5, "digit": 0.5, "background": 0.1,
}  # fmt: skip
BACKGROUND_WEIGHT = 0.2  # of a patch that shows no object, in the shape's loss


def label_loss(logits: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """The weighted mean cross entropy over all labels [batch, n, labels] of bytes."""
    total = logits[0].new_zeros(())
    for number, name in enumerate(LABELS):
        wanted = labels[..., number].long().flatten()
        weight = None
        if name == "shape":
            weight = torch.ones(LABELS[name])
            weight[0] = BACKGROUND_WEIGHT
        elif name == "centre":
            weight = torch.tensor([1.0, 6.0])
        loss = functional.cross_entropy(
            logits[number].flatten(0, -2), wanted, weight, ignore_index=IGNORED, reduction="mean"
        )
        if (wanted != IGNORED).any():
            total = total + LOSS_WEIGHTS[name] * loss
    return total


POSITION_WIDTH = HEAD_WIDTH  # columns of the rows that hold the place alone at the start
SLOWEST, FASTEST = 0.13, 1.6  # radians per patch
HEAD_OFFSETS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (0, 0))  # columns, rows: each head's gaze
WIDE_GAIN, NARROW_GAIN = 0.9, 1.7


def frequencies() -> Tensor:
    count = POSITION_WIDTH // 4
    return torch.logspace(math.log10(SLOWEST), math.log10(FASTEST), count)


def place_code(x: Tensor, y: Tensor) -> Tensor:
    """Sines and cosines [n, POSITION_WIDTH] of columns and rows, of mean square one."""
    angles = torch.cat([x[:, None] * frequencies(), y[:, None] * frequencies()], 1)
    return math.sqrt(2) * torch.cat([angles.sin(), angles.cos()], 1)


def shift_matrix(x: float, y: float) -> Tensor:
    """The matrix that shifts the code of a place by (x, y)."""
    angle = torch.cat([x * frequencies(), y * frequencies()])
    cosine, sine = torch.diag(angle.cos()), torch.diag(angle.sin())
    return torch.cat([torch.cat([cosine, sine], 1), torch.cat([-sine, cosine], 1)], 0)


@torch.no_grad()
def initialise(tower: VisionTower, generator: torch.Generator) -> None:
    """Heads initially attend to neighbouring patches, like a convolution; residuals are zero.

    The first columns of a row hold its place's code, and each head's query is that code shifted.
    After "Convolutional initialization for data-efficient vision transformers" (2401.12511) and
    "Mimetic initialization of self-attention layers" (2305.09828), in a form of our own.
    """
    for module in tower.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.normal_(tower.patch_embedding.weight, std=PATCH_VALUES**-0.5, generator=generator)
    tower.patch_embedding.weight[:POSITION_WIDTH] = 0
    nn.init.normal_(tower.class_embedding, std=1.0, generator=generator)
    rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    code = place_code(columns.flatten().float(), rows.flatten().float())
    tower.position_embedding[1:, :POSITION_WIDTH] = code
    for depth, block in enumerate(tower.blocks):
        nn.init.zeros_(block.out_proj.weight)
        nn.init.zeros_(block.fc2.weight)
        reach = (1.0, 1.5, 2.0, 3.0)[depth % 4]
        for head, (x, y) in enumerate(HEAD_OFFSETS):
            turned = (x, y) if depth % 2 == 0 else (x + y, y - x)
            gain = WIDE_GAIN if head == 0 else NARROW_GAIN
            start = head * HEAD_WIDTH
            query, key = (block.qkv.weight[at + start : at + start + HEAD_WIDTH, :POSITION_WIDTH]
                          for at in (0, WIDTH))  # fmt: skip
            query += gain * shift_matrix(turned[0] * reach, turned[1] * reach)
            key += gain * torch.eye(POSITION_WIDTH)
