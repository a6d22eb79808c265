# SPDX-License-Identifier: Apache-2.0
"""SmolVLM and Idefics3: a grid of tiles, then the whole picture, each with markers around its cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from PIL import Image
from transformers import (
    BaseImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    PreTrainedModel,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.idefics3.processing_idefics3 import get_image_prompt_string

from published_templates import SMOLVLM

from .golden_model import (
    MARKER,
    GoldenModel,
    Sight,
    attention_weights,
    received,
    text_configuration,
    with_visual_rows,
)
from .pictures import on_white
from .spared_towers import spare_tiles
from .sparing import Stages
from .specification import SMALL_TEXT, CaseSpecification, ModelSpecification

FAKE, WHOLE = "<fake_token_around_image>", "<global-img>"
MOST_TILES = 6  # of a side, that the vocabulary has markers for
LAYOUT = "idefics3"
HALVES = [0.5, 0.5, 0.5]


@dataclass(frozen=True)
class Idefics3:
    """A model of either class; both compute the same."""

    classes: tuple[type, type]  # configuration and model
    scale: int  # patches that a side of a cell takes
    longest_edge: int  # to which pictures are scaled

    def assemble(
        self, specification: ModelSpecification, image_token: int
    ) -> tuple[PreTrainedModel, BaseImageProcessor]:
        configuration, model = self.classes
        config = configuration(
            vision_config=dict(specification.vision),
            text_config=text_configuration(specification),
            image_token_id=image_token,
            scale_factor=self.scale,
            pad_token_id=0,
        )
        config._attn_implementation = "eager"
        pictures = Idefics3ImageProcessor(
            size={"longest_edge": self.longest_edge},
            max_image_size={"longest_edge": specification.vision["image_size"]},
            image_mean=HALVES,
            image_std=HALVES,
        )
        made = model(config)
        embeddings = made.model.vision_model.embeddings
        embeddings.forward = partial(embedded_in_order, embeddings)
        return made, pictures

    def look(self, golden: GoldenModel, case: CaseSpecification, pictures: list[Image.Image]) -> Sight:
        if not pictures:
            return Sight({}, {}, golden.encode(case.prompt))
        batch = golden.pictures.preprocess(
            [[on_white(picture) for picture in pictures]],
            size={"longest_edge": case.settings["longestEdge"]},
            return_row_col_info=True,
            return_tensors="pt",
        )
        tiles = batch["pixel_values"][0].float()  # [tiles, 3, side, side]
        tower, connector = golden.model.model.vision_model, golden.model.model.connector

        def compute() -> Stages:
            with attention_weights(tower.encoder.layers[-1].self_attn) as weights:
                hidden = tower(pixel_values=tiles).last_hidden_state
            return {
                "features": connector.pixel_shuffle(hidden, self.scale).numpy(),
                "projected": connector(hidden).flatten(0, 1).numpy(),
                "received": self._of_cells(received(weights[0])).numpy(),
            }

        stages = compute()
        cells = stages["features"].shape[1]
        prompt = expanded(case.prompt, list(zip(batch["rows"][0], batch["cols"][0], strict=True)), cells)
        sight = Sight(
            {"pixel_values": tiles[None]},
            stages | {"pixels": tiles.numpy()},
            with_visual_rows(golden, prompt),
        )
        if case.name == golden.specification.spared_case:
            spared, sight.gap = spare_tiles(tower, tiles, stages, compute)
            sight.stages |= spared
        return sight

    def _of_cells(self, patches: torch.Tensor) -> torch.Tensor:
        """The mean over the patches of each cell; [tiles, patches] to [tiles, cells]."""
        side = round(patches.shape[1] ** 0.5) // self.scale
        return patches.reshape(-1, side, self.scale, side, self.scale).mean(dim=(2, 4)).flatten(1)


def embedded_in_order(
    embeddings: torch.nn.Module, pixel_values: torch.Tensor, patch_attention_mask: torch.Tensor
) -> torch.Tensor:
    """Patches of whole tiles with their positions.

    In float32, transformers 4.57.6 gives the second patch of a line the position of the first, and so on (its
    pull request 47133). Models are trained and run in half precision, where that does not happen.
    """
    patches = embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
    return patches + embeddings.position_embedding.weight


def expanded(prompt: str, grids: list[tuple[int, int]], cells: int) -> str:
    """The prompt with the markers and tokens of each picture in its place, as the processor writes them."""
    first, *rest = prompt.split(MARKER)
    for (rows, columns), text in zip(grids, rest, strict=True):
        first += get_image_prompt_string(rows, columns, cells, FAKE, MARKER, WHOLE) + text
    return first


QUESTION = "<|im_start|>User:<image>What is in the picture?<end_of_utterance>\nAssistant:"
BETWEEN = (
    "<|im_start|>User: First there was<image>and then<image>What is the difference?<end_of_utterance>\n"
    "Assistant:"
)
TEXT_ALONE = (
    "<|im_start|>System: You know boats.<end_of_utterance>\n"
    "User: How many boats are on the water?<end_of_utterance>\nAssistant:"
)
SMOLVLM_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", FAKE, MARKER, "<end_of_utterance>", WHOLE,
    *(f"<row_{row + 1}_col_{column + 1}>" for row in range(MOST_TILES) for column in range(MOST_TILES)),
)  # fmt: skip


def case(name: str, pictures: tuple[str, ...], prompt: str, longest_edge: int) -> CaseSpecification:
    return CaseSpecification(name, pictures, LAYOUT, prompt, {"longestEdge": longest_edge})


SMOLVLM_MODELS = (
    ModelSpecification(
        name="smolvlm",
        family=Idefics3((SmolVLMConfig, SmolVLMForConditionalGeneration), scale=4, longest_edge=128),
        seed=121,
        text=SMALL_TEXT | {
            "model_type": "llama", "rope_theta": 1e5, "max_position_embeddings": 8192,
            "tie_word_embeddings": False,
        },
        vision={
            "hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 2, "num_hidden_layers": 3,
            "patch_size": 4, "image_size": 32,
        },
        vocabulary="smollm",
        special_tokens=SMOLVLM_TOKENS,
        rows=360,
        chat_template=SMOLVLM,
        spared_case="wide",
        cases=(
            case("wide", ("wide",), QUESTION, 128),
            case("landscape", ("landscape",), QUESTION, 128),
            case("portrait", ("portrait",), QUESTION, 128),
            case("square-64", ("square",), QUESTION, 64),
            case("small-whole", ("small",), QUESTION, 32),
            case("transparent", ("transparent",), QUESTION, 128),
            case("two-pictures", ("portrait", "wide"), BETWEEN, 64),
            case("text", (), TEXT_ALONE, 128),
        ),
    ),
    ModelSpecification(
        name="smolvlm-24",
        family=Idefics3((Idefics3Config, Idefics3ForConditionalGeneration), scale=3, longest_edge=48),
        seed=27,
        text=SMALL_TEXT | {
            "model_type": "llama", "rope_theta": 130000.0, "max_position_embeddings": 16384,
            "num_attention_heads": 4, "num_key_value_heads": 4, "tie_word_embeddings": False,
        },
        vision={
            "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_hidden_layers": 24,
            "patch_size": 4, "image_size": 24,
        },
        vocabulary="smollm",
        special_tokens=SMOLVLM_TOKENS,
        rows=356,
        chat_template=SMOLVLM,
        cases=(
            case("square", ("square",), QUESTION, 48),
            case("portrait", ("portrait",), QUESTION, 48),
            case("wide-whole", ("wide",), QUESTION, 24),
        ),
    ),
)  # fmt: skip
