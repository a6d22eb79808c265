# SPDX-License-Identifier: Apache-2.0
"""Measurements without interference from other programs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from . import machine
from .errors import ComparisonError
from .workload import MeasuringOptions

Result = TypeVar("Result")
ATTEMPTS = 20  # at a measurement, where other programs come in between


def undisturbed(measure: Callable[[], Result], options: MeasuringOptions) -> Result:
    """The result of `measure` on an idle machine; disturbed measurements are repeated."""
    for _ in range(ATTEMPTS):
        with machine.holding(options.lock):
            machine.wait_until_idle(options.accepts_busy)
            watch = machine.OthersWatch()
            result = measure()
            others = watch.busy_cores()
        if options.accepts_busy or others <= machine.LARGEST_BUSY_CORES:
            return result
        print(f"again: other programs kept {others:.2f} cores busy meanwhile", file=sys.stderr)
    raise ComparisonError(
        f"other programs disturbed {ATTEMPTS} measurements in a row; measure with --busy, or later"
    )
