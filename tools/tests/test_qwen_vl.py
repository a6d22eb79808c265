# SPDX-License-Identifier: Apache-2.0
"""The Qwen-VLs and Qwen3: what convert-hf makes of their folders, and their golden values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from golden_models.building import build
from golden_models.golden_model import VISUAL_ROW
from golden_models.pictures import make_picture
from golden_models.qwen_vl import QWEN_VL_MODELS
from synthetic_model.shapes import SHAPES, QwenShape, TextShape
from synthetic_model.text_model import text_file
from synthetic_model.vision_model import mmproj_file
from test_convert_hf import convert, decoded, edit_json, metadata, run

MODELS = {specification.name: specification for specification in QWEN_VL_MODELS}


def copied(originals: dict[str, Path], name: str, tmp_path: Path) -> Path:
    """A copy of a model's folder, to be changed."""
    return Path(shutil.copytree(originals[name], tmp_path / "model"))


def clip_metadata(path: Path) -> dict[str, object]:
    fields = gguf.GGUFReader(path).fields
    return {name[5:]: field.contents() for name, field in fields.items() if name.startswith("clip.")}


def shapes_of(path: Path) -> dict[str, list[int]]:
    return {tensor.name: tensor.shape.tolist() for tensor in gguf.GGUFReader(path).tensors}


def linear(name: str, inputs: int, outputs: int) -> dict[str, list[int]]:
    return {f"{name}.weight": [inputs, outputs], f"{name}.bias": [outputs]}


def norm(name: str, width: int) -> dict[str, list[int]]:
    return {f"{name}.weight": [width], f"{name}.bias": [width]}


def test_the_mmproj_of_qwen3_vl_is_that_of_llama_cpps_converter(
    originals: dict[str, Path], tmp_path: Path
) -> None:
    """The names, shapes and keys of conversion/qwen3vl.py in llama.cpp, and the limits of pixels."""
    _, path = convert(originals["qwen3vl"], tmp_path)
    shapes = {"v.patch_embd.bias": [24], "v.position_embd.weight": [24, 16]} | norm("v.post_ln", 24)
    shapes |= {f"v.patch_embd.weight{suffix}": [4, 4, 3, 24] for suffix in ("", ".1")}
    for block in range(4):
        name = f"v.blk.{block}"
        shapes |= norm(f"{name}.ln1", 24) | norm(f"{name}.ln2", 24)
        shapes |= linear(f"{name}.attn_qkv", 24, 72) | linear(f"{name}.attn_out", 24, 24)
        shapes |= linear(f"{name}.ffn_up", 24, 40) | linear(f"{name}.ffn_down", 40, 24)
    shapes |= linear("mm.0", 96, 96) | linear("mm.2", 96, 32)
    for block in (0, 1, 2):
        name = f"v.deepstack.{block}"
        shapes |= norm(f"{name}.norm", 96) | linear(f"{name}.fc1", 96, 96) | linear(f"{name}.fc2", 96, 32)
    assert shapes_of(path) == shapes
    found = clip_metadata(path)
    assert found.pop("vision.attention.layer_norm_epsilon") == pytest.approx(1e-6)
    assert found == {
        "has_vision_encoder": True, "projector_type": "qwen3vl_merger", "use_gelu": True,
        "vision.projection_dim": 32, "vision.image_size": 16, "vision.patch_size": 4,
        "vision.embedding_length": 24, "vision.feed_forward_length": 40, "vision.block_count": 4,
        "vision.attention.head_count": 2, "vision.spatial_merge_size": 2,
        "vision.is_deepstack_layers": [True, True, True, False],
        "vision.image_mean": [0.5] * 3, "vision.image_std": [0.5] * 3,
        "vision.image_min_pixels": 256, "vision.image_max_pixels": 2560,
    }  # fmt: skip


def test_deepstack_mergers_are_named_by_their_blocks(originals: dict[str, Path], tmp_path: Path) -> None:
    text, mmproj = convert(originals["qwen3vl-24"], tmp_path)
    taps = metadata(mmproj, "clip.vision.is_deepstack_layers")
    assert [block for block, tapped in enumerate(taps) if tapped] == [5, 11, 17]
    assert metadata(mmproj, "clip.vision.block_count") == 24
    assert metadata(text, "qwen3vl.n_deepstack_layers") == 3
    weights = load_file(originals["qwen3vl-24"] / "model.safetensors")
    third = weights["model.visual.deepstack_merger_list.2.linear_fc1.weight"]
    assert np.allclose(decoded(mmproj)["v.deepstack.17.fc1.weight"], third, atol=1e-3)


