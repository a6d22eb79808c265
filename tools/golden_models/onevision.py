# SPDX-License-Identifier: Apache-2.0
"""LLaVA-OneVision: one picture as a grid of tiles that may be scaled down, several as a square each.

Frames of a video are stretched to a square each, whose rows are pooled.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from transformers import (
    BaseImageProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    PreTrainedModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
)
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor

from published_templates import ONEVISION

from .golden_model import (
    MARKER,
    VISUAL_ROW,
    GoldenModel,
    Sight,
    attention_weights,
    received,
    text_configuration,
    with_visual_rows,
)
from .spared_towers import spare_tiles
from .sparing import Stages
from .specification import SMALL_TEXT, CaseSpecification, ModelSpecification

HALVES = [0.5, 0.5, 0.5]
MOST_OF_A_SIDE = 3  # tiles


@dataclass(frozen=True)
class Onevision:
    """A model whose grids are scaled down above so many tiles."""

    most_tiles: int

    @property
    def aspect_ratio(self) -> str:
        return f"anyres_max_{self.most_tiles}"

    def assemble(
        self, specification: ModelSpecification, image_token: int
    ) -> tuple[PreTrainedModel, BaseImageProcessor]:
        side = specification.vision["image_size"]
        sides = [(place + 1) * side for place in range(MOST_OF_A_SIDE)]
        grids = [[height, width] for height in sides for width in sides]
        config = LlavaOnevisionConfig(
            vision_config=SiglipVisionConfig(**specification.vision),
            text_config=text_configuration(specification),
            image_token_index=image_token,
            video_token_index=image_token + 1,
            vision_aspect_ratio=self.aspect_ratio,
            image_grid_pinpoints=grids,
        )
        config._attn_implementation = "eager"
        pictures = LlavaOnevisionImageProcessor(
            size={"height": side, "width": side},
            image_grid_pinpoints=grids,
            image_mean=HALVES,
            image_std=HALVES,
        )
        return LlavaOnevisionForConditionalGeneration(config), pictures

    def look(self, golden: GoldenModel, case: CaseSpecification, pictures: list[Image.Image]) -> Sight:
        if not pictures:
            return Sight({}, {}, golden.encode(case.prompt))
        if case.layout == VIDEO:
            return self._watch(golden, case, pictures)
        batch = golden.pictures.preprocess([pictures], return_tensors="pt")
        inputs = {key: batch[key] for key in ("pixel_values", "image_sizes", "batch_num_images")}
        inputs["pixel_values"] = inputs["pixel_values"].float()
        tiles = inputs["pixel_values"].flatten(0, 1)  # [tiles, 3, side, side]; no picture has fewer
        tower = golden.model.model.vision_tower

        def compute() -> Stages:
            with attention_weights(tower.vision_model.encoder.layers[-1].self_attn) as weights:
                hidden = tower(tiles, output_hidden_states=True).hidden_states
            # One [visual tokens, width] per picture.
            projected = golden.model.model.get_image_features(**inputs)
            return {
                "features": hidden[-1].numpy(),
                "projected": torch.cat(list(projected)).numpy(),
                "received": received(weights[0]).numpy(),
            }

        stages = compute()
        prompt = self._expanded(golden, case.prompt, inputs)
        sight = Sight(inputs, stages | {"pixels": tiles.numpy()}, with_visual_rows(golden, prompt))
        if case.name == golden.specification.spared_case:
            spared, sight.gap = spare_tiles(tower, tiles, stages, compute)
            sight.stages |= spared
        return sight

    def _watch(self, golden: GoldenModel, case: CaseSpecification, frames: list[Image.Image]) -> Sight:
        """A video with frames as SigLIP's processor stretches them; transformers' own needs torchvision."""
        side = golden.specification.vision["image_size"]
        size = {"height": side, "width": side}
        processor = SiglipImageProcessor(
            size=size, resample=Image.Resampling.BICUBIC, image_mean=HALVES, image_std=HALVES
        )
        frames = [frame.convert("RGB") for frame in frames]
        pixels = processor.preprocess(frames, return_tensors="pt")["pixel_values"].float()
        model = golden.model.model
        hidden = model.vision_tower(pixels, output_hidden_states=True).hidden_states
        rows = model.get_video_features(pixels[None], -1, "full")[0]  # [frames · rows of a frame, width]
        rows = torch.cat([rows, model.image_newline[None]])
        stages = {"pixels": pixels.numpy(), "features": hidden[-1].numpy(), "projected": rows.numpy()}
        before, after = (golden.encode(text) for text in case.prompt.split(MARKER))
        return Sight(
            {"pixel_values_videos": pixels[None]},
            stages,
            [*before, *[VISUAL_ROW] * len(rows), *after],
            visual_token=golden.model.config.video_token_index,
        )

    def _expanded(self, golden: GoldenModel, prompt: str, inputs: dict[str, torch.Tensor]) -> str:
        """The prompt with as many picture tokens as the processor writes."""
        side, patch = (golden.specification.vision[key] for key in ("image_size", "patch_size"))
        processor = LlavaOnevisionProcessor.__new__(LlavaOnevisionProcessor)
        processor.image_processor, processor.vision_aspect_ratio = golden.pictures, self.aspect_ratio
        processor.num_image_tokens = (side // patch) ** 2
        processor.vision_feature_select_strategy = "full"
        sizes, counts = iter(inputs["image_sizes"].tolist()), iter(inputs["batch_num_images"].tolist())
        (text,), _ = processor._expand_image_tokens([prompt], sizes, side, side, MARKER, counts)
        return text


QUESTION = "<|im_start|>user <image>\nDescribe the house.<|im_end|><|im_start|>assistant\n"
TWO = "<|im_start|>user <image><image>\nWhich of the two is red?<|im_end|><|im_start|>assistant\n"
TEXT_ALONE = "<|im_start|>user \nHow many boats are on the water?<|im_end|><|im_start|>assistant\n"
FILM = "<|im_start|>user <image>\nWhat happens to the boat?<|im_end|><|im_start|>assistant\n"
LAYOUT = "onevision"
VIDEO = "video"

ONEVISION_MODELS = (
    ModelSpecification(
        name="onevision",
        family=Onevision(most_tiles=2),
        seed=1,
        text=SMALL_TEXT | {
            "model_type": "qwen2", "rope_theta": 1e6, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
            "tie_word_embeddings": False,
        },
        vision={
            "hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 2, "num_hidden_layers": 3,
            "patch_size": 7, "image_size": 28, "vision_use_head": False,
        },
        vocabulary="qwen2",
        special_tokens=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"),
        rows=320,
        chat_template=ONEVISION,
        spared_case="small",
        cases=(
            # Two tiles, as they are; then grids that are scaled down, and one whose rows are few.
            *(
                CaseSpecification(name, (name,), LAYOUT, QUESTION)
                for name in ("small", "landscape", "square", "portrait", "wide")
            ),
            CaseSpecification("two-pictures", ("portrait", "wide"), LAYOUT, TWO),
            CaseSpecification("text", (), LAYOUT, TEXT_ALONE),
            CaseSpecification("video", ("landscape", "portrait", "wide"), VIDEO, FILM),
        ),
    ),
)  # fmt: skip
