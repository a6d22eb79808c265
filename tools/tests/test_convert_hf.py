# SPDX-License-Identifier: Apache-2.0
"""convert-hf: all kinds of folders, and folders that it must refuse."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import TOOLS
from golden_models.specifications import MODELS
from hf_conversion.configuration import text_config, vision_config
from hf_conversion.text_model import interleave_rotary_rows

SPECIFICATIONS = {specification.name: specification for specification in MODELS}


@pytest.fixture
def folder(originals: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the plain LLaVA-1.5 folder, to be changed."""
    return Path(shutil.copytree(originals["llava-1.5-mha"], tmp_path / "model"))


def run(folder: Path, outdir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TOOLS / "convert-hf", folder, "--outdir", outdir, "--name", "m"]
    return subprocess.run([*command, *options], capture_output=True, text=True)


def convert(folder: Path, outdir: Path, *options: str) -> tuple[Path, Path]:
    """The text file and the mmproj file of a folder that converts."""
    result = run(folder, outdir, *options)
    assert result.returncode == 0, result.stderr
    text, mmproj = map(Path, result.stdout.split())
    return text, mmproj


def decoded(path: Path) -> dict[str, np.ndarray]:
    return {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        for tensor in gguf.GGUFReader(path).tensors
    }


def metadata(path: Path, key: str) -> object:
    field = gguf.GGUFReader(path).fields.get(key)
    return None if field is None else field.contents()


