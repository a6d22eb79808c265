# SPDX-License-Identifier: Apache-2.0
"""Makes an OpenVINO model with the shape and vocabulary of a synthetic Qwen2-VL and random weights.

Runs in the virtual environment that has openvino, nncf, optimum-intel and torch, with `tools` in PYTHONPATH.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
from pathlib import Path

import nncf
import numpy
import openvino
import torch
from openvino_tokenizers import convert_tokenizer
from optimum.exporters.openvino import export_from_model
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLForConditionalGeneration
from transformers.modeling_utils import no_init_weights

from synthetic_model.byte_level import ByteLevelVocabulary, make_byte_level
from synthetic_model.clip_model import IMAGE_DEVIATION, IMAGE_MEAN
from synthetic_model.shapes import SHAPES, ModelShape

# How Qwen2's tokenizer splits words.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
INT4_GROUP = 128
MERGE, FRAMES = 2, 2
LEAST_PIXELS, MOST_PIXELS = 3136, 12_845_056  # as TrimLLaVA and the published models have them
DEVIATION, POOL = 0.02, 1 << 20
MERGER = "openvino_vision_embeddings_merger_model"
LANGUAGE, TEXT = "openvino_language_model", "openvino_text_embeddings_model"
CALIBRATION_PATCHES = 64


def make_model(folder: Path, shape: ModelShape) -> None:
    """The model with a vision tower in float16."""
    vocabulary = make_byte_level(shape.text.vocabulary, shape.text.markers, seed=0)
    model = random_model(shape, vocabulary)
    export_from_model(model, output=folder, task="image-text-to-text", patch_16bit_model=True)
    del model
    gc.collect()
    write_tokenizer(folder, vocabulary)
    write_picture_settings(folder, shape)
    compress(folder, LANGUAGE, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=INT4_GROUP)
    compress(folder, TEXT, mode=nncf.CompressWeightsMode.INT8_ASYM)


def make_variant(folder: Path, original: Path, tower: str) -> None:
    """The model with another vision tower; it shares the other files."""
    model = TOWERS[tower](openvino.Core().read_model(original / f"{MERGER}.xml"))
    openvino.save_model(model, folder / f"{MERGER}.xml")
    for path in original.iterdir():
        if path.stem != MERGER:
            os.link(path, folder / path.name)


def random_model(
    shape: ModelShape, vocabulary: ByteLevelVocabulary
) -> Qwen2VLForConditionalGeneration:
    """The model in float16, its weights drawn from a pool of random numbers.

    No two tensors are alike, because OpenVINO stores and reads such ones once.
    """
    text, vision = shape.text, shape.vision
    config = Qwen2VLConfig(
        text_config={
            "hidden_size": text.width,
            "intermediate_size": text.feed_forward,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "num_key_value_heads": text.key_value_heads,
            "vocab_size": text.vocabulary,
            "rms_norm_eps": text.epsilon,
            "rope_theta": text.rope_base,
            "max_position_embeddings": text.context,
            "rope_scaling": {"type": "mrope", "mrope_section": list(text.sections)},
            "tie_word_embeddings": text.tied,
        },
        vision_config={
            "depth": vision.blocks,
            "embed_dim": vision.width,
            "hidden_size": text.width,
            "mlp_ratio": vision.feed_forward // vision.width,
            "num_heads": vision.heads,
            "patch_size": vision.patch_side,
        },
        tie_word_embeddings=text.tied,
        **{
            f"{name}_token_id": vocabulary.tokens.index(f"<|{marker}|>")
            for name, marker in {
                "image": "image_pad",
                "video": "video_pad",
                "vision_start": "vision_start",
                "vision_end": "vision_end",
                "eos": "im_end",
                "pad": "endoftext",
            }.items()
        },
    )
    torch.set_default_dtype(torch.float16)
    with no_init_weights():
        model = Qwen2VLForConditionalGeneration(config).eval()
    model.tie_weights()
    torch.set_default_dtype(torch.float32)
    pool = (torch.randn(POOL) * DEVIATION).half()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            flat = parameter.view(-1)
            flat.copy_(pool.roll(number).repeat(-(-flat.numel() // POOL))[: flat.numel()])
    return model


def compress(folder: Path, name: str, **settings: object) -> None:
    """Compresses the weights of a model in its place."""
    path, compressed = folder / f"{name}.xml", folder / f"{name}-compressed.xml"
    model = nncf.compress_weights(openvino.Core().read_model(path), **settings)
    openvino.save_model(model, compressed)
    del model
    for suffix in (".xml", ".bin"):
        compressed.with_suffix(suffix).rename(path.with_suffix(suffix))


def with_int8_weights(tower: openvino.Model) -> openvino.Model:
    return nncf.compress_weights(tower, mode=nncf.CompressWeightsMode.INT8_ASYM)


def with_int8_activations(tower: openvino.Model) -> openvino.Model:
    """The tower with int8 weights and activations, calibrated with a small picture of noise."""
    generator = numpy.random.default_rng(0)

    def random_inputs() -> dict[str, numpy.ndarray]:
        sizes = {
            value.any_name: [
                side.get_length() if side.is_static else CALIBRATION_PATCHES for side in value.partial_shape
            ]
            for value in tower.inputs
        }
        sizes["attention_mask"][0] = 1
        inputs = {
            name: generator.standard_normal(size, numpy.float32) for name, size in sizes.items()
        }
        inputs["attention_mask"][:] = 0  # every patch attends to every other
        return inputs

    return nncf.quantize(
        tower,
        nncf.Dataset([random_inputs() for _ in range(2)]),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=2,
    )


TOWERS = {
    "int8": with_int8_weights,
    "int8-activations": with_int8_activations,
}


def write_tokenizer(folder: Path, vocabulary: ByteLevelVocabulary) -> None:
    """The synthetic GGUF's vocabulary, for OpenVINO."""
    special = vocabulary.markers.after
    words = {token: number for number, token in enumerate(vocabulary.tokens) if token not in special}
    tokenizer = Tokenizer(
        models.BPE(words, [tuple(merge.split(" ")) for merge in vocabulary.merges])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in special]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=vocabulary.markers.end,
        pad_token="<|endoftext|>",
        chat_template=vocabulary.markers.template,
    )
    fast.save_pretrained(folder)
    for made, name in zip(
        convert_tokenizer(fast, with_detokenizer=True), ("tokenizer", "detokenizer"), strict=True
    ):
        openvino.save_model(made, folder / f"openvino_{name}.xml")


def write_picture_settings(folder: Path, shape: ModelShape) -> None:
    """How pictures are scaled and cut into patches."""
    settings = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "min_pixels": LEAST_PIXELS,
        "max_pixels": MOST_PIXELS,
        "patch_size": shape.vision.patch_side,
        "temporal_patch_size": FRAMES,
        "merge_size": MERGE,
        "image_mean": list(IMAGE_MEAN),
        "image_std": list(IMAGE_DEVIATION),
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", help="one of tools/make-synthetic-model: make a model")
    parser.add_argument("--original", type=Path, help="a model that is made: make another tower for it")
    parser.add_argument("--tower", choices=TOWERS, help="the tower that is made")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    if options.shape:
        make_model(options.folder, SHAPES[options.shape])
    if options.original:
        make_variant(options.folder, options.original, options.tower)


if __name__ == "__main__":
    main()
