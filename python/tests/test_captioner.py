# SPDX-License-Identifier: Apache-2.0
"""What an actor does with its calls; no cluster runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("ray.data")

from trimllava import Caption  # noqa: E402
from trimllava.ray import Captioner, _captioner, caption_dataset  # noqa: E402


class SlowModel:
    """Captions a picture when it is allowed to, and keeps the order in which pictures came."""

    is_remote = True

    def __init__(self) -> None:
        self.came: list[str] = []
        self.turns = threading.Semaphore(0)

    def _caption(self, index: int, picture: str, question: str, address: object) -> Caption:
        self.came.append(picture)
        assert self.turns.acquire(timeout=60)
        return Caption(index, picture, None, f"{picture} failed")


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within a minute")


def batch(*paths: str) -> Any:
    return pa.table({"path": list(paths)})


def test_the_pictures_of_an_earlier_call_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SlowModel()
    monkeypatch.setattr(_captioner, "LLaVA", lambda **_: model)
    captioner = Captioner(in_flight=2)
    with ThreadPoolExecutor(2) as calls:
        first = calls.submit(captioner, batch("a", "b", "c"))
        wait_until(lambda: len(model.came) == 2)
        second = calls.submit(captioner, batch("d", "e", "f"))
        for allowed in range(1, 7):
            model.turns.release()
            wait_until(lambda count=allowed: len(model.came) == min(6, 2 + count))
            # Never more of the second than places that the first has left.
            assert sorted(model.came[:3]) == ["a", "b", "c"]
        assert first.result(60)["error"].to_pylist() == ["a failed", "b failed", "c failed"]
        assert second.result(60)["path"].to_pylist() == ["d", "e", "f"]


def test_files_are_read_whatever_their_names(program: str, photographs: list[Path], tmp_path: Path) -> None:
    content = photographs[0].read_bytes()
    names = ["plain.png", "50%25 #1?.png", "größe.png", "folder.png", "absent.png", "text.png", "link.png"]
    for name in names[:3]:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "link.png").symlink_to("plain.png")
    captioner = Captioner(program=program, threads=2, keep=16)
    found = captioner(batch(*(str(tmp_path / name) for name in names))).to_pylist()
    captions = {row["path"].rsplit("/", 1)[1]: row["caption"] for row in found}
    assert captions["plain.png"]
    assert {captions[name] for name in (*names[:3], "link.png")} == {captions["plain.png"]}
    errors = {row["path"].rsplit("/", 1)[1]: row["error"] for row in found if row["error"]}
    assert sorted(errors) == ["absent.png", "folder.png", "text.png"]
    assert errors["absent.png"] == f"{tmp_path}/absent.png: No such file or directory"
    assert errors["folder.png"] == f"{tmp_path}/folder.png: Is a directory"
    # Where the child may read another folder alone, pictures are sent to it.
    elsewhere = ["--media-path", str(tmp_path / "folder.png")]
    told = Captioner(program=program, threads=2, keep=16, arguments=elsewhere)
    assert told(batch(str(tmp_path / "plain.png")))["caption"].to_pylist() == [captions["plain.png"]]


def test_every_actor_takes_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dataset:
        def map_batches(self, _: object, **options: Any) -> Any:
            return options["num_cpus"]

    dataset: Any = Dataset()
    assert [caption_dataset(dataset, actors=1, cpus=cpus) for cpus in (1, 2, 8)] == [1, 1, 7]