def test_the_text_of_qwen3_vl_has_norms_of_heads_and_sections(
    originals: dict[str, Path], tmp_path: Path
) -> None:
    text, _ = convert(originals["qwen3vl"], tmp_path)
    assert metadata(text, "general.architecture") == "qwen3vl"
    assert metadata(text, "qwen3vl.rope.dimension_sections") == [4, 2, 2, 0]
    for key in ("attention.key_length", "attention.value_length"):
        assert metadata(text, f"qwen3vl.{key}") == 16
    assert metadata(text, "tokenizer.ggml.pre") == "qwen2"
    shapes = shapes_of(text)
    assert shapes["blk.3.attn_q_norm.weight"] == shapes["blk.3.attn_k_norm.weight"] == [16]
    assert shapes["blk.0.attn_q.weight"] == [32, 64]
    assert "output.weight" not in shapes  # tied, unlike
    untied, _ = convert(originals["qwen3vl-24"], tmp_path / "untied")
    assert "output.weight" in shapes_of(untied)


def test_a_qwen3_without_pictures_becomes_a_text_file(originals: dict[str, Path], tmp_path: Path) -> None:
    config = Qwen3Config(
        vocab_size=320, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, rope_theta=1e6, tie_word_embeddings=True,
    )  # fmt: skip
    folder = tmp_path / "model"
    model = Qwen3ForCausalLM(config)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(originals["qwen3vl"] / name, folder)
    result = run(folder, tmp_path / "out", "--outtype", "f32")
    assert result.returncode == 0, result.stderr
    (path,) = map(Path, result.stdout.split())
    assert metadata(path, "general.architecture") == "qwen3"
    assert metadata(path, "qwen3.rope.dimension_sections") is None
    found = decoded(path)
    stored = model.model.layers[1].self_attn.k_norm.weight.detach().numpy()
    assert np.array_equal(found["blk.1.attn_k_norm.weight"], stored)
    assert sum(values.size for values in found.values()) == sum(p.numel() for p in model.parameters())


def test_qwen2_5_vl_has_windows_and_gates(originals: dict[str, Path], tmp_path: Path) -> None:
    text, mmproj = convert(originals["qwen2.5vl"], tmp_path, "--outtype", "f32")
    assert metadata(text, "general.architecture") == "qwen2vl"
    assert metadata(text, "qwen2vl.rope.dimension_sections") == [2, 3, 3, 0]
    assert "blk.1.attn_k.bias" in shapes_of(text)
    found = clip_metadata(mmproj)
    assert (found["projector_type"], found["use_silu"]) == ("qwen2.5vl_merger", True)
    assert (found["vision.n_wa_pattern"], found["vision.window_size"]) == (4, 16)
    assert "use_gelu" not in found
    shapes = shapes_of(mmproj)
    assert shapes["v.blk.3.ffn_gate.weight"] == [40, 52] and "v.blk.3.ffn_gate.bias" in shapes
    for name in ("v.blk.0.ln1", "v.blk.0.ln2", "v.post_ln"):
        assert f"{name}.weight" in shapes and f"{name}.bias" not in shapes
    assert not {"v.patch_embd.bias", "v.position_embd.weight"} & shapes.keys()


def test_qwen2_vl_has_neither(originals: dict[str, Path], tmp_path: Path) -> None:
    text, mmproj = convert(originals["qwen2vl"], tmp_path)
    assert "output.weight" not in shapes_of(text)
    found = clip_metadata(mmproj)
    assert found["projector_type"] == "qwen2vl_merger"
    assert not {"use_silu", "use_gelu", "vision.n_wa_pattern"} & found.keys()
    assert found["vision.feed_forward_length"] == 48
    assert found["vision.image_mean"][0] == pytest.approx(0.48145466)
    shapes = shapes_of(mmproj)
    assert shapes["v.blk.2.ffn_down.weight"] == [48, 24]
    assert {"v.blk.0.ln2.bias", "v.post_ln.bias"} <= shapes.keys()


