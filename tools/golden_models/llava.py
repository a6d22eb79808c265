# SPDX-License-Identifier: Apache-2.0
"""LLaVA-1.5 and LLaVA-NeXT: a model for each decoder architecture, tiling and rotary variant."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from transformers import (
    BaseImageProcessor,
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    PreTrainedModel,
)
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor

from .golden_model import MARKER, VISUAL_ROW, GoldenModel, Sight, text_configuration
from .pictures import pad_to_square
from .spared_towers import spare_tiles
from .sparing import Stages
from .specification import SMALL_TEXT, CaseSpecification, ModelSpecification

VICUNA = "USER: <image>\nWhat is in the picture? ASSISTANT:"
VICUNA_TWO = "USER: <image>\n<image>\nWhich of the two is red? ASSISTANT:"
MISTRAL = "[INST] <image>\nHow many dogs can you see? [/INST]"
LLAMA3 = (
    "<|start_header_id|>user<|end_header_id|>\n\n<image>\nIt's 2019: what's there?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
CHATML = "<|im_start|>user\n<image>\nDescribe the house.<|im_end|>\n<|im_start|>assistant\n"
LLAMA_TOKENS = ("<image>", "<pad>")
LLAMA3_TOKENS = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<image>",
)  # fmt: skip
CHATML_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>")
PHI3_TOKENS = (
    "<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>", "<image>", "<pad>",
)  # fmt: skip


def tile_grids(side: int) -> list[list[int]]:
    """LLaVA-NeXT's grids for tiles of the given side, height first, as 336 px models have them."""
    return [[h * side, w * side] for h, w in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))]


