# SPDX-License-Identifier: Apache-2.0
"""Answers in parts, as the server sends them."""

from __future__ import annotations

import json


def comment(facts: dict) -> bytes:
    return f": {json.dumps(facts)}\n\n".encode()


def event(document: dict) -> bytes:
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


def text(piece: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})


def end(report: dict | None = None) -> bytes:
    finish = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 60, "completion_tokens": 3, "total_tokens": 63}
    last = event({"choices": [], "usage": usage, **({"trimllava": report} if report else {})})
    return finish + last + b"data: [DONE]\n\n"


def stream(answer: str, report: dict | None = None) -> bytes:
    return text(answer) + end(report)


def report(width: int, height: int, tiles: list[dict]) -> dict:
    kept = sum(len(tile["kept"]) for tile in tiles)
    visual = sum(tile["columns"] * tile["rows"] for tile in tiles)
    times = ("queued", "vision", "selection", "prefill", "first_token", "decode", "total")
    picture = {"width": width, "height": height, "visual_tokens": visual, "kept_tokens": kept}
    return {
        "version": "0", "selector": "mmtok", "visual_tokens": visual, "kept_tokens": kept,
        "kv_cache_bytes": 1_000_000, "seconds": dict.fromkeys(times, 0.5),
        "pictures": [{**picture, "tiles": tiles}],
    }  # fmt: skip
