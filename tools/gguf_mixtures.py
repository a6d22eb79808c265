# SPDX-License-Identifier: Apache-2.0
"""The type in which llama.cpp's quantiser stores each tensor of a text model, for each of its mixtures.

Mixtures of IQ types are those that it makes with an importance matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import gguf
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType


@dataclass(frozen=True)
class Place:
    """The layer that a matrix belongs to, and how many query heads share a key-value head in it."""

    layer: int
    layers: int
    sharing: int

    @property
    def in_first_eighth(self) -> bool:
        return self.layer < self.layers // 8

    @property
    def in_middle(self) -> bool:
        return self.layers // 8 <= self.layer < 7 * self.layers // 8

    @property
    def gets_more_bits(self) -> bool:
        """Whether the layer is in the first or last eighth, or one of every three between."""
        return not self.in_middle or (self.layer - self.layers // 8) % 3 == 2

    @property
    def shares_widely(self) -> bool:
        return self.sharing >= 4


# The type of a matrix where it is not the mixture's main type.
Rule = Callable[[Place], Type | None]


@dataclass(frozen=True)
class Mixture:
    """A named mixture: its main type, and what is stored otherwise."""

    file_type: LlamaFileType
    base: Type
    output: Type  # of the LM head
    embedding: Type  # of the token embedding, if it is not the LM head as well
    rules: dict[str, Rule] = field(default_factory=dict)

    def type_of(
        self, part: str, layer: int | None, layers: int, *, sharing: int, row_length: int, tied: bool = False
    ) -> Type:
        """The type of a matrix, named as in blk.N.part.weight, that fits its rows.

        `sharing` is the number of query heads for each key-value head; `tied` says that the file has no
        LM head beside the token embedding.
        """
        if part == "output" or (part == "token_embd" and tied):
            return fitting(self.output if fits(self.base, row_length) else Type.Q8_0, row_length)
        if layer is None:
            return fitting(self.embedding if part == "token_embd" else self.base, row_length)
        values = part in ("attn_v", "attn_qkv")
        rule = self.rules.get("attn_v" if values else part)
        kind = (rule(Place(layer, layers, sharing)) if rule else None) or self.base
        if values and layers == 80 and sharing > 1 and kind in (Type.Q3_K, Type.Q4_K):
            kind = Type.Q5_K  # as in the models of 70 billion parameters, where these matrices are small
        return fitting(kind, row_length)


# What stands in for a type whose blocks do not fill the rows of a matrix.
SMALLER_BLOCKS = {
    Type.Q2_K: Type.Q4_0, Type.Q3_K: Type.Q4_0, Type.TQ1_0: Type.Q4_0, Type.TQ2_0: Type.Q4_0,
    Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q5_1, Type.Q6_K: Type.Q8_0,
    Type.IQ1_S: Type.IQ4_NL, Type.IQ1_M: Type.IQ4_NL, Type.IQ2_XXS: Type.IQ4_NL, Type.IQ2_XS: Type.IQ4_NL,
    Type.IQ2_S: Type.IQ4_NL, Type.IQ3_XXS: Type.IQ4_NL, Type.IQ3_S: Type.IQ4_NL, Type.IQ4_XS: Type.IQ4_NL,
}  # fmt: skip


def fits(kind: Type, row_length: int) -> bool:
    """Whether a row is whole blocks of a type."""
    return row_length % gguf.GGML_QUANT_SIZES[kind][0] == 0


def fitting(kind: Type, row_length: int) -> Type:
    """The type, one with smaller blocks, or F16: whichever a row is whole blocks of."""
    for candidate in (kind, SMALLER_BLOCKS.get(kind, kind)):
        if fits(candidate, row_length):
            return candidate
    return Type.F16


def always(kind: Type) -> Rule:
    return lambda place: kind


def more_bits(kind: Type) -> Rule:
    return lambda place: kind if place.gets_more_bits else None


def first_eighth(kind: Type) -> Rule:
    return lambda place: kind if place.in_first_eighth else None


def widely_shared(kind: Type, otherwise: Type | None = None) -> Rule:
    return lambda place: kind if place.shares_widely else otherwise


def first_layers(count: int, kind: Type, otherwise: Type | None = None) -> Rule:
    return lambda place: kind if place.layer < count else otherwise


def mixture(
    name: str, base: Type, output: Type = Type.Q6_K, embedding: Type | None = None, **rules: Rule
) -> Mixture:
    """A mixture with the file type of its name."""
    return Mixture(LlamaFileType[f"MOSTLY_{name}"], base, output, embedding or base, rules)


def two_bits(name: str, base: Type, embedding: Type, **rules: Rule) -> Mixture:
    """A mixture of one or two bits: values and the first down projections have the embedding's type."""
    rules = {
        "attn_v": widely_shared(Type.Q4_K, embedding), "ffn_down": first_eighth(embedding), **rules
    }  # fmt: skip
    return mixture(name, base, Type.Q5_K, embedding, **rules)


