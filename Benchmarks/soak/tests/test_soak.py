# SPDX-License-Identifier: Apache-2.0
"""What a soak makes of samples and records; no program is needed."""

from __future__ import annotations

import csv
import json
import random
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from serving_load.report import printed
from serving_load.server import LoadError
from serving_load.watch import Sample
from soaking import plot
from soaking.caption import LineCount, failures, linked, repeated
from soaking.figures import grew, held, is_good, table_of

MEBIBYTE = 1 << 20


def samples(count: int, leak: int = 0) -> list[Sample]:
    """A process that does 50 pictures and grows by 0.01 MiB a second, and opens `leak` files every ten."""
    return [
        Sample(
            second, 50 * second, 100 * MEBIBYTE + second * MEBIBYTE // 100, 80 * MEBIBYTE,
            10 + second % 3 + leak * second // 10, 7,
        )
        for second in range(count)
    ]  # fmt: skip


def record(name: str, **fields: str) -> bytes:
    return json.dumps({"file_name": f"/soak/0000/{name}", **fields}).encode() + b"\n"


def test_growth_is_per_unit_and_after_the_warm_up() -> None:
    figures = held(samples(1000), "10000_pictures", lambda sample: sample.done / 10_000)
    resident = figures["resident_mib"]
    assert resident.pop("growth_per_10000_pictures_in_the_second_half") == pytest.approx(2, abs=0.001)
    assert resident == {"after_the_warm_up": 101, "at_the_half": 105, "at_the_end": 110, "most": 110}
    assert figures["anonymous_mib"]["growth_per_10000_pictures_in_the_second_half"] == 0
    assert figures["descriptors"] == {"fewest": 10, "most": 12, "grew": False}
    assert figures["threads"] == {"fewest": 7, "most": 7, "grew": False}
    with pytest.raises(LoadError):
        held([], "minute", lambda sample: sample.seconds)


def test_one_sample_suffices() -> None:
    figures = held(samples(1), "minute", lambda sample: sample.seconds / 60)
    assert figures["resident_mib"]["growth_per_minute_in_the_second_half"] == 0
    assert not figures["threads"]["grew"]


def test_growth_of_counts_is_told_from_ups_and_downs() -> None:
    chance = random.Random(1)
    noise = [30 + chance.randrange(20) for _ in range(400)]
    assert not grew(noise)
    assert not grew([*noise, 70, 70])
    assert grew([count + place // 10 for place, count in enumerate(noise)])
    assert grew([7] * 300 + [8] * 100)
    assert grew([7] * 300 + [8] * 98 + [2, 2])  # the work has ended
    assert not grew([7] * 300 + [6] * 100)


def test_a_leak_or_a_failure_is_not_good() -> None:
    def judged(leak: int, **wrong: int) -> bool:
        figures = held(samples(400, leak), "minute", lambda sample: sample.seconds / 60)
        return is_good({"failures": {"exit_code": 0, **wrong}, **figures})

    assert judged(0)
    assert not judged(1)
    assert not judged(0, missing=1)


def test_wrong_records_are_counted() -> None:
    names = [f"{number:07}-{scene}.png" for number, scene in enumerate("abab")]
    good = [record(name, text=name[-5]) for name in names]
    none = {"missing": 0, "failed": 0, "not_asked_for": 0, "other_caption_of_an_equal_picture": 0}
    assert failures(good, names) == none
    assert failures(reversed(good), names) == none
    assert failures(good[1:], names) == {**none, "missing": 1}
    assert failures([*good, good[0], record("x.png", text="x")], names) == {**none, "not_asked_for": 2}
    assert failures([*good[:3], record(names[3], error="x")], names) == {**none, "failed": 1}
    assert failures([*good[:3], good[3][:9]], names) == {**none, "missing": 1}
    other = {**none, "other_caption_of_an_equal_picture": 1}
    assert failures([*good[:3], record(names[3], text="c")], names) == other


def test_scenes_come_equally_often_and_at_least_twice(tmp_path: Path) -> None:
    drawn = [tmp_path / f"usual-{number}.png" for number in range(5)]
    for count, most in ((1, 1), (4, 2), (12, 5), (50, 5)):
        found = repeated(drawn, count)
        times = [found.count(scene) for scene in set(found)]
        assert len(found) == count and len(times) == most and max(times) - min(times) <= 1
    names = linked(repeated(drawn, 1200), tmp_path / "pictures")
    links = sorted((tmp_path / "pictures").glob("*/*.png"))
    assert [link.name for link in links] == names and len(set(names)) == 1200
    assert all(link.readlink().name == link.name.partition("-")[2] for link in links)


def test_lines_are_counted_as_they_come(tmp_path: Path) -> None:
    count = LineCount(tmp_path / "records")
    assert count() == 0
    with count.path.open("w") as file:
        for written, lines in (("a\nb", 1), ("b\n", 2), ("", 2), ("c\n" * 3_000_000, 3_000_002)):
            file.write(written)
            file.flush()
            assert count() == lines


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 101, 10_000])
def test_thinned_points_keep_their_order_and_their_ends(count: int) -> None:
    chance = random.Random(count)
    points = [(float(place), chance.random()) for place in range(count)]
    thin = plot.thinned(points, 6)
    assert len(thin) == min(count, 6) and thin == sorted(thin) and set(thin) <= set(points)
    if points:
        heights = [height for _, height in points]
        assert {min(heights), max(heights)} <= {height for _, height in thin}


def test_points_at_one_height_are_one_point_of_each_part() -> None:
    assert plot.thinned([(float(place), 3.0) for place in range(100)], 4) == [(0, 3), (50, 3)]


@pytest.mark.parametrize(("end", "expected"), [(1, 0.2), (7, 1), (8.1, 2), (100_000, 20_000), (437, 100)])
def test_lines_stand_at_round_numbers(end: float, expected: float) -> None:
    assert plot.step(end, 8) == pytest.approx(expected)


@pytest.mark.parametrize("count", [0, 1, 20_000])
def test_a_plot_is_small_and_within_its_sheet(count: int) -> None:
    text = plot.drawn(samples(count), "pictures", lambda sample: sample.done)
    assert len(text) < 60_000
    root = ElementTree.fromstring(text)
    lines = [each for each in root if each.tag.endswith("polyline")]
    places = [point.split(",") for each in lines for point in each.get("points", "").split()]
    height = int(root.get("height", ""))
    assert all(0 <= float(x) <= plot.WIDTH and 0 <= float(y) <= height for x, y in places)
    words = [each.text for each in root if each.tag.endswith("text")]
    assert {"resident, MiB", "anonymous, MiB", "descriptors", "threads", "pictures"} <= set(words)


def test_samples_are_comma_separated() -> None:
    rows = list(csv.DictReader(table_of(samples(3)).splitlines()))
    assert len(rows) == 3 and rows[2]["seconds"] == "2.00" and rows[2]["done"] == "100"
    assert rows[0] == {**rows[0], "resident": str(100 * MEBIBYTE), "descriptors": "10", "threads": "7"}


def test_figures_are_a_table() -> None:
    figures = held(samples(1000), "10000_pictures", lambda sample: sample.done / 10_000)
    table = printed({"failures": {"missing": 0}, **figures})
    assert "| failures, missing | 0 |" in table and "| threads, grew | no |" in table
    assert "| resident mib, at the half | 105 |" in table
    assert "| resident mib, growth per 10000 pictures in the second half | 2 |" in table
