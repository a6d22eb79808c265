# SPDX-License-Identifier: Apache-2.0
"""Figures as JSON and as a Markdown table."""

from __future__ import annotations

import json

MEBIBYTE = 1 << 20


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that at least this share of all does not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


def spread(values: list[float]) -> dict[str, float | int | None]:
    """How many values there are, their median, and the 99th percentile."""
    return {
        "count": len(values),
        "p50": rounded(percentile(values, 0.5)),
        "p99": rounded(percentile(values, 0.99)),
        "longest": rounded(max(values, default=None)),
    }


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def mebibytes(value: float) -> float:
    return round(value / MEBIBYTE, 1)


def flat(figures: dict, prefix: str = "") -> list[tuple[str, object]]:
    """The figures with the names of what they are in."""
    found: list[tuple[str, object]] = []
    for name, value in figures.items():
        words = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict):
            found += flat(value, f"{words}, ")
        else:
            found.append((words, value))
    return found


def table(figures: dict) -> str:
    """The figures as Markdown."""
    rows = [f"| {name} | {cell(value)} |" for name, value in flat(figures)]
    return "\n".join(["| | |", "|---|---:|", *rows])


def cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(cell, value)) or "–"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def printed(figures: dict) -> str:
    """One line of JSON, and the table."""
    return f"{json.dumps(figures)}\n\n{table(figures)}"