def floats(file_type: LlamaFileType, base: Type) -> Mixture:
    return Mixture(file_type, base, base, base)


MIXTURES = {
    "F32": floats(LlamaFileType.ALL_F32, Type.F32),
    "F16": floats(LlamaFileType.MOSTLY_F16, Type.F16),
    "BF16": floats(LlamaFileType.MOSTLY_BF16, Type.BF16),
    "Q8_0": mixture("Q8_0", Type.Q8_0, Type.Q8_0),
    "Q4_0": mixture("Q4_0", Type.Q4_0),
    "Q4_1": mixture("Q4_1", Type.Q4_1),
    "Q5_0": mixture("Q5_0", Type.Q5_0),
    "Q5_1": mixture("Q5_1", Type.Q5_1),
    "Q2_K": mixture(
        "Q2_K", Type.Q2_K, attn_v=widely_shared(Type.Q4_K, Type.Q3_K), ffn_down=always(Type.Q3_K),
        attn_output=always(Type.Q3_K),
    ),
    "Q2_K_S": mixture(
        "Q2_K_S", Type.Q2_K, attn_v=widely_shared(Type.Q4_K), ffn_down=first_eighth(Type.Q4_K)
    ),
    "Q3_K_S": mixture("Q3_K_S", Type.Q3_K),
    "Q3_K_M": mixture(
        "Q3_K_M", Type.Q3_K, attn_v=first_layers(2, Type.Q5_K, Type.Q4_K),
        ffn_down=lambda place: Type.Q5_K if place.layer < place.layers // 16 else Type.Q4_K,
        attn_output=always(Type.Q4_K),
    ),
    "Q3_K_L": mixture(
        "Q3_K_L", Type.Q3_K, attn_v=always(Type.Q5_K), ffn_down=always(Type.Q5_K),
        attn_output=always(Type.Q5_K),
    ),
    "Q4_K_S": mixture(
        "Q4_K_S", Type.Q4_K, attn_v=first_layers(4, Type.Q5_K), ffn_down=first_eighth(Type.Q5_K)
    ),
    "Q4_K_M": mixture(
        "Q4_K_M", Type.Q4_K, attn_v=more_bits(Type.Q6_K), ffn_down=more_bits(Type.Q6_K)
    ),
    "Q5_K_S": mixture("Q5_K_S", Type.Q5_K),
    "Q5_K_M": mixture(
        "Q5_K_M", Type.Q5_K, attn_v=more_bits(Type.Q6_K), ffn_down=more_bits(Type.Q6_K)
    ),
    "Q6_K": mixture("Q6_K", Type.Q6_K),
    "IQ1_S": two_bits("IQ1_S", Type.IQ1_S, Type.Q2_K, attn_output=always(Type.IQ2_XXS)),
    "IQ1_M": two_bits("IQ1_M", Type.IQ1_M, Type.Q2_K, attn_output=always(Type.IQ2_XXS)),
    "IQ2_XXS": two_bits("IQ2_XXS", Type.IQ2_XXS, Type.Q2_K),
    "IQ2_XS": two_bits("IQ2_XS", Type.IQ2_XS, Type.Q2_K),
    "IQ2_S": two_bits("IQ2_S", Type.IQ2_XS, Type.IQ3_S, attn_output=always(Type.IQ3_S)),
    "IQ2_M": two_bits("IQ2_M", Type.IQ2_S, Type.IQ3_S, attn_output=always(Type.IQ3_S)),
    "IQ3_XXS": mixture(
        "IQ3_XXS", Type.IQ3_XXS, Type.Q5_K, Type.IQ3_S, attn_v=widely_shared(Type.Q4_K),
        attn_q=always(Type.IQ2_S), attn_k=always(Type.IQ2_S), attn_output=always(Type.IQ3_S),
    ),
    "IQ3_S": mixture("IQ3_S", Type.IQ3_S, attn_v=widely_shared(Type.Q4_K)),
    "IQ3_M": mixture(
        "IQ3_M", Type.IQ3_S, attn_v=always(Type.Q4_K), ffn_down=first_eighth(Type.Q4_K),
        attn_output=always(Type.Q4_K),
    ),
    "IQ4_NL": mixture("IQ4_NL", Type.IQ4_NL, attn_v=widely_shared(Type.Q5_K)),
    "IQ4_XS": mixture("IQ4_XS", Type.IQ4_XS, attn_v=widely_shared(Type.Q5_K)),
    "TQ1_0": mixture("TQ1_0", Type.TQ1_0, embedding=Type.Q4_K),
    "TQ2_0": mixture("TQ2_0", Type.TQ2_0, embedding=Type.Q4_K),
    "NVFP4": mixture("NVFP4", Type.NVFP4),
    "Q1_0": mixture("Q1_0", Type.Q1_0),
}  # fmt: skip
