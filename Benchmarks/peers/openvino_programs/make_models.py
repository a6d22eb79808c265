# SPDX-License-Identifier: Apache-2.0
"""Makes OpenVINO models with the shapes of LLaVA-1.5-7B and random weights.

Runs in the virtual environment that has openvino, nncf, optimum-intel and torch.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

import nncf
import openvino
import torch
from optimum.exporters.openvino import export_from_model
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

WIDTH, HEADS, FEED_FORWARD, VOCABULARY = 4096, 32, 11008, 32000
# LLaVA uses the output of the penultimate block, so the 24th is never run.
VISION_BLOCKS = 23
PROJECTOR_WIDTHS = (1024, 4096)
INT4_GROUP = 128


class TowerAndProjector(torch.nn.Module):
    """Pixels to visual tokens: CLIP ViT-L/14-336 without its last block, and LLaVA's projector."""

    def __init__(self) -> None:
        super().__init__()
        config = CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=VISION_BLOCKS,
            num_attention_heads=16,
            image_size=336,
            patch_size=14,
            projection_dim=768,
            attn_implementation="sdpa",
        )
        self.tower = CLIPVisionModel(config).eval()
        inner, outer = PROJECTOR_WIDTHS
        self.projector = torch.nn.Sequential(
            torch.nn.Linear(inner, outer), torch.nn.GELU(), torch.nn.Linear(outer, outer)
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:  # [1, 3, 336, 336] → [1, 576, 4096]
        hidden = self.tower(pixel_values=pixels).last_hidden_state
        return self.projector(hidden[:, 1:])


def make_decoder(folder: Path, layers: int) -> None:
    """A Llama decoder with a stateful KV cache, int4 weights, int8 embeddings and head."""
    config = LlamaConfig(
        hidden_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        intermediate_size=FEED_FORWARD,
        vocab_size=VOCABULARY,
        max_position_embeddings=4096,
    )
    exported = folder.with_name(folder.name + "-exported")
    export_from_model(
        LlamaForCausalLM(config).eval(),
        output=exported,
        task="text-generation-with-past",
        stateful=True,
    )
    gc.collect()
    model = openvino.Core().read_model(exported / "openvino_model.xml")
    compressed = nncf.compress_weights(
        model, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=INT4_GROUP
    )
    openvino.save_model(compressed, folder / "openvino_model.xml")
    for name in ("config.json", "generation_config.json"):
        (folder / name).write_text((exported / name).read_text())


def make_vision(folder: Path) -> None:
    """The tower and projector twice: float16 weights, and int8 weights and activations."""
    module = TowerAndProjector().eval()
    example = torch.randn(1, 3, 336, 336)
    with torch.no_grad():
        model = openvino.convert_model(module, example_input=example, input=[1, 3, 336, 336])
    openvino.save_model(model, folder / "float16.xml", compress_to_fp16=True)
    calibration = nncf.Dataset([torch.randn(1, 3, 336, 336).numpy() for _ in range(4)])
    quantized = nncf.quantize(
        model,
        calibration,
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=4,
    )
    openvino.save_model(quantized, folder / "int8.xml", compress_to_fp16=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vision", action="store_true", help="make the vision tower")
    parser.add_argument("--layers", type=int, help="make a decoder with this number of layers")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    if options.vision:
        make_vision(options.folder)
    if options.layers:
        make_decoder(options.folder, options.layers)


if __name__ == "__main__":
    main()
