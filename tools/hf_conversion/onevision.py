# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUF of LLaVA-OneVision: SigLIP, LLaVA's projector, and a grid of tiles that may be scaled down.

No other converter makes one. Its keys are those of LLaVA-NeXT; `clip.vision.image_aspect_ratio` also says
above how many tiles the rows of a grid are scaled down, as `anyres_max_9`.
"""

from __future__ import annotations

import re

from gguf import GGMLQuantizationType as Type

from .checkpoint import Checkpoint
from .configuration import TextConfig, feature_layers
from .errors import ConversionError
from .mmproj import Mmproj, MmprojTensors, mmproj_writer, require_settings
from .siglip import add_siglip, siglip_tower
from .vision_model import pinpoints

# What config.json omits: values of transformers' SiglipVisionConfig, and LlavaOnevisionConfig's for a missing
# vision_config.
SIGLIP_DEFAULTS = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "num_channels": 3, "image_size": 224, "patch_size": 16, "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}  # fmt: skip
MISSING_VISION = {
    "hidden_size": 1152, "intermediate_size": 4304, "patch_size": 14, "image_size": 384,
    "num_hidden_layers": 26, "num_attention_heads": 16,
}  # fmt: skip
MOST_OF_A_SIDE = 6  # tiles, in the grids that LlavaOnevisionConfig has by default
LLAVA_PROJECTOR = "mlp"
BICUBIC = 3


def onevision_mmproj(checkpoint: Checkpoint, text: TextConfig, name: str, kind: Type) -> Mmproj:
    """The mmproj of a LLaVA-OneVision folder."""
    config, pictures = checkpoint.config, checkpoint.pictures
    require_settings(pictures, resample=BICUBIC, do_resize=True, do_rescale=True, do_normalize=True)
    for key, wanted in (("vision_feature_select_strategy", "full"), ("projector_hidden_act", "gelu")):
        if config.get(key, wanted) != wanted:
            raise ConversionError(f"config.json: {key} {config[key]} is not supported, only {wanted}")
    stored = config.get("vision_config") or MISSING_VISION
    raw = SIGLIP_DEFAULTS | {key: value for key, value in stored.items() if value is not None}
    if raw.get("model_type", "siglip_vision_model") != "siglip_vision_model":
        raise ConversionError(f"config.json: vision model type {raw['model_type']} is not supported")
    (layer,) = single_layer(config.get("vision_feature_layer", -1), raw["num_hidden_layers"])
    tower = siglip_tower(raw | {"num_hidden_layers": layer})
    writer = mmproj_writer(checkpoint, text, tower, name, kind, LLAVA_PROJECTOR)
    writer.add_vision_use_gelu(True)
    writer.add_array("clip.vision.feature_layer", [layer])
    writer.add_string("clip.vision.image_aspect_ratio", aspect_ratio(config.get("vision_aspect_ratio")))
    writer.add_string("clip.vision.mm_patch_merge_type", "spatial_unpad")
    sides = [(place + 1) * tower.image_side for place in range(MOST_OF_A_SIDE)]
    grids = config.get("image_grid_pinpoints") or [[height, width] for height in sides for width in sides]
    writer.add_array("clip.vision.image_grid_pinpoints", pinpoints(grids, tower.image_side))
    tensors = MmprojTensors(checkpoint, kind)
    add_siglip(tensors, tower)
    tensors.add_linear("projector.linear_1", "mm.0", text.width, tower.width)
    tensors.add_linear("projector.linear_2", "mm.2", text.width, text.width)
    tensors.add("image_newline", "v.image_newline", (text.width,))
    above = tuple(f"vision.encoder.layers.{block}." for block in range(layer, raw["num_hidden_layers"]))
    return writer, tensors.all(ignored=("vision.post_layernorm.", "vision.head.", *above))


def single_layer(selection: int | list[int], layers: int) -> list[int]:
    """The hidden state that the projector reads, which must be one."""
    chosen = feature_layers(selection, layers)
    if len(chosen) != 1:
        raise ConversionError(f"config.json: vision_feature_layer {selection} is not supported, only one")
    return chosen


def aspect_ratio(stored: object) -> str:
    """The way in which rows of a grid are bounded."""
    value = "anyres_max_9" if stored is None else stored
    if not isinstance(value, str) or not re.fullmatch(r"anyres_max_[1-9][0-9]*", value):
        raise ConversionError(f"config.json: vision_aspect_ratio {value} is not supported, only anyres_max_N")
    return value