@dataclass(frozen=True)
class Llava:
    """LLaVA-1.5, or LLaVA-NeXT."""

    next_model: bool = False

    def assemble(
        self, specification: ModelSpecification, image_token: int
    ) -> tuple[PreTrainedModel, BaseImageProcessor]:
        side = specification.vision["image_size"]
        settings = {
            "vision_config": CLIPVisionConfig(**specification.vision),
            "text_config": text_configuration(specification),
            "image_token_index": image_token,
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
            "tie_word_embeddings": bool(specification.text.get("tie_word_embeddings", False)),
        }  # fmt: skip
        sizes = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
        if not self.next_model:
            config = LlavaConfig(**settings)
            config._attn_implementation = "eager"
            return LlavaForConditionalGeneration(config), CLIPImageProcessor(**sizes)
        grids = tile_grids(side)
        config = LlavaNextConfig(**settings, image_grid_pinpoints=grids)
        config._attn_implementation = "eager"
        pictures = LlavaNextImageProcessor(**sizes, image_grid_pinpoints=grids)
        return LlavaNextForConditionalGeneration(config), pictures

    def look(self, golden: GoldenModel, case: CaseSpecification, pictures: list[Image.Image]) -> Sight:
        pictures = [picture.convert("RGB") for picture in pictures]
        if case.layout == "pad":
            fill = tuple(int(255 * mean) for mean in golden.pictures.image_mean)
            pictures = [pad_to_square(picture, fill) for picture in pictures]
        batch = golden.pictures.preprocess(pictures, return_tensors="pt")
        inputs = {key: batch[key] for key in ("pixel_values", "image_sizes") if key in batch}
        tiles = inputs["pixel_values"].flatten(0, -4)  # [tiles, 3, side, side]
        tower = golden.model.model.vision_tower

        def compute() -> Stages:
            output = tower(tiles, output_hidden_states=True, output_attentions=True)
            projected = golden.model.get_image_features(**inputs)  # one [visual tokens, width] per picture
            return {
                "features": output.hidden_states[-2][:, 1:].numpy(),
                "projected": torch.cat(list(projected)).numpy(),
                # From the class token, in the last block that the features have passed.
                "received": output.attentions[-2][:, :, 0, 1:].sum(dim=1).numpy(),
            }

        whole = compute()
        stages = {"pixels": tiles.numpy(), "features": whole["features"], "projected": whole["projected"]}
        counts = [len(rows) for rows in golden.model.get_image_features(**inputs)]
        if counts != self._expected_counts(golden, case, inputs):
            raise AssertionError(f"{case.name}: {counts} visual tokens; the processor counts others")
        sight = Sight(inputs, stages, prompt_tokens(golden, case.prompt, counts))
        if case.name == golden.specification.spared_case:
            spared, sight.gap = spare_tiles(tower, tiles, whole, compute)
            sight.stages |= spared
        return sight

    def _expected_counts(
        self, golden: GoldenModel, case: CaseSpecification, inputs: dict[str, torch.Tensor]
    ) -> list[int]:
        """The processor's own counts of visual tokens."""
        side, patch = (golden.specification.vision[key] for key in ("image_size", "patch_size"))
        if not self.next_model:
            return [(side // patch) ** 2] * len(case.pictures)
        processor = LlavaNextProcessor.__new__(LlavaNextProcessor)
        processor.image_processor, processor.patch_size = golden.pictures, patch
        processor.num_additional_image_tokens = 0
        sizes = inputs["image_sizes"].tolist()
        return [processor._get_number_of_features(h, w, side, side) for h, w in sizes]


def prompt_tokens(golden: GoldenModel, prompt: str, counts: list[int]) -> list[int]:
    """Token ids with each text chunk tokenised on its own and a marker row per visual token."""
    tokens = [] if golden.begin is None else [golden.begin]
    for index, chunk in enumerate(prompt.split(MARKER)):
        tokens += [VISUAL_ROW] * counts[index - 1] if index else []
        tokens += golden.encode(chunk) if chunk else []
    return tokens


def pad_cases(prompt: str, *pictures: str) -> tuple[CaseSpecification, ...]:
    return tuple(CaseSpecification(f"{p}-pad", (p,), "pad", prompt) for p in pictures)


LARGE_VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 3,
    "patch_size": 14, "image_size": 56, "projection_dim": 16,
}  # fmt: skip
SMALL_VISION = LARGE_VISION | {
    "hidden_size": 24, "intermediate_size": 40, "patch_size": 7, "image_size": 42,
}  # fmt: skip
LLAVA_MODELS = (
    ModelSpecification(
        name="llava-1.5-mha",
        family=Llava(),
        seed=24,
        text={
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
            "rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
        },
        vision=LARGE_VISION,
        vocabulary="sentencepiece",
        special_tokens=LLAMA_TOKENS,
        rows=352,
        cases=(
            *pad_cases(VICUNA, "landscape", "portrait", "square", "wide", "small"),
            CaseSpecification("landscape-crop", ("landscape",), "crop", VICUNA),
            CaseSpecification("two-pictures-pad", ("portrait", "wide"), "pad", VICUNA_TWO),
        ),
    ),
    ModelSpecification(
        name="llava-1.5-gqa",
        family=Llava(),
        seed=94,
        text=SMALL_TEXT | {
            "model_type": "llama", "rope_theta": 500000.0, "max_position_embeddings": 8192,
            "attention_bias": True,
            "rope_scaling": {
                "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
            },
        },
        vision=SMALL_VISION,
        vocabulary="llama-bpe",
        special_tokens=LLAMA3_TOKENS,
        rows=320,
        spared_case="portrait-pad",
        cases=pad_cases(LLAMA3, "portrait", "wide"),
    ),
    ModelSpecification(
        name="llava-next-mistral",
        family=Llava(next_model=True),
        seed=12,
        text=SMALL_TEXT | {
            "model_type": "mistral", "rope_theta": 1e6, "max_position_embeddings": 32768,
            "sliding_window": None, "head_dim": 8,
        },
        vision=SMALL_VISION,
        vocabulary="sentencepiece-json",
        special_tokens=LLAMA_TOKENS,
        rows=344,
        shard_size="200KB",
        spared_case="landscape-anyres",
        cases=tuple(
            CaseSpecification(f"{picture}-anyres", (picture,), "anyres", MISTRAL)
            for picture in ("landscape", "portrait", "square", "wide", "small")
        ),
    ),
    ModelSpecification(
        name="llava-qwen2",
        family=Llava(),
        seed=19,
        text=SMALL_TEXT | {
            "model_type": "qwen2", "rope_theta": 1e6, "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
            "rope_scaling": {"rope_type": "linear", "factor": 4.0},
        },
        vision=SMALL_VISION,
        vocabulary="qwen2",
        special_tokens=CHATML_TOKENS,
        rows=320,
        embedding_deviation=0.4,
        cases=pad_cases(CHATML, "landscape", "square"),
    ),
    ModelSpecification(
        name="llava-phi3",
        family=Llava(),
        seed=83,
        text=SMALL_TEXT | {
            "model_type": "phi3", "num_attention_heads": 4, "num_key_value_heads": 4,
            "max_position_embeddings": 2048, "original_max_position_embeddings": 512,
            "sliding_window": 2047, "pad_token_id": 346, "bos_token_id": 1, "eos_token_id": 2,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0, 1.05, 1.1, 1.3, 1.5, 2.0],
                "long_factor": [1.1, 1.6, 2.5, 4.0, 7.0, 12.0],
            },
        },
        vision=SMALL_VISION,
        vocabulary="sentencepiece",
        special_tokens=PHI3_TOKENS,
        rows=352,
        cases=pad_cases(VICUNA, "square", "landscape"),
    ),
)  # fmt: skip
