# SPDX-License-Identifier: Apache-2.0
"""What a process held during a long run, in numbers."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields

from serving_load.mix import WARM_UP
from serving_load.report import MEBIBYTE, mebibytes, rounded
from serving_load.server import LoadError
from serving_load.watch import Sample, growth

MEMORY = ("resident", "anonymous")
COUNTS = ("descriptors", "threads")


def grew(counts: Sequence[int]) -> bool:
    """Whether the usual count of the last quarter exceeds all of the first one.

    Counts go up and down with the work, and down when it ends; what leaks raises all of them.
    """
    quarter = max(1, len(counts) // 4)
    return statistics.median(counts[-quarter:]) > max(counts[:quarter])


def held(samples: Sequence[Sample], unit: str, over: Callable[[Sample], float]) -> dict:
    """Memory, descriptors and threads after the warm-up; memory grows over a unit."""
    if not samples:
        raise LoadError("the process ended before it was looked at")
    warm = samples[int(len(samples) * WARM_UP) :]
    figures: dict[str, dict] = {}
    for name in MEMORY:
        sizes = [getattr(sample, name) for sample in samples]
        grown = growth(samples, lambda sample, name=name: getattr(sample, name), over)
        figures[f"{name}_mib"] = {
            "after_the_warm_up": mebibytes(getattr(warm[0], name)),
            "at_the_half": mebibytes(sizes[len(sizes) // 2]),
            "at_the_end": mebibytes(sizes[-1]),
            "most": mebibytes(max(sizes)),
            f"growth_per_{unit}_in_the_second_half": rounded(grown / MEBIBYTE),
        }
    for name in COUNTS:
        counts = [getattr(sample, name) for sample in warm]
        figures[name] = {"fewest": min(counts), "most": max(counts), "grew": grew(counts)}
    return figures


def is_good(figures: dict) -> bool:
    """Whether nothing failed, and neither descriptors nor threads grew."""
    return not any(figures["failures"].values()) and not any(figures[name]["grew"] for name in COUNTS)


def table_of(samples: Sequence[Sample]) -> str:
    """All samples as comma-separated values."""
    file = io.StringIO()
    writer = csv.DictWriter(file, [field.name for field in fields(Sample)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(sample), "seconds": f"{sample.seconds:.2f}"} for sample in samples)
    return file.getvalue()
