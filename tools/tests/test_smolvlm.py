# SPDX-License-Identifier: Apache-2.0
"""SmolVLM and Idefics3: what convert-hf makes of their folders, and their golden values."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Type
from PIL import Image
from safetensors.numpy import load_file, save_file
from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

from golden_models.building import build
from golden_models.golden_model import VISUAL_ROW, GoldenModel
from golden_models.idefics3 import SMOLVLM_MODELS, expanded
from golden_models.pictures import make_picture, make_transparent, on_white
from hf_conversion.idefics3 import idefics3_tower
from synthetic_model.shapes import SHAPES
from synthetic_model.text_model import text_file
from synthetic_model.vision_model import mmproj_file
from test_convert_hf import convert, edit_json, metadata, run

WIDTH, INNER, TEXT, BLOCKS, CELL = 24, 40, 48, 3, 16


@pytest.fixture
def folder(originals: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the SmolVLM folder, to be changed."""
    return Path(shutil.copytree(originals["smolvlm"], tmp_path / "model"))


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> GoldenModel:
    return build(SMOLVLM_MODELS[0], tmp_path_factory.mktemp("golden"), SMOLVLM_MODELS[0].seed)


def test_the_mmproj_has_what_llama_cpps_converter_writes(folder: Path, tmp_path: Path) -> None:
    """The names, shapes and keys of conversion/smolvlm.py in llama.cpp."""
    _, path = convert(folder, tmp_path)
    reader = gguf.GGUFReader(path)
    vectors = {"v.patch_embd.bias", "v.post_ln.weight", "v.post_ln.bias"}
    linear = {}
    for block in range(BLOCKS):
        name = f"v.blk.{block}"
        vectors |= {f"{name}.{norm}.{part}" for norm in ("ln1", "ln2") for part in ("weight", "bias")}
        linear |= {f"{name}.attn_{part}": [WIDTH, WIDTH] for part in ("q", "k", "v", "out")}
        linear |= {f"{name}.ffn_up": [WIDTH, INNER], f"{name}.ffn_down": [INNER, WIDTH]}
    shapes = {"v.patch_embd.weight": [4, 4, 3, WIDTH], "v.position_embd.weight": [WIDTH, 64]}
    shapes |= {name: [WIDTH] for name in vectors}
    shapes |= {f"{name}.weight": shape for name, shape in linear.items()}
    shapes |= {f"{name}.bias": shape[1:] for name, shape in linear.items()}
    shapes["mm.model.fc.weight"] = [CELL * WIDTH, TEXT]
    assert {tensor.name: tensor.shape.tolist() for tensor in reader.tensors} == shapes
    found = {name: field.contents() for name, field in reader.fields.items() if name.startswith("clip.")}
    assert found.pop("clip.vision.attention.layer_norm_epsilon") == pytest.approx(1e-6)
    assert found == {
        "clip.has_vision_encoder": True, "clip.projector_type": "idefics3", "clip.use_gelu": True,
        "clip.vision.projection_dim": TEXT, "clip.vision.image_size": 32, "clip.vision.patch_size": 4,
        "clip.vision.embedding_length": WIDTH, "clip.vision.feed_forward_length": INNER,
        "clip.vision.block_count": BLOCKS, "clip.vision.attention.head_count": 2,
        "clip.vision.image_mean": [0.5] * 3, "clip.vision.image_std": [0.5] * 3,
        "clip.vision.projector.scale_factor": 4, "clip.vision.preproc_image_size": 128,
    }  # fmt: skip


@pytest.mark.parametrize(("outtype", "wide"), [("f16", Type.F16), ("q8_0", Type.Q8_0)])
def test_embeddings_stay_in_full_precision(folder: Path, tmp_path: Path, outtype: str, wide: Type) -> None:
    _, path = convert(folder, tmp_path, "--mmproj-outtype", outtype)
    types = {tensor.name: tensor.tensor_type for tensor in gguf.GGUFReader(path).tensors}
    assert types["v.patch_embd.weight"] == types["v.position_embd.weight"] == Type.F32
    assert types["mm.model.fc.weight"] == wide
    assert types["v.blk.0.ffn_down.weight"] == Type.F16  # whose rows of 40 are no whole blocks of Q8_0


def test_the_text_file_is_a_llama_with_smollms_vocabulary(folder: Path, tmp_path: Path) -> None:
    path, _ = convert(folder, tmp_path)
    tokens = metadata(path, "tokenizer.ggml.tokens")
    assert metadata(path, "general.architecture") == "llama"
    assert metadata(path, "tokenizer.ggml.pre") == "smollm"
    assert metadata(path, "tokenizer.ggml.add_bos_token") is False
    assert tokens[metadata(path, "tokenizer.ggml.bos_token_id")] == "<|im_start|>"
    assert tokens[metadata(path, "tokenizer.ggml.eos_token_id")] == "<end_of_utterance>"
    assert "capitalize" in metadata(path, "tokenizer.chat_template")
    kinds = metadata(path, "tokenizer.ggml.token_type")
    for marker in ("<fake_token_around_image>", "<global-img>", "<image>", "<row_6_col_6>"):
        assert kinds[tokens.index(marker)] == gguf.TokenType.CONTROL
    names = {tensor.name for tensor in gguf.GGUFReader(path).tensors}
    assert {"output.weight", "blk.1.attn_k.weight", "output_norm.weight"} <= names


