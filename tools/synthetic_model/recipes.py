# SPDX-License-Identifier: Apache-2.0
"""The type in which llama-quantize stores each tensor."""

from __future__ import annotations

from dataclasses import dataclass

from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType


@dataclass(frozen=True)
class Recipe:
    """A named mixture: the main type, that of the LM head, that of sensitive matrices."""

    file_type: LlamaFileType
    base: Type
    output: Type
    sensitive: Type  # of attn_v and ffn_down in the layers that use_more_bits names

    def type_of(self, part: str, layer: int | None, layers: int) -> Type:
        """The type of a matrix of the text model, named as in blk.N.part.weight."""
        if part == "output":
            return self.output
        if layer is not None and part in ("attn_v", "ffn_down") and use_more_bits(layer, layers):
            return self.sensitive
        return self.base


@dataclass(frozen=True)
class MediumThreeBits(Recipe):
    """Q3_K_M: values, attention outputs and down projections have more bits in every layer."""

    first: Type  # of attn_v in two layers and of ffn_down in the first sixteenth

    def type_of(self, part: str, layer: int | None, layers: int) -> Type:
        finer = {"attn_v": 2, "ffn_down": layers // 16, "attn_output": 0}
        if layer is None or part not in finer:
            return super().type_of(part, layer, layers)
        return self.first if layer < finer[part] else self.sensitive


def use_more_bits(layer: int, layers: int) -> bool:
    """llama.cpp's layers for the type with more bits: first and last eighth, every third."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


RECIPES = {
    "Q4_0": Recipe(LlamaFileType.MOSTLY_Q4_0, Type.Q4_0, Type.Q6_K, Type.Q4_0),
    "Q3_K_M": MediumThreeBits(
        LlamaFileType.MOSTLY_Q3_K_M, Type.Q3_K, Type.Q6_K, Type.Q4_K, Type.Q5_K
    ),
    "Q4_K_M": Recipe(LlamaFileType.MOSTLY_Q4_K_M, Type.Q4_K, Type.Q6_K, Type.Q6_K),
    "Q5_K_M": Recipe(LlamaFileType.MOSTLY_Q5_K_M, Type.Q5_K, Type.Q6_K, Type.Q6_K),
    "Q6_K": Recipe(LlamaFileType.MOSTLY_Q6_K, Type.Q6_K, Type.Q6_K, Type.Q6_K),
    "Q8_0": Recipe(LlamaFileType.MOSTLY_Q8_0, Type.Q8_0, Type.Q8_0, Type.Q8_0),
    "F16": Recipe(LlamaFileType.MOSTLY_F16, Type.F16, Type.F16, Type.F16),
}
