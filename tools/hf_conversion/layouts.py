# SPDX-License-Identifier: Apache-2.0
"""The layouts in which models are published, brought into transformers' form.

* transformers': one folder, as the class of its family saves it.
* The original LLaVA's: the text model's folder, with the projector's tensors among its own. The vision tower
  is a model of its own, or among the tensors too.
* XTuner's: the text model's folder, with the folders `visual_encoder` and `projector` in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .checkpoint import Checkpoint, Rename, Source
from .configuration import ARCHITECTURES, LLAVA_VISION_DEFAULTS
from .errors import ConversionError
from .families import FAMILIES, Prefixes
from .folder import ModelFolder

ORIGINAL_PREFIXES = (
    ("model.mm_projector.0.", "projector.linear_1."),
    ("model.mm_projector.2.", "projector.linear_2."),
    ("model.vision_tower.vision_tower.vision_model.", "vision."),
    ("model.image_newline", "image_newline"),
    ("lm_head.", "text.lm_head."),
    ("model.", "text."),
)
TEXT_PREFIXES = (("lm_head.", "text.lm_head."), ("model.", "text."))
TOWER_PREFIXES = (("vision_model.", "vision."),)
XTUNER_PROJECTOR_PREFIXES = (("model.0.", "projector.linear_1."), ("model.2.", "projector.linear_2."))

# Text model types of the original LLaVA's configurations.
ORIGINAL_MODEL_TYPES = {
    "llava": "llama", "llava_llama": "llama", "llava_mistral": "mistral", "llava_qwen": "qwen2",
    "llava_phi3": "phi3", "llama": "llama", "mistral": "mistral", "qwen2": "qwen2", "phi3": "phi3",
}  # fmt: skip
USUAL_TOWER = "openai/clip-vit-large-patch14-336"
USUAL_PICTURES = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]
}  # fmt: skip


def open_model(folder: Path, tower: Path | None = None) -> Checkpoint:
    """The model in a folder of any layout.

    Args:
        tower: the folder of the vision tower, where it is a model of its own.
    """
    main = ModelFolder(folder)
    config = main.json("config.json")
    architecture = architecture_of(config)
    if architecture in FAMILIES:
        family = FAMILIES[architecture]
        refuse_tower(tower, "has its vision tower in itself" if family.mmproj else "is a text model alone")
        source = Source(main, renaming(family.prefixes, keep=True))
        pictures = picture_settings(main) if family.mmproj else {}
        whole = family.whole_config(config) | {"architectures": [architecture]}
        return Checkpoint(main, whole, [source], pictures)
    if (folder / "visual_encoder").is_dir() and (folder / "projector").is_dir():
        refuse_tower(tower, "has its vision tower in visual_encoder")
        return xtuner_model(main, config)
    if "mm_vision_tower" in config or "mm_projector_type" in config:
        return original_model(main, config, tower)
    raise ConversionError(
        f"{folder / 'config.json'}: architecture {architecture} is not supported, only "
        f"{', '.join(FAMILIES)}, the original LLaVA (with mm_vision_tower) and XTuner's "
        "(with the folders visual_encoder and projector)"
    )


def architecture_of(config: dict[str, Any]) -> str:
    """The class of a model, which transformers 4.57 writes into text_config for Qwen2-VL and Qwen2.5-VL."""
    nested = config.get("text_config")
    for values in (config, nested if isinstance(nested, dict) else {}):
        if values.get("architectures"):
            return str(values["architectures"][0])
    return "none"


def picture_settings(folder: ModelFolder) -> dict[str, Any]:
    """The image processor's settings, from their own file or from the processor's."""
    settings = folder.optional_json("preprocessor_config.json")
    if settings is None:
        settings = (folder.optional_json("processor_config.json") or {}).get("image_processor")
    if not isinstance(settings, dict):
        raise ConversionError(f"{folder.path / 'preprocessor_config.json'}: missing")
    return settings


def refuse_tower(tower: Path | None, reason: str) -> None:
    if tower is not None:
        raise ConversionError(f"--vision-tower {tower}: this model {reason}")


def renaming(prefixes: Prefixes, keep: bool = False) -> Rename:
    """Replaces the first of the prefixes that a name has; other names are kept or left out."""

    def rename(name: str) -> str | None:
        for prefix, replacement in prefixes:
            if name.startswith(prefix):
                return replacement + name[len(prefix) :]
        return name if keep else None

    return rename


def tower_config(folder: ModelFolder) -> dict[str, Any]:
    """The configuration of a CLIP model's vision tower."""
    config = folder.json("config.json")
    vision = config.get("vision_config", config)
    if not isinstance(vision, dict):
        raise ConversionError(f"{folder.path / 'config.json'}: vision_config is not an object")
    return {"projection_dim": config.get("projection_dim", 768)} | vision | {"model_type": tower_type(config)}