def test_what_config_leaves_out_is_filled_in() -> None:
    """SmolVLM-256M says no more than this of its tower."""
    vision = {"hidden_size": 768, "num_attention_heads": 12, "image_size": 512, "patch_size": 16}
    tower = idefics3_tower({"vision_config": vision})
    assert (tower.width, tower.feed_forward, tower.layers, tower.heads) == (768, 3072, 12, 12)
    assert (tower.image_side, tower.patch_side, tower.patches, tower.epsilon) == (512, 16, 1024, 1e-6)


def add_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.connector.modality_projection.other"] = np.zeros(3, np.float32)
    save_file(weights, folder / "model.safetensors")


def change_config(**values: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "config.json", lambda config: config.update(values))


def change_pictures(**values: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(
        folder / "preprocessor_config.json", lambda settings: settings.update(values)
    )


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "tiles of another size": (change_pictures(max_image_size={"longest_edge": 64}), "tiles of 64 pixels"),
    "no tile size": (change_pictures(max_image_size=None), "max_image_size.longest_edge is None"),
    "no longest edge": (change_pictures(size={"height": 4, "width": 4}), "size.longest_edge is None"),
    "another filter": (change_pictures(resample=3), "resample 3 is not supported"),
    "no tiles": (change_pictures(do_image_splitting=False), "do_image_splitting False is not supported"),
    "a cell that does not fit": (change_config(scale_factor=3), "scale_factor 3 does not divide 8"),
    "a negative cell": (change_config(scale_factor=-1), "expected a positive integer"),
    "a tensor without a name": (add_tensor, "GGUF has no name for tensor projector"),
    "another activation": (
        lambda folder: edit_json(
            folder / "config.json", lambda config: config["vision_config"].update(hidden_act="relu")
        ),
        "hidden_act relu is not supported",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_one_line_and_leaves_nothing(folder: Path, tmp_path: Path, case: str) -> None:
    spoil, message = REFUSED[case]
    spoil(folder)
    result = run(folder, tmp_path / "out")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_two_line_ends_before_the_whole_picture_are_one_token(golden: GoldenModel) -> None:
    prompt = expanded("User:<image>What", [(1, 2)], cells=4)
    tokens = golden.encode(prompt)
    assert tokens.count(golden.image_token) == 12
    assert golden.encode("\n\n")[0] in tokens and len(golden.encode("\n\n")) == 1
    assert golden.encode("\n")[0] not in tokens
    before, after = golden.encode("User:"), golden.encode("What")
    assert tokens[: len(before)] == before and tokens[-len(after) :] == after


def test_stages_of_a_picture_belong_together(golden: GoldenModel) -> None:
    case = golden.specification.cases[0]
    with torch.no_grad():
        sight = golden.specification.family.look(golden, case, [make_picture(199, 37, seed=3)])
    pixels, features = sight.stages["pixels"], sight.stages["features"]
    assert pixels.shape == (5, 3, 32, 32)  # four tiles beside each other, and the whole picture
    assert features.shape == (5, 4, CELL * WIDTH)
    projected = golden.model.model.connector.modality_projection.proj(torch.from_numpy(features))
    assert np.allclose(projected.detach().flatten(0, 1).numpy(), sight.stages["projected"], atol=1e-5)
    # Attention that a query gives is 1 a head, and a cell has the mean of its patches.
    assert sight.stages["received"].sum(axis=1) * CELL == pytest.approx([2.0] * 5, rel=1e-5)
    assert sight.tokens.count(VISUAL_ROW) == 20
    # Cells are squares of patches, which the position table tells apart.
    embedded = golden.model.model.vision_model.embeddings(torch.zeros(1, 3, 32, 32), None)[0]
    bias = golden.model.model.vision_model.embeddings.patch_embedding.bias
    table = golden.model.model.vision_model.embeddings.position_embedding.weight
    assert torch.allclose(embedded - bias, table, atol=1e-6)


def test_transparent_pictures_lie_on_white(golden: GoldenModel) -> None:
    picture = make_transparent(make_picture(40, 40, seed=1))
    assert on_white(picture).getpixel((6, 9)) == (255, 255, 255)
    assert on_white(picture).mode == "RGB"
    opaque = Image.new("RGB", (8, 8), (1, 2, 3))
    assert list(on_white(opaque).getdata()) == list(opaque.getdata())


@pytest.mark.parametrize("name", ["smolvlm-256m", "smolvlm-500m", "smolvlm2-2.2b"])
def test_synthetic_shapes_are_those_of_transformers_models(name: str) -> None:
    text, vision = SHAPES[name].text, SHAPES[name].vision
    config = SmolVLMConfig(
        text_config={
            "model_type": "llama", "hidden_size": text.width, "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads, "num_key_value_heads": text.key_value_heads,
            "intermediate_size": text.feed_forward, "vocab_size": text.vocabulary,
            "tie_word_embeddings": False,
        },
        vision_config={
            "hidden_size": vision.width, "num_hidden_layers": vision.blocks, "image_size": vision.image_side,
            "num_attention_heads": vision.heads, "intermediate_size": vision.feed_forward,
            "patch_size": vision.patch_side,
        },
        scale_factor=vision.scale, pad_token_id=0,
    )  # fmt: skip
    with torch.device("meta"):
        model = SmolVLMForConditionalGeneration(config)
    files = text_file(name, text, "Q8_0", seed=0), mmproj_file(name, SHAPES[name], "F16", seed=0)
    found = sorted(tensor.shape for file in files for tensor in file.tensors)
    assert found == sorted(tuple(parameter.shape) for parameter in model.parameters())
