# SPDX-License-Identifier: Apache-2.0
"""Captions by a Ray cluster are those of the program, whatever dies meanwhile.

    pytest python/tests/test_ray.py --scenes 2000 -s      the large form, which prints what was repeated
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray.data")

import pyarrow.parquet as pq
from ray_cluster import TwoNodes

from conftest import ROOT

KEEP = "64"


@pytest.fixture(scope="module")
def batch(captions: dict[str, str]) -> str:
    """Pictures of a batch: few, so that a small form has many batches, or the default."""
    return "8" if len(captions) < 500 else "64"


@pytest.fixture(scope="module")
def cluster(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    nodes = TwoNodes(tmp_path_factory.mktemp("cluster"), program, ROOT / "python")
    yield nodes
    nodes.close()


@pytest.fixture(scope="module")
def captions(program: str, scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `trimllava caption` writes."""
    records = tmp_path_factory.mktemp("captions") / "captions.jsonl"
    command = [program, "caption", str(scenes), "-o", str(records), "--keep", KEEP]
    subprocess.run(command, check=True, capture_output=True)
    lines = map(json.loads, records.read_text().splitlines())
    return {line["file_name"]: line["text"] for line in lines}


def rows(output: Path) -> list[dict[str, object]]:
    return [row for name in sorted(output.glob("*.parquet")) for row in pq.read_table(name).to_pylist()]


def texts(output: Path) -> dict[object, object]:
    """Captions by path; every picture has one row."""
    found = rows(output)
    by_path = {row["path"]: row["caption"] for row in found}
    assert len(by_path) == len(found)
    return by_path


def test_captions_are_those_of_the_program(
    cluster: TwoNodes, scenes: Path, captions: dict[str, str], batch: str, tmp_path: Path
) -> None:
    before, start = cluster.answers(), time.monotonic()
    driver = cluster.command(scenes, tmp_path / "out", "--keep", KEEP, "--batch", batch)
    _, messages = driver.communicate()
    assert driver.returncode == 0, messages
    assert f"{len(captions)} pictures: {len(captions)} captions, 0 failed" in messages
    assert texts(tmp_path / "out") == captions
    # The last lines of a log may be missing.
    assert cluster.answers() - before <= len(captions)
    print(f"\n{len(captions)} scenes in {time.monotonic() - start:.0f} s, equal to those of caption")


def test_nothing_is_lost_whatever_dies(
    cluster: TwoNodes, scenes: Path, captions: dict[str, str], batch: str, tmp_path: Path
) -> None:
    lot = random.Random(7)
    start = time.monotonic()

    def begin() -> subprocess.Popen[str]:
        return cluster.command(scenes, tmp_path / "out", "--keep", KEEP, "--batch", batch)

    def restart_driver(_: random.Random) -> None:
        nonlocal driver
        driver.kill()
        driver.communicate()
        driver = begin()

    deaths: list[tuple[str, Callable[[random.Random], None]]] = [
        ("a server", cluster.kill_server),
        ("a worker", cluster.kill_worker),
        ("a node", cluster.kill_node),
        ("the driver", restart_driver),
    ]
    rounds = 1 + len(captions) // 1000
    deaths = [death for _ in range(rounds) for death in lot.sample(deaths, len(deaths))]
    first, driver = cluster.answers(), begin()
    done = 0
    for place, (name, kill) in enumerate(deaths, start=1):
        due = place * len(captions) // (len(deaths) + 1)
        while (done := cluster.answers() - first) < due and driver.poll() is None:
            time.sleep(0.02)
        print(f"\nafter {done} answers {name} dies", end="")
        kill(lot)
    _, messages = driver.communicate()
    assert driver.returncode == 0, messages
    assert texts(tmp_path / "out") == captions, messages
    repeated = cluster.answers() - first - len(captions)
    print(f"\n{len(deaths)} deaths, {repeated} of {len(captions)} captions were generated twice, "
          f"{time.monotonic() - start:.0f} s")  # fmt: skip

    # Once more, nothing is left to do.
    again = begin()
    again.communicate()
    assert again.returncode == 0
    assert cluster.answers() - first - len(captions) == repeated


@pytest.mark.parametrize("form", ["jsonl", "webdataset"])
def test_failures_are_rows_and_the_exit_code(
    cluster: TwoNodes, scenes: Path, tmp_path: Path, form: str
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "good.png").write_bytes(sorted(scenes.iterdir())[0].read_bytes())
    (pictures / "bad.png").write_bytes(b"no picture")
    (pictures / "empty.jpg").write_bytes(b"")
    driver = cluster.command(pictures, tmp_path / "out", "--format", form)
    _, messages = driver.communicate()
    assert driver.returncode == 1, messages
    assert "3 pictures: 1 captions, 2 failed" in messages
    assert f"{pictures}/bad.png: " in messages
    driver = cluster.command(pictures, tmp_path / "out", "--format", form, "--keep", "16")
    _, messages = driver.communicate()
    assert driver.returncode == 1
    assert "has captions with other settings (keep)" in messages


def test_a_model_that_is_not_there(cluster: TwoNodes, scenes: Path, tmp_path: Path) -> None:
    driver = cluster.command(scenes, tmp_path / "out", "--model", "/absent.gguf", "--mmproj", "/absent.gguf")
    _, messages = driver.communicate()
    assert driver.returncode == 1
    assert messages.splitlines()[-1].startswith("python -m trimllava.ray: "), messages
    assert "/absent.gguf" in messages.splitlines()[-1]
