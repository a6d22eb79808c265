# SPDX-License-Identifier: Apache-2.0
"""`trimllava serve` under the mixed load for long."""

from __future__ import annotations

from serving_load import mix
from serving_load.server import Program
from serving_load.watch import Sample

from .figures import held

SHARES = mix.Shares(cancels=0.15, stalls=0.05, broken=0.1)


async def measure(program: Program, clients: int, minutes: float) -> tuple[dict, list[Sample]]:
    """Loads a server for some minutes, and reports the outcome and what the process held meanwhile."""
    outcome, samples = await mix.watched(program, clients, minutes, SHARES)
    figures = {
        "seconds": outcome["seconds"],
        "answers": outcome["answers"],
        "answers_per_minute": outcome["pictures_per_minute"],
        "left_or_refused": sum(outcome["expected"].values()) - outcome["answers"],
        "failures": {"unexpected": outcome["unexpected"]},
        "unexpected_examples": outcome["unexpected_examples"],
        "requests_open_at_the_end": outcome["requests_open_at_the_end"],
        **held(samples, "minute", lambda sample: sample.seconds / 60),
    }
    return figures, samples
