# SPDX-License-Identifier: Apache-2.0
"""The results as Markdown tables and as JSON: medians, spreads, and ratios against TrimLLaVA."""

from __future__ import annotations

import json
import statistics

from .schedule import Column, Results
from .trimllava import TrimLLaVA
from .workload import QUANTITIES, Quantity, Workload

ABSENT = "–"


def median(samples: list[float]) -> float:
    return statistics.median(samples)


def spread(samples: list[float]) -> float:
    """Half the distance between the quartiles; 0 for a single sample."""
    if len(samples) < 2:
        return 0.0
    lower, _, upper = statistics.quantiles(samples, n=4, method="inclusive")
    return (upper - lower) / 2


def advantage(quantity: Quantity, ours: list[float], theirs: list[float]) -> float:
    """How many times better our median is; below 1 where the peer's is better."""
    ratio = median(ours) / median(theirs)
    return ratio if quantity.more_is_better else 1 / ratio


def ours_among(columns: list[Column]) -> Column | None:
    return next((c for c in columns if isinstance(c.runtime, TrimLLaVA)), None)


def markdown(results: Results) -> str:
    options = results.options
    parts = [
        f"Machine: {results.machine}. {options.threads} threads; medians of "
        f"{options.repetitions} repetitions in turn, ± half the distance between the quartiles. "
        "A ratio above 1 says how many times better TrimLLaVA is."
    ]
    for workload, columns in results.columns.items():
        parts += [f"### {workload.name}", table(columns), *footnotes(columns)]
    runtimes = [column.runtime for column in next(iter(results.columns.values()), [])]
    parts.append("\n".join(f"* {r.version()}: {r.settings()}" for r in runtimes))
    return "\n\n".join(parts)


def table(columns: list[Column]) -> str:
    ours = ours_among(columns)
    header = [""]
    for column in columns:
        header += [column.runtime.name] + (["ratio"] if ours and column is not ours else [])
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    measured = {name for column in columns for name in column.figures.samples}
    for name, quantity in QUANTITIES.items():
        if name not in measured:
            continue
        cells = [f"{quantity.title}, {quantity.unit}"]
        for column in columns:
            cells.append(cell(column, name))
            if ours and column is not ours:
                cells.append(ratio_cell(quantity, name, ours, column))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(column: Column, name: str) -> str:
    samples = column.figures.samples.get(name)
    if not samples:
        return ABSENT
    mark = " \\*" if name in column.figures.notes else ""
    scatter = f" ± {number(spread(samples))}" if len(samples) > 1 else ""
    return f"{number(median(samples))}{scatter}{mark}"


def ratio_cell(quantity: Quantity, name: str, ours: Column, theirs: Column) -> str:
    our_samples = ours.figures.samples.get(name)
    their_samples = theirs.figures.samples.get(name)
    if not our_samples or not their_samples:
        return ABSENT
    return f"{advantage(quantity, our_samples, their_samples):.2f}"


def number(value: float) -> str:
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def footnotes(columns: list[Column]) -> list[str]:
    """The meaning of the stars."""
    lines = [
        f"\\* {column.runtime.name}, {QUANTITIES[name].title}: {note}."
        for column in columns
        for name, note in column.figures.notes.items()
    ]
    return ["\n".join(f"* {line}" for line in lines)] if lines else []


def json_text(results: Results) -> str:
    document = {
        "machine": results.machine,
        "threads": results.options.threads,
        "repetitions": results.options.repetitions,
        "workloads": {w.name: workload_json(w, c) for w, c in results.columns.items()},
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def workload_json(workload: Workload, columns: list[Column]) -> dict:
    ours = ours_among(columns)
    return {
        "shape": workload.shape,
        "text_type": workload.text_type,
        "runtimes": {c.runtime.name: column_json(c, ours) for c in columns},
    }


def column_json(column: Column, ours: Column | None) -> dict:
    figures = {}
    for name, samples in column.figures.samples.items():
        figures[name] = {
            "unit": QUANTITIES[name].unit,
            "median": median(samples),
            "spread": spread(samples),
            "samples": samples,
            "note": column.figures.notes.get(name),
        }
        if ours and column is not ours and ours.figures.samples.get(name):
            figures[name]["trimllava_is_times_better"] = advantage(
                QUANTITIES[name], ours.figures.samples[name], samples
            )
    runtime = column.runtime
    return {"version": runtime.version(), "settings": runtime.settings(), "figures": figures}
