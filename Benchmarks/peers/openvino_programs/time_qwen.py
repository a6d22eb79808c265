# SPDX-License-Identifier: Apache-2.0
"""Times a Qwen2-VL in openvino_genai.VLMPipeline and prints JSON.

Runs in the virtual environment that has openvino-genai and pillow.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy
import openvino
import openvino_genai
from PIL import Image

# Words that are one token each, with the space before them.
WORDS = ("the", "of", "and", "to", "in", "is", "that", "it", "was", "for", "on", "are", "as", "with")
PICTURE_TAG = "<|vision_start|><|image_pad|><|vision_end|>"
MILLISECONDS = 1e3
RANDOM = numpy.random.default_rng(0)


def measured_figures(options: argparse.Namespace) -> dict:
    """Seconds to load, for prefills by token count, for a decoded token, and those of a picture."""
    started = time.perf_counter()
    pipeline = openvino_genai.VLMPipeline(
        options.model,
        "CPU",
        INFERENCE_NUM_THREADS=options.threads,
        **json.loads(options.properties),
    )
    figures = {"load": time.perf_counter() - started, "prefill": {}}
    if options.picture:
        figures |= picture_figures(pipeline, options)
    for tokens in options.prefill:
        for _ in ("warm-up", "measured"):
            metrics = continued(pipeline, tokens, 1)
        figures["prefill"][tokens] = metrics.get_ttft().mean / MILLISECONDS
    if options.decode_tokens:
        for _ in ("warm-up", "measured"):
            metrics = continued(pipeline, options.decode_context, options.decode_tokens + 1)
        figures["decode"] = metrics.get_tpot().mean / MILLISECONDS
    return figures


def picture_figures(pipeline: openvino_genai.VLMPipeline, options: argparse.Namespace) -> dict:
    """Figures of a question about the picture, and how many visual tokens the decoder gets."""
    pixels = numpy.array(Image.open(options.picture).convert("RGB"))
    config = answer_config(1, pruning_ratio=options.pruning_ratio)
    for _ in ("warm-up", "measured"):
        # No picture comes twice, so that nothing of it can be kept.
        moved = numpy.roll(pixels, RANDOM.integers(1, pixels.shape[1]), axis=1)
        picture = openvino.Tensor(numpy.ascontiguousarray(moved)[None])
        metrics = pipeline.generate(
            options.question, images=[picture], generation_config=config
        ).perf_metrics
    text = text_tokens(pipeline, options.question)
    return {
        "visual_tokens": metrics.get_num_input_tokens() - text,
        "vision": metrics.get_prepare_embeddings_duration().mean / MILLISECONDS,
        "first_token": metrics.get_ttft().mean / MILLISECONDS,
    }


def text_tokens(pipeline: openvino_genai.VLMPipeline, question: str) -> int:
    """The tokens of the prompt without the visual ones."""
    tokenizer = pipeline.get_tokenizer()
    message = {"role": "user", "content": PICTURE_TAG + question}
    prompt = tokenizer.apply_chat_template([message], add_generation_prompt=True)
    return tokenizer.encode(prompt, add_special_tokens=False).input_ids.shape[1] - 1


def continued(
    pipeline: openvino_genai.VLMPipeline, tokens: int, new_tokens: int
) -> openvino_genai.VLMPerfMetrics:
    """Generates after a new prompt of random words; the pipeline's own measurements."""
    text = "".join(f" {word}" for word in RANDOM.choice(WORDS, tokens))
    config = answer_config(new_tokens, apply_chat_template=False)
    metrics = pipeline.generate(text, generation_config=config).perf_metrics
    if metrics.get_num_input_tokens() != tokens:
        raise SystemExit(f"read {metrics.get_num_input_tokens()} tokens, expected {tokens}")
    return metrics


def answer_config(new_tokens: int, **settings: object) -> openvino_genai.GenerationConfig:
    return openvino_genai.GenerationConfig(
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        ignore_eos=True,
        do_sample=False,
        **settings,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True, help="the folder of a model")
    parser.add_argument("--properties", default="{}", help="OpenVINO properties, as JSON")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--question")
    parser.add_argument("--pruning-ratio", type=int, default=0, help="per cent to drop")
    parser.add_argument("--prefill", type=int, nargs="*", default=[])
    parser.add_argument("--decode-context", type=int, default=1)
    parser.add_argument("--decode-tokens", type=int, default=0)
    print(json.dumps(measured_figures(parser.parse_args())))


if __name__ == "__main__":
    main()
