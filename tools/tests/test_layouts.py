# SPDX-License-Identifier: Apache-2.0
"""convert-hf: the layouts in which LLaVAs are published give the same files."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file, save_file

from conftest import TOOLS
from golden_models.building import build
from golden_models.specifications import MODELS

TOKENIZER_FILES = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json", "generation_config.json")


def run(folder: Path, outdir: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TOOLS / "convert-hf", folder, "--outdir", outdir, "--name", "m", *options]
    return subprocess.run(command, capture_output=True, text=True)


def converted(folder: Path, outdir: Path, *options: str | Path) -> list[bytes]:
    """The contents of both files."""
    result = run(folder, outdir, *options)
    assert result.returncode == 0, result.stderr
    return [Path(line).read_bytes() for line in result.stdout.split()]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """A model's tensors under the names text.…, vision.…, projector.… and image_newline."""
    found = {}
    for path in folder.glob("*.safetensors"):
        for name, values in load_file(path).items():
            for part, replacement in (
                ("language_model.model.", "text."), ("model.language_model.", "text."),
                ("language_model.lm_head.", "lm_head."), ("model.vision_tower.vision_model.", "vision."),
                ("vision_tower.vision_model.", "vision."), ("model.vision_tower.", "vision."),
                ("model.multi_modal_projector.", "projector."), ("multi_modal_projector.", "projector."),
                ("model.image_newline", "image_newline"),
            ):  # fmt: skip
                if name.startswith(part):
                    name = replacement + name[len(part) :]
                    break
            found[name] = values
    return found


def renamed(weights: dict[str, torch.Tensor], *prefixes: tuple[str, str]) -> dict[str, torch.Tensor]:
    """The tensors with one of the prefixes, which is replaced."""
    return {
        new + name[len(old) :]: values.contiguous()
        for old, new in prefixes
        for name, values in weights.items()
        if name.startswith(old)
    }


