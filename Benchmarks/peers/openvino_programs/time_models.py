# SPDX-License-Identifier: Apache-2.0
"""Times OpenVINO models and prints JSON; runs in the virtual environment that has openvino-genai.

A decoder runs in openvino_genai.LLMPipeline with token numbers as input, so without a tokenizer.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy
import openvino
import openvino_genai

FIRST_TOKEN_ID, LAST_TOKEN_ID = 3, 31999  # what is no special token of a Llama vocabulary
IMAGE = (1, 3, 336, 336)
RANDOM = numpy.random.default_rng(0)


def measured_figures(options: argparse.Namespace) -> dict:
    """Seconds to load, for a tile, for prefills by token count, and for a decoded token."""
    started = time.perf_counter()
    tower = vision_request(options) if options.vision else None
    pipeline = decoder_pipeline(options) if options.decoder else None
    figures = {"load": time.perf_counter() - started, "prefill": {}}
    if tower is not None:
        figures["vision"] = vision_seconds(tower)
    for tokens in options.prefill:
        answer(pipeline, tokens, 1)  # the first run of a shape compiles its kernels
        figures["prefill"][tokens] = answer(pipeline, tokens, 1).get_ttft().mean / 1e3
    if options.decode_tokens:
        for _ in ("warm-up", "measured"):
            metrics = answer(pipeline, options.decode_context, options.decode_tokens + 1)
        figures["decode"] = metrics.get_tpot().mean / 1e3
    return figures


def decoder_pipeline(options: argparse.Namespace) -> openvino_genai.LLMPipeline:
    properties = json.loads(options.decoder_properties)
    return openvino_genai.LLMPipeline(
        options.decoder, "CPU", INFERENCE_NUM_THREADS=options.threads, **properties
    )


def vision_request(options: argparse.Namespace) -> openvino.InferRequest:
    properties = {"INFERENCE_NUM_THREADS": options.threads, "PERFORMANCE_HINT": "LATENCY"}
    properties |= json.loads(options.vision_properties)
    model = openvino.Core().compile_model(options.vision, "CPU", properties)
    return model.create_infer_request()


def vision_seconds(request: openvino.InferRequest) -> float:
    pixels = RANDOM.standard_normal(IMAGE, dtype=numpy.float32)
    for _ in ("warm-up", "measured"):
        started = time.perf_counter()
        request.infer([pixels])
        seconds = time.perf_counter() - started
    return seconds


def answer(pipeline: openvino_genai.LLMPipeline, tokens: int, new_tokens: int):
    """Generates after a new prompt of random tokens; the pipeline's own measurements.

    No prompt comes twice: the pipeline keeps the KV cache of prompts that it has seen.
    """
    config = openvino_genai.GenerationConfig(
        max_new_tokens=new_tokens, min_new_tokens=new_tokens, ignore_eos=True, do_sample=False
    )
    ids = RANDOM.integers(FIRST_TOKEN_ID, LAST_TOKEN_ID, (1, tokens), dtype=numpy.int64)
    mask = numpy.ones_like(ids)
    inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(mask))
    return pipeline.generate(inputs, config).perf_metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--decoder", type=Path, help="the folder of a decoder")
    parser.add_argument("--decoder-properties", default="{}", help="OpenVINO properties, as JSON")
    parser.add_argument("--vision", type=Path, help="a vision model's .xml")
    parser.add_argument("--vision-properties", default="{}", help="OpenVINO properties, as JSON")
    parser.add_argument("--prefill", type=int, nargs="*", default=[])
    parser.add_argument("--decode-context", type=int, default=1)
    parser.add_argument("--decode-tokens", type=int, default=0)
    print(json.dumps(measured_figures(parser.parse_args())))


if __name__ == "__main__":
    main()
