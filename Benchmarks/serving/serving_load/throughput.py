# SPDX-License-Identifier: Apache-2.0
"""Pictures per minute of the server beside those of `trimllava caption`."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from .client import Answer, Place, Recording, chat, record
from .pictures import body, pictures, user
from .report import mebibytes, rounded, spread
from .server import LoadError, Program, running

PROMPT = "Describe the picture."


def caption(program: Program, folder: Path, parallel: str, keep: str, tokens: int) -> tuple[dict, list[str]]:
    """One run of `trimllava caption`: its totals, and the captions in order of the pictures."""
    with tempfile.TemporaryDirectory() as work:
        output, summary = Path(work) / "captions.jsonl", Path(work) / "summary.json"
        command = [
            *(str(program.path), "caption", str(folder), *program.options),
            *("--prompt", PROMPT, "--keep", keep, "--max-tokens", str(tokens)),
            *("--parallel", parallel, "--quiet", "--output", str(output), "--summary", str(summary)),
        ]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode != 0:
            raise LoadError(f"`{' '.join(command)}` ended with {finished.returncode}: {finished.stderr}")
        records = [json.loads(line) for line in output.read_text().splitlines()]
        texts = [record["text"] for record in sorted(records, key=lambda record: record["file_name"])]
        return json.loads(summary.read_text()), texts


async def serve(place: Place, requests: list[bytes], clients: int) -> tuple[float, list[Answer]]:
    """Seconds that some clients need to have everything answered; they read the answers afterwards."""
    recordings: dict[int, Recording] = {}
    left = iter(range(len(requests)))

    async def client() -> None:
        for number in left:
            recordings[number] = await record(place, requests[number])

    started = time.monotonic()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.monotonic() - started
    return seconds, [await recordings[number].answer() for number in range(len(requests))]


async def measure(program: Program, count: int, rounds: int, keep: str, tokens: int, clients: int) -> dict:
    """Measures both in turn, with equal pictures, questions and numbers of answers at a time."""
    with tempfile.TemporaryDirectory() as work:
        sets = [pictures(count, first=count * number) for number in range(2 * rounds + 1)]
        folders = [written(files, Path(work) / str(number)) for number, files in enumerate(sets)]
        auto, _ = await asyncio.to_thread(caption, program, folders[0], "auto", keep, tokens)
        parallel = auto["parallel"]
        options = ("--parallel", str(parallel), "--max-queue", str(4 * clients), "--quiet")
        rates: dict[str, list[float]] = {"caption": [], "serve": [], "serve_streamed": []}
        first_tokens: list[float] = []
        async with running(program, *options) as server:
            await serve(server.place, [question(file, keep, tokens, False) for file in sets[0]], clients)
            for number in range(1, 2 * rounds, 2):
                files, streamed, folder = sets[number], sets[number + 1], folders[number]
                totals, texts = await asyncio.to_thread(
                    caption, program, folder, str(parallel), keep, tokens
                )
                rates["caption"].append(60 * count / totals["seconds"])
                for name, is_streamed in (("serve", False), ("serve_streamed", True)):
                    # Other pictures, because the server would know these.
                    asked = streamed if is_streamed else files
                    requests = [question(file, keep, tokens, is_streamed) for file in asked]
                    seconds, answers = await serve(server.place, requests, clients)
                    rates[name].append(60 * count / seconds)
                    first_tokens += filter(None, (answer.first_token_seconds for answer in answers))
                    said = [answer.text.strip() for answer in answers]
                    if not is_streamed and said != [text.strip() for text in texts]:
                        raise LoadError("the server answers otherwise than `trimllava caption`")
            peak = mebibytes(server.memory("VmHWM"))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        return {
            "pictures": count,
            "rounds": rounds,
            "parallel": parallel,
            "clients": clients,
            "pictures_per_minute": {name: list(map(rounded, values)) for name, values in rates.items()},
            "serve_by_caption": rounded(medians["serve"] / medians["caption"]),
            "streamed_by_caption": rounded(medians["serve_streamed"] / medians["caption"]),
            "caption_auto_per_minute": rounded(auto["pictures_per_minute"]),
            "first_token_seconds_streamed": spread(first_tokens),
            "serve_peak_mib": peak,
        }


def written(files: list[bytes], folder: Path) -> Path:
    """The files in a new folder, in the order of their names."""
    folder.mkdir()
    for number, file in enumerate(files):
        (folder / f"{number:05}.png").write_bytes(file)  # whatever they are: content decides
    return folder


def question(file: bytes, keep: str, tokens: int, is_streamed: bool) -> bytes:
    return chat(body([user(PROMPT, file)], keep=keep, max_tokens=tokens, stream=is_streamed))