def edit_json(path: Path, change: Callable[[dict], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def new_name(name: str) -> str:
    """A tensor's name as transformers writes it since version 5."""
    for old, new in (
        ("language_model.lm_head.", "lm_head."),
        ("language_model.model.", "model.language_model."),
        ("vision_tower.", "model.vision_tower."),
        ("multi_modal_projector.", "model.multi_modal_projector."),
    ):
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def old_name(name: str) -> str:
    """A tensor's name as transformers wrote it before version 4.52."""
    for new, old in (
        ("model.language_model.", "language_model.model."),
        ("model.vision_tower.", "vision_tower."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
        ("lm_head.", "language_model.lm_head."),
    ):
        if name.startswith(new):
            return old + name[len(new) :]
    return name


@pytest.mark.parametrize("rename", [new_name, old_name])
def test_both_styles_of_names_give_the_same_files(
    folder: Path, tmp_path: Path, rename: Callable[[str], str]
) -> None:
    expected = convert(folder, tmp_path / "as-saved", "--outtype", "f32")
    weights = load_file(folder / "model.safetensors")
    renamed = {rename(name): values for name, values in weights.items()}
    assert len(renamed) == len(weights)
    save_file(renamed, folder / "model.safetensors")
    found = convert(folder, tmp_path / "renamed", "--outtype", "f32")
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected]


def test_shards_give_the_same_files(folder: Path, tmp_path: Path) -> None:
    expected = convert(folder, tmp_path / "whole")
    weights = load_file(folder / "model.safetensors")
    shards = [dict(list(weights.items())[half::2]) for half in range(2)]
    weight_map = {}
    for number, shard in enumerate(shards):
        save_file(shard, folder / f"model-{number}.safetensors")
        weight_map |= dict.fromkeys(shard, f"model-{number}.safetensors")
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = convert(folder, tmp_path / "shards")
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected]


def test_newer_rope_parameters_mean_the_same(originals: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(originals["llava-1.5-gqa"], tmp_path / "model"))
    expected, _ = convert(folder, tmp_path / "old")

    def merge(config: dict) -> None:
        text = config["text_config"]
        scaling, theta = text.pop("rope_scaling"), text.pop("rope_theta")
        text["rope_parameters"] = scaling | {"rope_theta": theta}

    edit_json(folder / "config.json", merge)
    found, _ = convert(folder, tmp_path / "new")
    assert found.read_bytes() == expected.read_bytes()
    assert "rope_freqs.weight" in decoded(found)


@pytest.mark.parametrize("name", SPECIFICATIONS)
@pytest.mark.parametrize(
    ("outtype", "tolerance"),
    # Relative to a block's largest value: half a step of the type, and the scale's rounding.
    # Rows of these models fill no superblocks, so that matrices of K-quants are Q5_0 and Q8_0.
    [
        ("f16", 2**-11), ("bf16", 2**-8), ("q8_0", 1 / 254 + 2**-11), ("q4_0", 1 / 8 + 2**-11),
        ("q5_1", 1 / 31 + 2**-10), ("q4_k_m", 1 / 16 + 2**-11),
    ],
)
def test_types_round_by_no_more_than_they_must(
    originals: dict[str, Path], tmp_path: Path, name: str, outtype: str, tolerance: float
) -> None:
    exact, _ = convert(originals[name], tmp_path, "--outtype", "f32")
    rounded, _ = convert(originals[name], tmp_path, "--outtype", outtype)
    found = decoded(rounded)
    for tensor, values in decoded(exact).items():
        assert np.abs(found[tensor] - values).max() <= tolerance * np.abs(values).max(), tensor


def test_rotary_pairs_become_neighbours() -> None:
    rows = np.arange(12)[:, None]  # two heads of six rows: pairs (0, 3), (1, 4), (2, 5)
    expected = [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]
    assert interleave_rotary_rows(rows, heads=2)[:, 0].tolist() == expected


def test_the_mmproj_has_what_llama_cpps_converter_writes(originals: dict[str, Path], tmp_path: Path) -> None:
    """The names, shapes and keys of tools/mtmd/legacy-models in llama.cpp, which made the published files."""
    _, path = convert(originals["llava-1.5-mha"], tmp_path)
    reader = gguf.GGUFReader(path)
    width, inner, text, patches = 32, 64, 64, 17
    vectors = {"v.class_embd", "v.pre_ln.weight", "v.pre_ln.bias"}
    shapes = {"v.patch_embd.weight": [14, 14, 3, width], "v.position_embd.weight": [width, patches]}
    linear = {"mm.0": [width, text], "mm.2": [text, text]}
    for block in ("v.blk.0", "v.blk.1"):
        vectors |= {f"{block}.{norm}.{part}" for norm in ("ln1", "ln2") for part in ("weight", "bias")}
        linear |= {f"{block}.attn_{part}": [width, width] for part in ("q", "k", "v", "out")}
        linear |= {f"{block}.ffn_down": [width, inner], f"{block}.ffn_up": [inner, width]}
    shapes |= {name: [width] for name in vectors}
    shapes |= {f"{name}.weight": shape for name, shape in linear.items()}
    shapes |= {f"{name}.bias": shape[1:] for name, shape in linear.items()}
    assert {tensor.name: tensor.shape.tolist() for tensor in reader.tensors} == shapes
    vision = (
        "image_size", "patch_size", "embedding_length", "feed_forward_length", "projection_dim",
        "block_count", "attention.head_count", "attention.layer_norm_epsilon", "image_mean", "image_std",
        "mm_projector_type",
    )  # fmt: skip
    assert {f"clip.vision.{key}" for key in vision} <= reader.fields.keys()
    for key in ("has_text_encoder", "has_vision_encoder", "has_llava_projector", "projector_type"):
        assert f"clip.{key}" in reader.fields
    assert reader.fields["general.architecture"].contents() == "clip"


def test_next_model_carries_newline_and_grids(originals: dict[str, Path], tmp_path: Path) -> None:
    _, mmproj = convert(originals["llava-next-mistral"], tmp_path)
    config = json.loads((originals["llava-next-mistral"] / "config.json").read_text())
    pairs = [side for height, width in config["image_grid_pinpoints"] for side in (width, height)]
    assert metadata(mmproj, "clip.vision.image_grid_pinpoints") == pairs
    assert "model.image_newline" in decoded(mmproj)


@pytest.mark.parametrize(
    ("layer", "blocks", "stored"), [(-2, 2, None), (-1, 3, [3]), (1, 1, [1]), ([-2, -1], 3, [2, 3])]
)
def test_blocks_above_the_selected_layer_are_dropped(
    folder: Path, tmp_path: Path, layer: int | list[int], blocks: int, stored: list[int] | None
) -> None:
    edit_json(folder / "config.json", lambda c: c.update(vision_feature_layer=layer))
    if isinstance(layer, list):
        weights = load_file(folder / "model.safetensors")
        name = next(name for name in weights if name.endswith("linear_1.weight"))
        weights[name] = np.concatenate([weights[name]] * len(layer), axis=1)
        save_file(weights, folder / "model.safetensors")
    _, mmproj = convert(folder, tmp_path)
    assert metadata(mmproj, "clip.vision.block_count") == blocks
    assert metadata(mmproj, "clip.vision.feature_layer") == stored
    assert f"v.blk.{blocks - 1}.ln1.weight" in decoded(mmproj)
    assert f"v.blk.{blocks}.ln1.weight" not in decoded(mmproj)


def test_tokenizer_json_and_model_agree(
    originals: dict[str, Path], folder: Path, tmp_path: Path
) -> None:
    model, _ = convert(folder, tmp_path / "model")
    as_json, _ = convert(originals["llava-next-mistral"], tmp_path / "json")
    size = 340  # of the trained vocabulary
    for key in ("tokens", "token_type"):
        texts = [metadata(path, f"tokenizer.ggml.{key}")[:size] for path in (model, as_json)]
        assert texts[0] == texts[1]
    pairs = [
        sorted(range(259, size), key=lambda n: (-scores[n], n))
        for scores in (metadata(path, "tokenizer.ggml.scores") for path in (model, as_json))
    ]
    assert pairs[0] == pairs[1]  # pieces are joined in the same order


def test_what_config_leaves_out_is_filled_in() -> None:
    """The published LLaVA-1.5-7B says little more than this about its text model."""
    stored = {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096}
    text = text_config({"text_config": stored})
    assert (text.width, text.layers, text.heads, text.key_value_heads) == (4096, 32, 32, 32)
    assert (text.feed_forward, text.head_width, text.rope_theta) == (11008, 128, 10000.0)
    assert (text.vocabulary, text.context, text.tied) == (32064, 4096, False)
    vision = vision_config({})
    assert (vision.width, vision.image_side, vision.patch_side) == (1024, 336, 14)
    assert (vision.layers, vision.stored_blocks, vision.feature_layers) == (24, 23, [23])


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json: missing"),
    "config not JSON": (lambda f: (f / "config.json").write_text("{"), "not JSON"),
    "config a list": (lambda f: (f / "config.json").write_text("[]"), "expected a JSON object"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "neither model.safetensors"),
    "weights cut off": (
        lambda f: (f / "model.safetensors").write_bytes(
            (f / "model.safetensors").read_bytes()[:-100]
        ),
        "not a safetensors file",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.model").unlink(), "neither tokenizer.model"),
    "tokenizer damaged": (
        lambda f: (f / "tokenizer.model").write_bytes(b"\xff" * 64),
        "not a SentencePiece model",
    ),
    "no image processor": (
        lambda f: (f / "preprocessor_config.json").unlink(),
        "preprocessor_config.json: missing",
    ),
    "other architecture": (
        lambda f: edit_json(
            f / "config.json", lambda c: c.update(architectures=["Gemma3ForConditionalGeneration"])
        ),
        "Gemma3ForConditionalGeneration is not supported",
    ),
    "other text model": (
        lambda f: edit_json(
            f / "config.json", lambda c: c["text_config"].update(model_type="gemma")
        ),
        "gemma is not supported",
    ),
    "other vision tower": (
        lambda f: edit_json(
            f / "config.json", lambda c: c["vision_config"].update(model_type="siglip_vision_model")
        ),
        "siglip_vision_model is not supported",
    ),
    "other rope scaling": (
        lambda f: edit_json(
            f / "config.json",
            lambda c: c["text_config"].update(rope_scaling={"rope_type": "yarn", "factor": 2.0}),
        ),
        "yarn is not supported",
    ),
    "negative layers": (
        lambda f: edit_json(
            f / "config.json", lambda c: c["text_config"].update(num_hidden_layers=-1)
        ),
        "expected a positive integer",
    ),
    "more layers than weights": (
        lambda f: edit_json(
            f / "config.json", lambda c: c["text_config"].update(num_hidden_layers=3)
        ),
        "the weights lack text.layers.2",
    ),
    "fewer layers than weights": (
        lambda f: edit_json(
            f / "config.json", lambda c: c["text_config"].update(num_hidden_layers=1)
        ),
        "GGUF has no name for tensor text.layers.1",
    ),
    "wrong width": (
        lambda f: edit_json(
            f / "config.json", lambda c: c["text_config"].update(intermediate_size=97)
        ),
        "expected [",
    ),
    "vision config a list": (
        lambda f: edit_json(f / "config.json", lambda c: c.update(vision_config=[1])),
        "malformed configuration",
    ),
    "more tokens than rows": (
        lambda f: edit_json(
            f / "tokenizer_config.json",
            lambda c: c["added_tokens_decoder"].update({"352": {"content": "<more>"}}),
        ),
        "the tokenizer has token 352",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_one_line_and_leaves_nothing(folder: Path, tmp_path: Path, case: str) -> None:
    spoil, message = REFUSED[case]
    spoil(folder)
    outdir = tmp_path / "out"
    result = run(folder, outdir)
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not outdir.exists() or not list(outdir.iterdir())


def test_half_precision_overflow_is_refused(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layers.1.mlp.up_proj.weight"))
    weights[name][3, 5] = 1e6
    save_file(weights, folder / "model.safetensors")
    result = run(folder, tmp_path / "out", "--outtype", "f16")
    assert (result.returncode, list((tmp_path / "out").iterdir())) == (1, [])
    assert "blk.1.ffn_up.weight overflows F16" in result.stderr
    convert(folder, tmp_path / "out", "--outtype", "bf16")