@pytest.mark.parametrize("name", ["qwen2vl", "qwen2.5vl", "qwen3vl"])
def test_fused_tensors_keep_their_values(originals: dict[str, Path], tmp_path: Path, name: str) -> None:
    _, mmproj = convert(originals[name], tmp_path, "--outtype", "f32")
    found, weights = decoded(mmproj), load_file(originals[name] / "model.safetensors")
    prefix = "model.visual." if name == "qwen3vl" else "visual."
    kernel = weights[f"{prefix}patch_embed.proj.weight"]
    for frame, suffix in enumerate(("", ".1")):
        assert np.array_equal(found[f"v.patch_embd.weight{suffix}"], kernel[:, :, frame])
    for part in ("weight", "bias"):
        fused = weights[f"{prefix}blocks.1.attn.qkv.{part}"]
        names = ["qkv"] if name == "qwen3vl" else ["q", "k", "v"]
        parts = [found[f"v.blk.1.attn_{letters}.{part}"] for letters in names]
        assert np.array_equal(np.concatenate(parts), fused)


@pytest.mark.parametrize("name", ["qwen2vl", "qwen2.5vl"])
def test_a_configuration_without_text_config_means_the_same(
    originals: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """The form in which Qwen publishes them; transformers writes the other."""
    folder = copied(originals, name, tmp_path)
    expected = convert(folder, tmp_path / "nested")

    def flatten(config: dict) -> None:
        text = config.pop("text_config")
        config |= {key: value for key, value in text.items() if key != "model_type"}

    edit_json(folder / "config.json", flatten)
    weights = load_file(folder / "model.safetensors")
    renamed = {
        key.replace("model.", "model.language_model.", 1).replace("visual.", "model.visual.", 1)
        if key.startswith(("model.", "visual.")) else key: values
        for key, values in weights.items()
    }  # fmt: skip
    save_file(renamed, folder / "model.safetensors")
    found = convert(folder, tmp_path / "flat")
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected]


