# SPDX-License-Identifier: Apache-2.0
"""Measures the runtimes in turn, so that a drift of the machine affects all alike."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from . import machine
from .quiet import undisturbed
from .workload import Figures, MeasuringOptions, Runtime, Workload


@dataclass(frozen=True)
class Column:
    """A runtime's figures for one workload."""

    runtime: Runtime
    figures: Figures


@dataclass(frozen=True)
class Results:
    machine: str
    options: MeasuringOptions
    columns: dict[Workload, list[Column]]


def measure_in_turn(
    runtimes: list[Runtime], workloads: list[Workload], options: MeasuringOptions
) -> Results:
    """All repetitions of all workloads; each step of each runtime waits for an idle machine."""
    columns: dict[Workload, list[Column]] = {}
    for workload in workloads:
        columns[workload] = [Column(runtime, Figures()) for runtime in runtimes]
        for repetition in range(1, options.repetitions + 1):
            for column in columns[workload]:
                name = f"{workload.name}: {column.runtime.name}, {repetition}"
                print(f"{name} of {options.repetitions}", file=sys.stderr)
                measure_once(column, workload, options)
    return Results(machine.description(), options, columns)


def measure_once(column: Column, workload: Workload, options: MeasuringOptions) -> None:
    for step in column.runtime.steps(workload):
        column.figures.merge(undisturbed(step, options))
