# SPDX-License-Identifier: Apache-2.0
"""Runs this program and those of llama.cpp."""

import json
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

START_SECONDS = 120


@dataclass(frozen=True)
class Result:
    """What a prompt led to."""

    tokens: list[int]
    logits: np.ndarray  # [steps, vocabulary]
    generated: list[int]


@dataclass(frozen=True)
class Program:
    """This program with one model."""

    binary: Path
    model: Path

    def run(self, prompt: str, activations: str, steps: int = 1) -> Result:
        """The logits of some greedy steps after a prompt, with an exact KV cache."""
        with tempfile.TemporaryDirectory() as folder:
            options = ["--raw", "--ignore-eos", "--quiet", "--dump", folder, "--kv-cache", "f32"]
            options += ["--activations", activations, "--max-tokens", str(steps)]
            command = [str(self.binary), "run", "--model", str(self.model), *options, "--prompt"]
            subprocess.run([*command, prompt], check=True, stdout=subprocess.DEVNULL)
            files = {name: np.load(f"{folder}/{name}.npy") for name in ("tokens", "logits", "generated")}
        return Result(files["tokens"].tolist(), files["logits"], files["generated"].tolist())

    def perplexity(self, text: Path, activations: str, kv_cache: str = "f16") -> dict:
        """What `perplexity --json` prints."""
        command = [str(self.binary), "perplexity", str(text), "--model", str(self.model)]
        command += ["--activations", activations, "--kv-cache", kv_cache, "--json", "--quiet"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def llama_perplexity(binary: Path, model: Path, text: Path) -> tuple[float, float]:
    """The estimate of llama-perplexity with its default windows, and its error."""
    command = [str(binary), "--model", str(model), "--file", str(text), "--ctx-size", "512"]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(r"PPL = ([\d.]+) \+/- ([\d.]+)", ended.stdout)
    if found is None:
        raise SystemExit(f"llama-perplexity printed no estimate:\n{ended.stdout[-2000:]}")
    return float(found[1]), float(found[2])


@contextmanager
def llama_server(binary: Path, model: Path) -> Iterator[str]:
    """A llama-server of the model; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(binary), "--model", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--ctx-size", "2048", "--parallel", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, server)
            yield address
        finally:
            server.terminate()


def wait_for(address: str, server: subprocess.Popen) -> None:
    """Returns when a server has loaded its model."""
    for _ in range(START_SECONDS * 5):
        if server.poll() is not None:
            raise SystemExit(f"llama-server ended with {server.returncode}")
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"llama-server was not ready within {START_SECONDS} s")


def llama_tokens(address: str, tokens: list[int], steps: int) -> list[int]:
    """The tokens that llama-server continues some others with, greedily."""
    body = {
        "prompt": tokens, "n_predict": steps, "temperature": 0, "ignore_eos": True, "cache_prompt": False,
        "return_tokens": True,
    }  # fmt: skip
    request = urllib.request.Request(
        f"{address}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)["tokens"]