def change_vision(**values: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(
        folder / "config.json", lambda config: config["vision_config"].update(values)
    )


def change_pictures(**values: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(
        folder / "preprocessor_config.json", lambda settings: settings.update(values)
    )


def change_sections(folder: Path) -> None:
    edit_json(
        folder / "config.json",
        lambda config: config["text_config"]["rope_scaling"].update(mrope_section=[4, 2]),
    )


REFUSED: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "sections that are too few": ("qwen3vl", change_sections, "mrope_section [4, 2]"),
    "taps in disorder": ("qwen3vl", change_vision(deepstack_visual_indexes=[2, 1, 0]), "are not in order"),
    "taps beyond the blocks": (
        "qwen3vl", change_vision(deepstack_visual_indexes=[0, 4]), "expected some of 4 blocks",
    ),
    "a table that is no square": ("qwen3vl", change_vision(num_position_embeddings=15), "are no square"),
    "another activation": ("qwen3vl", change_vision(hidden_act="relu"), "hidden_act relu is not supported"),
    "three frames": ("qwen2vl", change_vision(temporal_patch_size=3), "temporal_patch_size 3 is not"),
    "irregular windows": ("qwen2.5vl", change_vision(fullatt_block_indexes=[1, 2]), "are not every n-th"),
    "no windows": ("qwen2.5vl", change_vision(fullatt_block_indexes=[]), "are not every n-th"),
    "another patch": ("qwen2vl", change_pictures(patch_size=14), "patch_size 14 is not supported, only 4"),
    "another filter": ("qwen3vl", change_pictures(resample=2), "resample 2 is not supported"),
    "a negative limit": ("qwen3vl", change_pictures(min_pixels=-1), "expected a positive integer"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_one_line_and_leaves_nothing(
    originals: dict[str, Path], tmp_path: Path, case: str
) -> None:
    name, spoil, message = REFUSED[case]
    folder = copied(originals, name, tmp_path)
    spoil(folder)
    result = run(folder, tmp_path / "out")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", MODELS)
def test_stages_of_a_picture_belong_together(tmp_path: Path, name: str) -> None:
    golden = build(MODELS[name], tmp_path, MODELS[name].seed)
    with torch.no_grad():
        sight = golden.specification.family.look(
            golden, golden.specification.cases[0], [make_picture(31, 23, seed=4)]
        )
        merger = golden.model.model.visual.merger
        qwen3 = [getattr(merger, name, None) for name in ("linear_fc1", "act_fn", "linear_fc2")]
        layers = merger.mlp if hasattr(merger, "mlp") else qwen3
        rows = torch.from_numpy(sight.stages["features"])
        for layer in layers:
            rows = layer(rows)
    assert sight.facts == {"grids": [(3, 4)]}
    assert sight.stages["pixels"].shape == (1, 3, 24, 32)
    assert np.allclose(rows.numpy(), sight.stages["projected"], atol=1e-5)
    # Attention that a query gives is 1 a head, and a cell has the mean of its four patches.
    assert sight.stages["received"].sum() * 4 == pytest.approx(2.0, rel=1e-5)
    if "deepstack_visual_indexes" in MODELS[name].vision:
        assert sight.stages["deepstack"].shape == (3, 12, 32)


def test_text_goes_on_after_the_longer_side_of_a_picture(tmp_path: Path) -> None:
    golden = build(MODELS["qwen3vl"], tmp_path, 0)
    with torch.no_grad():
        case = golden.specification.cases[0]
        sight = golden.specification.family.look(golden, case, [make_picture(31, 23, seed=4)])
    first = sight.tokens.index(VISUAL_ROW)
    time, rows, columns = sight.positions
    assert time[: first + 12].tolist() == [*range(first), *[first] * 12]
    assert rows[first : first + 12].tolist() == [first + place // 4 for place in range(12)]
    assert columns[first : first + 12].tolist() == [first + place % 4 for place in range(12)]
    for axis in sight.positions:
        assert axis[first + 12 :].tolist() == [first + 4 + n for n in range(len(sight.tokens) - first - 12)]


def published(text: TextShape, vision: QwenShape) -> torch.nn.Module:
    """transformers' model of a shape, without memory for its weights."""
    decoder = {
        "hidden_size": text.width, "intermediate_size": text.feed_forward, "vocab_size": text.vocabulary,
        "num_hidden_layers": text.layers, "num_attention_heads": text.heads,
        "num_key_value_heads": text.key_value_heads, "tie_word_embeddings": text.tied,
        "rope_scaling": {"rope_type": "default", "mrope_section": list(text.sections)},
    }  # fmt: skip
    tower = {"depth": vision.blocks, "num_heads": vision.heads, "patch_size": vision.patch_side}
    sizes = {"hidden_size": vision.width, "intermediate_size": vision.feed_forward}
    sizes["out_hidden_size"] = text.width
    if vision.taps:
        classes = Qwen3VLConfig, Qwen3VLForConditionalGeneration
        decoder |= {"head_dim": text.head}
        tower |= sizes | {
            "deepstack_visual_indexes": list(vision.taps), "num_position_embeddings": vision.positions
        }
    elif vision.window_pattern:
        classes = Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
        tower |= sizes
    else:
        classes = Qwen2VLConfig, Qwen2VLForConditionalGeneration
        tower |= {"embed_dim": vision.width, "hidden_size": text.width}
    config = classes[0](text_config=decoder, vision_config=tower, tie_word_embeddings=text.tied)
    with torch.device("meta"):
        return classes[1](config)


@pytest.mark.parametrize("name", [name for name in SHAPES if isinstance(SHAPES[name].vision, QwenShape)])
def test_synthetic_shapes_have_as_many_weights_as_transformers_models(name: str) -> None:
    shape = SHAPES[name]
    model = published(shape.text, shape.vision)
    tower = sum(parameter.numel() for parameter in model.model.visual.parameters())
    whole = sum(parameter.numel() for parameter in model.parameters())
    if shape.text.tied and model.lm_head.weight is not model.get_input_embeddings().weight:
        whole -= model.lm_head.weight.numel()  # which are tied with memory alone
    text = text_file(name, shape.text, "Q8_0", seed=0)
    mmproj = mmproj_file(name, shape, "F16", seed=0)
    counts = [sum(int(np.prod(tensor.shape)) for tensor in file.tensors) for file in (text, mmproj)]
    assert counts == [whole - tower, tower]


def test_the_fixtures_settings_are_those_of_their_cases(originals: dict[str, Path]) -> None:
    settings = json.loads((originals["qwen2vl"] / "preprocessor_config.json").read_text())
    assert (settings["min_pixels"], settings["max_pixels"]) == (256, 2560)
