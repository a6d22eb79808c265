# SPDX-License-Identifier: Apache-2.0
"""Captions of many photographs: `trimllava caption` against llama.cpp's server with parallel slots."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .errors import ComparisonError
from .llama_cpp import LlamaCpp
from .models import ModelFiles, model_files, virtual_environment
from .server_process import ServerProcess
from .trimllava import TrimLLaVA
from .workload import CONTEXT, KEPT_TOKENS, Folders, MeasuringOptions, Workload

PROGRAMS = Path(__file__).resolve().parent.parent / "photograph_programs"
PHOTOGRAPH_PACKAGES = ("scikit-image==0.26.0",)
PROMPT = "Describe this picture."
ANSWER_TOKENS = 64
MOST_PHOTOGRAPHS = 128
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Captioned:
    """The time and memory of a number of captions."""

    setting: str
    captions: int
    seconds: float  # loading excepted
    peak_bytes: int
    remark: str = ""

    @property
    def per_hour(self) -> float:
        return 3600 * self.captions / self.seconds


def photographs(folders: Folders) -> list[Path]:
    """Crops of freely licensed photographs; missing ones are made."""
    folder = folders.work / "photographs"
    if not folder.exists():
        programs = virtual_environment(folders.work / "photograph-python", PHOTOGRAPH_PACKAGES)
        with tempfile.TemporaryDirectory(dir=folders.work) as unfinished:
            made = Path(unfinished) / "made"
            made.mkdir()
            count = str(MOST_PHOTOGRAPHS)
            processes.install([programs / "python", PROGRAMS / "crop.py", made, count])
            made.rename(folder)
    return sorted(folder.iterdir())


def caption_with_trimllava(
    runtime: TrimLLaVA, workload: Workload, pictures: list[Path], parallel: str
) -> Captioned:
    """One run of `trimllava caption` with weights from the cache of packed ones."""
    files = model_files(runtime.folders, workload)
    with tempfile.TemporaryDirectory(dir=runtime.folders.work) as folder:
        output, summary = Path(folder) / "captions.jsonl", Path(folder) / "summary.json"
        processes.measure(
            [
                *(runtime.program, "caption", *pictures),
                *("--model", files.text, "--mmproj", files.mmproj),
                *("--pack-cache", runtime.folders.work / "packs"),
                *("--threads", str(runtime.options.threads)),
                *("--prompt", PROMPT, "--keep", str(KEPT_TOKENS)),
                *("--max-tokens", str(ANSWER_TOKENS), "--ignore-eos"),
                *("--parallel", parallel, "--quiet"),
                *("--output", output, "--summary", summary),
            ]
        )
        result = json.loads(summary.read_text())
        records = [json.loads(line) for line in output.read_text().splitlines()]
    if result["captions"] != len(pictures) or len(records) != len(pictures):
        raise ComparisonError(f"trimllava wrote {len(records)} captions of {len(pictures)}")
    chosen = f"auto ({result['parallel']})" if parallel == "auto" else parallel
    remark = f"vision {result['encoding_seconds']:.0f} s, decoder {result['decoder_seconds']:.0f} s"
    if parallel == "auto":
        remark += f", measured {result['measuring_seconds']:.0f} s before"
    return Captioned(
        f"TrimLLaVA, --parallel {chosen}", len(pictures),
        result["seconds"], result["peak_memory_bytes"], remark,
    )  # fmt: skip


def caption_with_llama_cpp(
    runtime: LlamaCpp, workload: Workload, pictures: list[Path], slots: int
) -> Captioned:
    """Sends as many requests at a time as the server has slots, until all have captions."""
    with Server(runtime, runtime.files(workload), slots) as server:
        started = time.monotonic()
        with ThreadPoolExecutor(slots) as pool:
            answered = list(pool.map(server.caption, pictures))
        seconds = time.monotonic() - started
        peak = server.peak_bytes()
    if any(tokens != ANSWER_TOKENS for tokens in answered):
        raise ComparisonError(f"llama-server gave {answered} tokens, expected {ANSWER_TOKENS} each")
    return Captioned(f"llama.cpp's server, {slots} slots", len(pictures), seconds, peak)


class Server(ServerProcess):
    """A running llama-server, ready to answer."""

    def __init__(self, runtime: LlamaCpp, files: ModelFiles, slots: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [
                *(runtime.build.programs / "llama-server", "-m", files.text),
                *("--mmproj", files.mmproj, "--chat-template", "vicuna", "--no-jinja"),
                *("-t", str(runtime.options.threads), "-c", str(CONTEXT * slots)),
                *("-np", str(slots), "--host", "127.0.0.1", "--port", str(port)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        super().__init__("llama-server", process, port)

    def caption(self, picture: Path) -> int:
        """The number of tokens of a picture's caption."""
        encoded = base64.b64encode(picture.read_bytes()).decode()
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}
        body = {
            "messages": [{"role": "user", "content": [image, {"type": "text", "text": PROMPT}]}],
            "max_tokens": ANSWER_TOKENS,
            "temperature": 0,
            "ignore_eos": True,
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)["usage"]["completion_tokens"]
        except urllib.error.HTTPError as error:
            raise ComparisonError(f"llama-server: {error.read().decode()}") from error


def caption_table(rows: list[Captioned], options: MeasuringOptions, machine: str) -> str:
    """The rows as Markdown, with ratios to the first."""
    lines = [
        f"Machine: {machine}. {options.threads} threads; one run of each setting.",
        "",
        f"| setting | captions | per hour | × {rows[0].setting} | peak memory, GiB | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.setting} | {row.captions} | {row.per_hour:.0f} "
            f"| {row.per_hour / rows[0].per_hour:.2f} | {row.peak_bytes / GIBIBYTE:.1f} "
            f"| {row.remark} |"
        )
    return "\n".join(lines)
