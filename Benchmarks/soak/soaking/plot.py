# SPDX-License-Identifier: Apache-2.0
"""Samples as an SVG file: memory, descriptors and threads, one below the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from serving_load.report import MEBIBYTE
from serving_load.watch import Sample

MOST_POINTS = 600  # of a line
WIDTH, LEFT, RIGHT, TOP, GAP = 840, 60.0, 680.0, 30.0, 34.0

Point = tuple[float, float]
# The height of each panel, and the name, the colour and the value of each of its lines.
PANELS: list[tuple[float, list[tuple[str, str, Callable[[Sample], float]]]]] = [
    (
        180.0,
        [
            ("resident, MiB", "#4477aa", lambda sample: sample.resident / MEBIBYTE),
            ("anonymous, MiB", "#ee6677", lambda sample: sample.anonymous / MEBIBYTE),
        ],
    ),
    (90.0, [("descriptors", "#228833", lambda sample: sample.descriptors)]),
    (90.0, [("threads", "#aa3377", lambda sample: sample.threads)]),
]


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """Not more than `most` of the points: the lowest and the highest one of equal parts, in their order."""
    if len(points) <= most:
        return list(points)
    parts = max(1, most // 2)
    found: list[Point] = []
    for part in range(parts):
        places = range(len(points) * part // parts, len(points) * (part + 1) // parts)
        ends = {choose(places, key=lambda place: points[place][1]) for choose in (min, max)}
        found += [points[place] for place in sorted(ends)]
    return found


def step(end: float, lines: int) -> float:
    """The distance of at most so many lines from zero to `end`: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** (math.floor(math.log10(end / lines)))
    return next(factor * power for factor in (1, 2, 5, 10, 20) if end / (factor * power) <= lines)


def ticks(end: float, lines: int) -> list[float]:
    distance = step(end, lines)
    return [distance * number for number in range(int(end / distance) + 1)]


def line(points: Sequence[Point], colour: str, width: float = 1) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def text(words: str, x: float, y: float, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def drawn(samples: Sequence[Sample], unit: str, over: Callable[[Sample], float]) -> str:
    """The drawing, on a white sheet; samples stand at what `over` says, in a unit."""
    end = max((over(sample) for sample in samples), default=0) or 1
    places = [LEFT + over(sample) / end * (RIGHT - LEFT) for sample in samples]
    marks = [(LEFT + mark / end * (RIGHT - LEFT), f"{mark:,g}") for mark in ticks(end, 8)]
    body: list[str] = []
    top = TOP
    for height, lines in PANELS:
        bottom = top + height
        values = {name: [value(sample) for sample in samples] for name, _, value in lines}
        highest = max((max(each, default=0) for each in values.values()), default=0) or 1
        for mark in ticks(highest, int(height / 22)):
            y = bottom - mark / highest * height
            body += [line([(LEFT, y), (RIGHT, y)], "#dddddd"), text(f"{mark:,g}", LEFT - 6, y + 4, "end")]
        body += [line([(x, bottom), (x, bottom + 4)], "#444444") for x, _ in marks]
        for number, (name, colour, _) in enumerate(lines):
            heights = [bottom - value / highest * height for value in values[name]]
            points = thinned(list(zip(places, heights, strict=True)), MOST_POINTS)
            y = top + 14 + 18 * number
            box = f'<rect x="{RIGHT + 16:.1f}" y="{y - 9:.1f}" width="12" height="12" fill="{colour}"/>'
            body += [line(points, colour, 1.5), box, text(name, RIGHT + 34, y + 2)]
        top = bottom + GAP
    body += [text(mark, x, bottom + 18, "middle") for x, mark in marks]
    body.append(text(unit, (LEFT + RIGHT) / 2, bottom + 38, "middle"))
    head = f'width="{WIDTH}" height="{bottom + 52:.0f}" font-family="sans-serif" font-size="12"'
    sheet = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {head}>', sheet, *body, "</svg>", ""])
