# SPDX-License-Identifier: Apache-2.0
"""LLaVA-OneVision: what convert-hf makes of its folder, and its golden values."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, SiglipVisionConfig

from golden_models.building import build
from golden_models.golden_model import VISUAL_ROW, GoldenModel
from golden_models.onevision import ONEVISION_MODELS
from golden_models.pictures import SIZES, make_picture
from synthetic_model.shapes import SHAPES
from synthetic_model.text_model import text_file
from synthetic_model.vision_model import mmproj_file
from test_convert_hf import convert, edit_json, run
from test_qwen_vl import clip_metadata, linear, norm, shapes_of


@pytest.fixture
def folder(originals: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the folder, to be changed."""
    return Path(shutil.copytree(originals["onevision"], tmp_path / "model"))


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> GoldenModel:
    return build(ONEVISION_MODELS[0], tmp_path_factory.mktemp("golden"), ONEVISION_MODELS[0].seed)


def test_the_mmproj_is_siglip_with_llavas_projector_and_grids(folder: Path, tmp_path: Path) -> None:
    _, path = convert(folder, tmp_path)
    shapes = {"v.patch_embd.weight": [7, 7, 3, 24], "v.patch_embd.bias": [24]}
    shapes |= {"v.position_embd.weight": [24, 16], "v.image_newline": [48]}
    for block in range(3):
        name = f"v.blk.{block}"
        shapes |= norm(f"{name}.ln1", 24) | norm(f"{name}.ln2", 24)
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            shapes |= linear(f"{name}.{part}", 24, 24)
        shapes |= linear(f"{name}.ffn_up", 24, 40) | linear(f"{name}.ffn_down", 40, 24)
    shapes |= linear("mm.0", 24, 48) | linear("mm.2", 48, 48)
    assert shapes_of(path) == shapes
    found = clip_metadata(path)
    assert (found["projector_type"], found["use_gelu"]) == ("mlp", True)
    assert found["vision.image_aspect_ratio"] == "anyres_max_2"
    assert found["vision.mm_patch_merge_type"] == "spatial_unpad"
    assert found["vision.feature_layer"] == [3] and found["vision.block_count"] == 3
    sides = (28, 56, 84)
    grids = [side for height in sides for width in sides for side in (width, height)]
    assert found["vision.image_grid_pinpoints"] == grids


def test_blocks_above_the_selected_layer_are_dropped(folder: Path, tmp_path: Path) -> None:
    edit_json(folder / "config.json", lambda config: config.update(vision_feature_layer=-2))
    _, path = convert(folder, tmp_path)
    assert clip_metadata(path)["vision.feature_layer"] == [2]
    assert not [name for name in shapes_of(path) if name.startswith("v.blk.2.")]


def change(**values: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "config.json", lambda config: config.update(values))


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "another aspect ratio": (change(vision_aspect_ratio="anyres"), "vision_aspect_ratio anyres is not"),
    "without a class token": (change(vision_feature_select_strategy="default"), "strategy default is not"),
    "several layers": (change(vision_feature_layer=[-2, -1]), "only one"),
    "another activation": (change(projector_hidden_act="relu"), "projector_hidden_act relu is not"),
    "grids between tiles": (change(image_grid_pinpoints=[[28, 30]]), "expected two multiples of 28"),
    "CLIP": (
        lambda folder: edit_json(
            folder / "config.json", lambda config: config["vision_config"].update(model_type="clip")
        ),
        "vision model type clip is not supported",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_one_line_and_leaves_nothing(folder: Path, tmp_path: Path, case: str) -> None:
    spoil, message = REFUSED[case]
    spoil(folder)
    result = run(folder, tmp_path / "out")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "tiles", "lines", "columns"),
    # Of 4 × 4 cells a tile, the picture fills 4 × 6, 8 × 12, 12 × 12 and 2 × 12; at most about 32 are kept.
    [("small", 2, 4, 6), ("landscape", 6, 4, 6), ("square", 9, 5, 5), ("wide", 3, 2, 12)],
)
def test_grids_are_scaled_down_above_two_tiles(
    golden: GoldenModel, name: str, tiles: int, lines: int, columns: int
) -> None:
    case = next(case for case in golden.specification.cases if case.name == name)
    with torch.no_grad():
        sight = golden.specification.family.look(golden, case, [make_picture(*SIZES[name], seed=1)])
    assert len(sight.stages["pixels"]) == 1 + tiles
    assert sight.tokens.count(VISUAL_ROW) == 16 + lines * (columns + 1)
    assert sight.stages["received"].sum(axis=1) == pytest.approx([2.0] * (1 + tiles), rel=1e-5)


def test_several_pictures_are_one_tile_and_a_newline_each(golden: GoldenModel) -> None:
    case = next(case for case in golden.specification.cases if case.name == "two-pictures")
    with torch.no_grad():
        sight = golden.specification.family.look(
            golden, case, [make_picture(31, 23, seed=1), make_picture(20, 40, seed=2)]
        )
    assert sight.stages["pixels"].shape == (2, 3, 28, 28)
    assert sight.tokens.count(VISUAL_ROW) == 2 * 17


@pytest.mark.parametrize("name", ["onevision-0.5b", "onevision-7b"])
def test_synthetic_shapes_have_as_many_weights_as_transformers_models(name: str) -> None:
    text, vision = SHAPES[name].text, SHAPES[name].vision
    config = LlavaOnevisionConfig(
        text_config={
            "model_type": "qwen2", "hidden_size": text.width, "intermediate_size": text.feed_forward,
            "num_hidden_layers": text.layers, "num_attention_heads": text.heads,
            "num_key_value_heads": text.key_value_heads, "vocab_size": text.vocabulary,
        },
        vision_config=SiglipVisionConfig(
            hidden_size=vision.width, intermediate_size=vision.feed_forward, num_hidden_layers=vision.blocks,
            num_attention_heads=vision.heads, image_size=vision.image_side, patch_size=vision.patch_side,
            vision_use_head=False,
        ),
    )  # fmt: skip
    with torch.device("meta"):
        model = LlavaOnevisionForConditionalGeneration(config)
    expected = sum(parameter.numel() for parameter in model.parameters())
    expected -= 2 * vision.width  # of the last norm, which is not run
    expected -= text.vocabulary * text.width if text.tied else 0
    files = text_file(name, SHAPES[name].text, "Q8_0", seed=0), mmproj_file(name, SHAPES[name], "F16", seed=0)
    assert sum(int(torch.Size(tensor.shape).numel()) for file in files for tensor in file.tensors) == expected
