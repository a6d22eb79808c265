# SPDX-License-Identifier: Apache-2.0
"""A Llama decoder over packed sequences: a prefix, and many questions that see it and themselves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import vision
from .vocabulary import ROWS

WIDTH, HEADS, FEED_FORWARD, LAYERS = 192, 6, 512, 5
HEAD_WIDTH = WIDTH // HEADS
EPSILON = 1e-5
ROTARY_BASE = 10000.0
LOOKING_LAYER = 2  # whose first head is taught to look at what a question is about


@dataclass
class Packed:
    """Rows of the prefix and of the questions after it, each question with its own positions."""

    prefix_positions: Tensor  # [batch, P]
    tokens: Tensor  # [batch, T]
    positions: Tensor  # [batch, T]
    segments: Tensor  # [batch, T]: the number of the question that a row belongs to

    def mask(self, kind: torch.dtype) -> Tensor:
        """0 where a row sees another row of its question, else −inf: [batch, 1, T, T]."""
        length = self.tokens.shape[1]
        same = self.segments[:, :, None] == self.segments[:, None, :]
        seen = same & torch.ones(length, length, dtype=torch.bool).tril()
        return torch.zeros(seen.shape, dtype=kind).masked_fill(~seen, float("-inf"))[:, None]


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Rotary embedding of x [batch, heads, rows, HEAD_WIDTH], halves paired as Hugging Face does."""
    exponents = torch.arange(0, HEAD_WIDTH, 2, dtype=torch.float32) / HEAD_WIDTH
    angles = positions[:, None, :, None].float() * ROTARY_BASE**-exponents
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, -1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)


class DecoderBlock(nn.Module):
    """RMSNorm, causal attention and SwiGLU, for prefix and questions separately."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(WIDTH, EPSILON)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.o_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.post_attention_layernorm = nn.RMSNorm(WIDTH, EPSILON)
        self.gate_up = nn.Linear(WIDTH, 2 * FEED_FORWARD, bias=False)
        self.down_proj = nn.Linear(FEED_FORWARD, WIDTH, bias=False)

    def project(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        qkv = self.qkv(self.input_layernorm(x)).view(*x.shape[:2], 3, HEADS, HEAD_WIDTH)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        return rotate(q, positions) * HEAD_WIDTH**-0.5, rotate(k, positions), v

    def finish(self, x: Tensor, heads: Tensor) -> Tensor:
        x = x + self.o_proj(heads.transpose(1, 2).reshape(x.shape))
        gate, up = self.gate_up(self.post_attention_layernorm(x)).chunk(2, -1)
        return x + self.down_proj(functional.silu(gate) * up)

    def forward(
        self, prefix: Tensor, rows: Tensor, packed: Packed, mask: Tensor, last: bool, looked: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Both parts after this block and, if asked for, the first head's attention to the prefix.

        Nobody needs the prefix after the last block.
        """
        q, k, v = self.project(prefix, packed.prefix_positions)
        own_q, own_k, own_v = self.project(rows, packed.positions)
        keys, values = torch.cat([k, own_k], 2), torch.cat([v, own_v], 2)
        heads = functional.scaled_dot_product_attention(own_q, keys, values, mask, scale=1.0)
        rows = self.finish(rows, heads)
        looks = None
        if looked:
            scores = own_q[:, 0] @ keys[:, 0].transpose(-1, -2) + mask[:, 0]
            looks = scores.softmax(-1)[..., : prefix.shape[1]]
        if not last:
            heads = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)
            prefix = self.finish(prefix, heads)
        return prefix, rows, looks


class Decoder(nn.Module):
    """The language model."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(ROWS, WIDTH)
        self.layers = nn.ModuleList(DecoderBlock() for _ in range(LAYERS))
        self.norm = nn.RMSNorm(WIDTH, EPSILON)
        self.lm_head = nn.Linear(WIDTH, ROWS, bias=False)

    def forward(self, prefix: Tensor, packed: Packed) -> tuple[Tensor, Tensor, Tensor]:
        """Final rows [batch, T, WIDTH] of the questions after a prefix of embeddings.

        Also the attention [batch, T, P] of the head that is taught where to look, and the
        normalised rows after its layer.
        """
        rows = self.embed_tokens(packed.tokens)
        length = prefix.shape[1]
        mask = functional.pad(packed.mask(prefix.dtype), (length, 0))
        for number, layer in enumerate(self.layers):
            looked = number == LOOKING_LAYER
            prefix, rows, attention = layer(prefix, rows, packed, mask, number + 1 == LAYERS, looked)
            if looked:
                looks, seen = attention, self.layers[number + 1].input_layernorm(rows)
        return self.norm(rows), looks, seen


class Projector(nn.Module):
    """Features of the vision tower to rows of the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(vision.WIDTH, WIDTH)
        self.linear_2 = nn.Linear(WIDTH, WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear_2(functional.gelu(self.linear_1(features)))


@torch.no_grad()
def initialise(decoder: Decoder, projector: Projector, generator: torch.Generator) -> None:
    """Truncated normal matrices, and blocks that initially add nothing."""
    for module in [*decoder.modules(), *projector.modules()]:
        if isinstance(module, nn.Linear | nn.Embedding):
            deviation = 0.5 if isinstance(module, nn.Embedding) else module.in_features**-0.5
            nn.init.trunc_normal_(module.weight, std=deviation, generator=generator)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
    for layer in decoder.layers:
        nn.init.zeros_(layer.o_proj.weight)
        nn.init.zeros_(layer.down_proj.weight)
    nn.init.zeros_(decoder.lm_head.weight)


@torch.no_grad()
def initialise_projector(projector: Projector, features: Tensor, seed: int) -> None:
    """Starts the projector on standardised features [n, vision.WIDTH].

    As they are, their means and deviations are so large that GELU cuts the same units off for most
    patches, and these units never learn.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in (projector.linear_1, projector.linear_2):
        nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
        nn.init.zeros_(layer.bias)
    features = features.float()
    projector.linear_1.weight /= features.std(0)
    projector.linear_1.bias -= projector.linear_1.weight @ features.mean(0)