def write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def copy_tokenizer(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copy(source / name, target / name)


def write_tower(source: Path, tower: Path, whole_clip: bool) -> dict:
    """The vision tower's folder, as a whole CLIP model or the tower alone."""
    config = json.loads((source / "config.json").read_text())
    vision = config["vision_config"]
    if whole_clip:
        write_json(tower / "config.json", {"model_type": "clip", "vision_config": vision, "text_config": {}})
    else:
        write_json(tower / "config.json", vision | {"model_type": "clip_vision_model"})
    shutil.copy(source / "preprocessor_config.json", tower)
    tensors = renamed(weights_of(source), ("vision.", "vision_model."))
    save_file(tensors | {"logit_scale": torch.ones(1)}, tower / "model.safetensors")
    return config


def write_original(
    source: Path, folder: Path, tower: Path, save: Callable[[dict, Path], None], own_tower: bool = False
) -> None:
    """A model in the original LLaVA's layout."""
    config = write_tower(source, tower, whole_clip=True)
    copy_tokenizer(source, folder)
    prefixes = [
        ("text.", "model."), ("lm_head.", "lm_head."), ("projector.linear_1.", "model.mm_projector.0."),
        ("projector.linear_2.", "model.mm_projector.2."), ("image_newline", "model.image_newline"),
    ]  # fmt: skip
    if own_tower:
        prefixes.append(("vision.", "model.vision_tower.vision_tower.vision_model."))
    save(renamed(weights_of(source), *prefixes), folder)
    original = config["text_config"] | {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava_mistral" if config["text_config"]["model_type"] == "mistral" else "llava_llama",
        "mm_vision_tower": "openai/clip-vit-large-patch14-336", "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch", "mm_use_im_start_end": False,
        "image_aspect_ratio": "pad",
    }  # fmt: skip
    if "image_grid_pinpoints" in config:
        original |= {
            "image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad",
            "image_grid_pinpoints": [pair[::-1] for pair in config["image_grid_pinpoints"]],
        }  # fmt: skip
    write_json(folder / "config.json", original)


def save_safetensors(tensors: dict, folder: Path) -> None:
    save_file(tensors, folder / "model.safetensors")


def save_shards(tensors: dict, folder: Path) -> None:
    """Two files of torch.save and their index, with views of larger storages."""
    weight_map = {}
    for number in range(2):
        name = f"pytorch_model-0000{number + 1}-of-00002.bin"
        part = dict(list(tensors.items())[number::2])
        part = {key: torch.cat([values, values])[len(values) :] for key, values in part.items()}
        torch.save(part, folder / name)
        weight_map |= dict.fromkeys(part, name)
    write_json(folder / "pytorch_model.bin.index.json", {"weight_map": weight_map})


@pytest.mark.parametrize("save", [save_safetensors, save_shards])
def test_the_original_layout_gives_the_same_files(
    originals: dict[str, Path], tmp_path: Path, save: Callable[[dict, Path], None]
) -> None:
    source = originals["llava-1.5-mha"]
    folder, tower = tmp_path / "model", tmp_path / "tower"
    write_original(source, folder, tower, save)
    expected = converted(source, tmp_path / "expected", "--outtype", "f32")
    assert converted(folder, tmp_path / "out", "--outtype", "f32", "--vision-tower", tower) == expected


def test_the_original_next_model_has_its_own_tower(originals: dict[str, Path], tmp_path: Path) -> None:
    source = originals["llava-next-mistral"]
    folder, tower = tmp_path / "model", tmp_path / "tower"
    write_original(source, folder, tower, save_safetensors, own_tower=True)
    # The tower that was trained with the model is taken, not the one of the folder.
    other = {name: values + 1 for name, values in load_file(tower / "model.safetensors").items()}
    save_file(other, tower / "model.safetensors")
    expected = converted(source, tmp_path / "expected", "--outtype", "f32")
    assert converted(folder, tmp_path / "out", "--outtype", "f32", "--vision-tower", tower) == expected


def test_xtuners_layout_gives_the_same_files(originals: dict[str, Path], tmp_path: Path) -> None:
    source, folder = originals["llava-1.5-gqa"], tmp_path / "model"
    config = write_tower(source, folder / "visual_encoder", whole_clip=False)
    copy_tokenizer(source, folder)
    weights = weights_of(source)
    save_file(renamed(weights, ("text.", "model."), ("lm_head.", "lm_head.")), folder / "model.safetensors")
    write_json(folder / "config.json", config["text_config"] | {"architectures": ["LlamaForCausalLM"]})
    settings = {"model_type": "projector", "depth": 2, "hidden_act": "gelu"}
    write_json(folder / "projector" / "config.json", settings)
    projector = renamed(weights, ("projector.linear_1.", "model.0."), ("projector.linear_2.", "model.2."))
    save_file(projector, folder / "projector" / "model.safetensors")
    expected = converted(source, tmp_path / "expected", "--outtype", "f32")
    assert converted(folder, tmp_path / "out", "--outtype", "f32") == expected


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_halves_of_both_kinds_are_read_from_both_files(
    originals: dict[str, Path], tmp_path: Path, kind: torch.dtype
) -> None:
    found = []
    for name, save in (("safetensors", save_safetensors), ("bin", save_shards)):
        folder, tower = tmp_path / name, tmp_path / f"{name}-tower"
        write_original(
            originals["llava-1.5-mha"], folder, tower,
            lambda tensors, place, save=save: save({k: v.to(kind) for k, v in tensors.items()}, place),
        )  # fmt: skip
        options = ("--outtype", "bf16", "--vision-tower", tower)
        found.append(converted(folder, tmp_path / f"{name}-out", *options))
    assert found[0] == found[1]


class Harmful:
    """A pickle that would write a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (open, (str(self.path), "w"))


def test_a_pickle_runs_no_code(originals: dict[str, Path], tmp_path: Path) -> None:
    folder, tower = tmp_path / "model", tmp_path / "tower"
    write_original(originals["llava-1.5-mha"], folder, tower, save_safetensors)
    (folder / "model.safetensors").unlink()
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Harmful(tmp_path / "written")}))
    result = run(folder, tmp_path / "out", "--vision-tower", tower)
    assert result.returncode == 1
    assert "holds more than tensors" in result.stderr
    assert not (tmp_path / "written").exists()


def test_files_of_torch_that_are_cut_off_are_refused(originals: dict[str, Path], tmp_path: Path) -> None:
    folder, tower = tmp_path / "model", tmp_path / "tower"
    write_original(
        originals["llava-1.5-mha"], folder, tower,
        lambda tensors, place: torch.save(tensors, place / "pytorch_model.bin"),
    )  # fmt: skip
    path = folder / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:-1000])
    result = run(folder, tmp_path / "out", "--vision-tower", tower)
    assert (result.returncode, len(result.stderr.strip().splitlines())) == (1, 1)
    assert "pytorch_model.bin: not a file of torch.save" in result.stderr


def test_tensors_that_reach_beyond_their_storage_are_refused(
    originals: dict[str, Path], tmp_path: Path
) -> None:
    folder, tower = tmp_path / "model", tmp_path / "tower"
    write_original(
        originals["llava-1.5-mha"], folder, tower,
        lambda tensors, place: torch.save(tensors, place / "whole.bin"),
    )  # fmt: skip
    with (
        zipfile.ZipFile(folder / "whole.bin") as whole,
        zipfile.ZipFile(folder / "pytorch_model.bin", "w") as short,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            short.writestr(name, content[: len(content) // 8 * 4] if "/data/" in name else content)
    result = run(folder, tmp_path / "out", "--vision-tower", tower)
    assert (result.returncode, len(result.stderr.strip().splitlines())) == (1, 1)
    assert "reaches beyond its storage" in result.stderr


REFUSED = {
    "no tower": ({}, [], "name its folder by --vision-tower"),
    "other projector": ({"mm_projector_type": "identity"}, ["tower"], "mm_projector_type identity is not"),
    "class token": ({"mm_vision_select_feature": "cls_patch"}, ["tower"], "cls_patch is not supported"),
    "no padding": ({"image_aspect_ratio": "square"}, ["tower"], "image_aspect_ratio square is not supported"),
    "other merging": (
        {"image_aspect_ratio": "anyres", "mm_patch_merge_type": "flat"}, ["tower"], "merge_type flat",
    ),
    "other text model": ({"model_type": "llava_mpt"}, ["tower"], "model type llava_mpt is not supported"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_original_configuration_says_otherwise_is_refused(
    originals: dict[str, Path], tmp_path: Path, case: str
) -> None:
    changes, options, message = REFUSED[case]
    folder, tower = tmp_path / "model", tmp_path / "tower"
    write_original(originals["llava-1.5-mha"], folder, tower, save_safetensors)
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | changes)
    result = run(folder, tmp_path / "out", *(["--vision-tower", tower] if options else []))
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_mixtures_of_k_quants_are_written(tmp_path: Path) -> None:
    specification = next(model for model in MODELS if model.name == "llava-1.5-mha")
    text = specification.text | {"hidden_size": 256, "intermediate_size": 288, "num_hidden_layers": 2}
    folder = tmp_path / "model"
    folder.mkdir()
    build(replace(specification, text=text), folder, seed=3)
    exact, rounded = (
        run(folder, tmp_path / "out", "--outtype", kind).stdout.split()[0] for kind in ("f32", "q4_k_m")
    )
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(rounded).tensors}
    wanted = {
        "token_embd.weight": Type.Q4_K, "output.weight": Type.Q6_K, "blk.0.attn_q.weight": Type.Q4_K,
        "blk.1.attn_v.weight": Type.Q6_K, "blk.0.ffn_down.weight": Type.Q5_0,
    }  # fmt: skip
    assert {name: tensors[name].tensor_type for name in wanted} == wanted
    for tensor in gguf.GGUFReader(exact).tensors:
        found = tensors[tensor.name]
        values = gguf.quants.dequantize(found.data, found.tensor_type)
        error = np.sqrt(np.mean((values - tensor.data) ** 2) / np.mean(tensor.data**2))
        assert error < 0.1, tensor.name