def tower_type(config: dict[str, Any]) -> str:
    kind = str(config.get("model_type", "clip"))
    return "clip_vision_model" if kind == "clip" else kind


def original_model(main: ModelFolder, config: dict[str, Any], tower: Path | None) -> Checkpoint:
    """A model as the original LLaVA saves it."""
    place = main.path / "config.json"
    model_type = config.get("model_type")
    if model_type not in ORIGINAL_MODEL_TYPES:
        raise ConversionError(
            f"{place}: model type {model_type} is not supported, only {', '.join(ORIGINAL_MODEL_TYPES)}"
        )
    for key, wanted in (
        ("mm_projector_type", "mlp2x_gelu"), ("mm_vision_select_feature", "patch"),
        ("mm_use_im_start_end", False),
    ):  # fmt: skip
        if config.get(key, wanted) != wanted:
            raise ConversionError(f"{place}: {key} {config[key]} is not supported, only {wanted}")
    aspect = config.get("image_aspect_ratio")
    if aspect not in ("pad", "anyres"):
        raise ConversionError(f"{place}: image_aspect_ratio {aspect} is not supported, only pad and anyres")
    if aspect == "anyres" and config.get("mm_patch_merge_type") != "spatial_unpad":
        raise ConversionError(
            f"{place}: mm_patch_merge_type {config.get('mm_patch_merge_type')} is not supported, "
            "only spatial_unpad"
        )
    own = Source(main, renaming(ORIGINAL_PREFIXES, keep=True))
    has_tower = "vision.embeddings.class_embedding" in Checkpoint(main, config, [own], {}).names()
    pictures, vision = USUAL_PICTURES, LLAVA_VISION_DEFAULTS
    sources = [own]
    if tower is not None:
        tower_folder = ModelFolder(tower)
        pictures, vision = picture_settings(tower_folder), tower_config(tower_folder)
        if not has_tower:  # a tower that was trained with the model wins
            sources.append(Source(tower_folder, renaming(TOWER_PREFIXES)))
    elif not has_tower or config.get("mm_vision_tower") != USUAL_TOWER:
        raise ConversionError(
            f"{place}: the vision tower, {config.get('mm_vision_tower')}, is a model of its own; "
            "name its folder by --vision-tower"
        )
    whole = original_config(config, ORIGINAL_MODEL_TYPES[model_type], vision)
    return Checkpoint(main, whole, sources, pictures)


def original_config(config: dict[str, Any], text_type: str, vision: dict[str, Any]) -> dict[str, Any]:
    """The configuration that transformers has for a model of the original LLaVA's."""
    tiles = config.get("image_aspect_ratio") == "anyres"
    pairs = config.get("image_grid_pinpoints")
    return {
        "architectures": [ARCHITECTURES[1] if tiles else ARCHITECTURES[0]],
        "text_config": config | {"model_type": text_type},
        "vision_config": vision,
        "vision_feature_layer": config.get("mm_vision_select_layer", -2),
        "tie_word_embeddings": config.get("tie_word_embeddings", False),
        # Width first there, height first in transformers.
        "image_grid_pinpoints": [pair[::-1] for pair in pairs] if tiles and isinstance(pairs, list) else None,
    }


def xtuner_model(main: ModelFolder, config: dict[str, Any]) -> Checkpoint:
    """A model as XTuner saves it."""
    for name in ("llm_adapter", "visual_encoder_adapter"):
        if (main.path / name).exists():
            raise ConversionError(f"{main.path / name}: adapters must be merged into the model first")
    tower = ModelFolder(main.path / "visual_encoder")
    projector = ModelFolder(main.path / "projector")
    settings = projector.json("config.json")
    for key, wanted in (("depth", 2), ("hidden_act", "gelu")):
        if settings.get(key, wanted) != wanted:
            raise ConversionError(
                f"{projector.path / 'config.json'}: {key} {settings[key]} is not supported, only {wanted}"
            )
    whole = {
        "architectures": [ARCHITECTURES[0]],
        "text_config": config,
        "vision_config": tower_config(tower),
        "vision_feature_layer": -2,
        "tie_word_embeddings": config.get("tie_word_embeddings", False),
    }
    sources = [
        Source(main, renaming(TEXT_PREFIXES, keep=True)),
        Source(tower, renaming(TOWER_PREFIXES)),
        Source(projector, renaming(XTUNER_PROJECTOR_PREFIXES, keep=True)),
    ]
    return Checkpoint(main, whole, sources, picture_settings(tower))
