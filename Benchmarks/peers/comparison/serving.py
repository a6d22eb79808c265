# SPDX-License-Identifier: Apache-2.0
"""Streamed answers to several clients at once: `trimllava serve` against llama.cpp's server."""

from __future__ import annotations

import base64
import http.client
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .captioning import ANSWER_TOKENS, GIBIBYTE, PROMPT, Server
from .errors import ComparisonError
from .llama_cpp import LlamaCpp
from .models import model_files
from .server_process import ServerProcess
from .trimllava import TrimLLaVA
from .workload import CONTEXT, MeasuringOptions, Workload


@dataclass(frozen=True)
class Streamed:
    """One streamed answer."""

    first_token_seconds: float
    seconds: float
    tokens: int


@dataclass(frozen=True)
class Served:
    """What some clients got from a server."""

    setting: str
    answers: list[Streamed]
    seconds: float  # until all were answered, loading excepted
    peak_bytes: int

    @property
    def per_hour(self) -> float:
        return 3600 * len(self.answers) / self.seconds

    @property
    def first_token_seconds(self) -> float:
        return statistics.median(answer.first_token_seconds for answer in self.answers)

    @property
    def longest_first_token_seconds(self) -> float:
        return max(answer.first_token_seconds for answer in self.answers)


class TrimLLaVAServer(ServerProcess):
    """A running `trimllava serve`, ready to answer."""

    def __init__(self, runtime: TrimLLaVA, workload: Workload, slots: int, keep: str) -> None:
        files = model_files(runtime.folders, workload)
        process = subprocess.Popen(
            [
                *(runtime.program, "serve", "--port", "0", "--quiet"),
                *("--model", files.text, "--mmproj", files.mmproj),
                *("--pack-cache", runtime.folders.work / "packs"),
                *("--threads", str(runtime.options.threads), "--context", str(CONTEXT)),
                *("--parallel", str(slots), *(() if keep == "all" else ("--keep", keep))),
            ],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        with process.stdout as output:
            line = output.readline()
        if not line:
            raise ComparisonError(f"trimllava serve ended with {process.wait()}")
        super().__init__("trimllava serve", process, json.loads(line)["port"])


def stream_figures(lines: Iterable[bytes], clock: Callable[[], float]) -> Streamed:
    """What an answer's server-sent events tell; times count from the call."""
    started = clock()
    first, tokens = None, None
    for line in lines:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        chunk = json.loads(line.removeprefix(b"data: "))
        if "error" in chunk:
            raise ComparisonError(f"a server failed: {chunk['error']}")
        if first is None and any(each["delta"].get("content") for each in chunk["choices"]):
            first = clock() - started
        tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
    if first is None or tokens is None:
        raise ComparisonError("a server's answer has no text, or does not tell its tokens")
    return Streamed(first, clock() - started, tokens)


def ask(port: int, picture: Path) -> Streamed:
    """Has a picture described, streamed."""
    encoded = base64.b64encode(picture.read_bytes()).decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}
    body = {
        "messages": [{"role": "user", "content": [image, {"type": "text", "text": PROMPT}]}],
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def lines() -> Iterable[bytes]:
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        if response.status != 200:
            raise ComparisonError(f"a server answered {response.status}: {response.read().decode()}")
        yield from response

    try:
        return stream_figures(lines(), time.monotonic)
    finally:
        connection.close()


def serve(
    server: Server | TrimLLaVAServer, setting: str, pictures: list[Path], clients: int
) -> Served:
    """Each client asks about the next picture as soon as it has an answer."""
    with server as running:
        started = time.monotonic()
        with ThreadPoolExecutor(clients) as pool:
            answers = list(pool.map(lambda picture: ask(running.port, picture), pictures))
        seconds = time.monotonic() - started
        peak = running.peak_bytes()
    wrong = [answer.tokens for answer in answers if answer.tokens != ANSWER_TOKENS]
    if wrong:
        raise ComparisonError(f"{setting}: answers of {wrong} tokens, expected {ANSWER_TOKENS}")
    return Served(setting, answers, seconds, peak)


def serve_with_trimllava(
    runtime: TrimLLaVA, workload: Workload, pictures: list[Path], clients: int, keep: str
) -> Served:
    kept = "all visual tokens" if keep == "all" else f"--keep {keep}"
    server = TrimLLaVAServer(runtime, workload, clients, keep)
    return serve(server, f"TrimLLaVA, {kept}", pictures, clients)


def serve_with_llama_cpp(
    runtime: LlamaCpp, workload: Workload, pictures: list[Path], clients: int
) -> Served:
    server = Server(runtime, runtime.files(workload), clients)
    return serve(server, f"llama.cpp's server, {clients} slots", pictures, clients)


def serving_table(rows: list[Served], options: MeasuringOptions, machine: str) -> str:
    """The rows as Markdown, with ratios to the last."""
    last = rows[-1]
    lines = [
        f"Machine: {machine}. {options.threads} threads; one run of each setting.",
        "",
        f"| setting | requests | per hour | × {last.setting} | first token, median, s "
        "| longest, s | peak memory, GiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.setting} | {len(row.answers)} | {row.per_hour:.0f} "
            f"| {row.per_hour / last.per_hour:.2f} | {row.first_token_seconds:.1f} "
            f"| {row.longest_first_token_seconds:.1f} | {row.peak_bytes / GIBIBYTE:.1f} |"
        )
    return "\n".join(lines)


def as_json(rows: list[Served]) -> str:
    """The rows as one line of JSON."""
    return json.dumps(
        [
            {
                "setting": row.setting,
                "requests": len(row.answers),
                "seconds": row.seconds,
                "requests_per_hour": row.per_hour,
                "first_token_seconds": [answer.first_token_seconds for answer in row.answers],
                "answer_seconds": [answer.seconds for answer in row.answers],
                "peak_bytes": row.peak_bytes,
            }
            for row in rows
        ]
    )
