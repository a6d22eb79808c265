# SPDX-License-Identifier: Apache-2.0
"""What a job on Ray reads, and what it says of its output; no cluster runs."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from trimllava import TrimLLaVAError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from trimllava.ray.__main__ import _arguments  # noqa: E402
from trimllava.ray._job import Job, _sample  # noqa: E402
from trimllava.ray._reading import parts_of  # noqa: E402


def rows(source: Path) -> list[dict[str, Any]]:
    return [row for part in parts_of(str(source)) for row in part()]


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_folders_are_searched_as_caption_searches_them(tmp_path: Path) -> None:
    for name in ("b.PNG", "a/c.jpeg", "a/d.heic", ".hidden.png", ".hidden/e.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    found = rows(tmp_path)
    names = [str(tmp_path / name) for name in ("a/c.jpeg", "a/d.heic", "b.PNG")]
    assert [row["path"] for row in found] == [row["id"] for row in found] == names
    assert [row["bytes"] for row in found] == [row["error"] for row in found] == [None] * 3


def test_names_that_are_not_utf_8_are_failures(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with open(bytes(tmp_path) + b"/\xff.png", "wb"):
        pass
    [good, bad] = rows(tmp_path)
    assert good["error"] is None
    assert bad["error"] == f"{tmp_path}/\\udcff.png: the name is not UTF-8"


def test_archives(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", {"1.jpg": b"one", "1.txt": b"text", "2.PNG": b"two"})
    with tarfile.open(tmp_path / "0.tar", "a") as archive:
        link = tarfile.TarInfo("3.png")
        link.type, link.linkname = tarfile.SYMTYPE, "absent.png"
        archive.addfile(link)
    write_tar(tmp_path / "1.tar", {"1.txt": b"text"})
    whole = (tmp_path / "0.tar").read_bytes()
    (tmp_path / "2.tar").write_bytes(b"no archive")
    (tmp_path / "3.tar").write_bytes(whole[:513])
    found = {Path(row["id"]).relative_to(tmp_path).as_posix(): row for row in rows(tmp_path)}
    assert {name: row["bytes"] for name, row in found.items()} == {
        "0.tar/1.jpg": b"one", "0.tar/2.PNG": b"two", "0.tar/3.png": None,
        "1.tar": None, "2.tar": None, "3.tar": None,
    }  # fmt: skip
    assert "link" in found["0.tar/3.png"]["error"]
    assert found["1.tar"]["error"] == f"{tmp_path}/1.tar: has no pictures"
    assert found["2.tar"]["error"].startswith(f"{tmp_path}/2.tar: ")
    assert found["3.tar"]["error"].startswith(f"{tmp_path}/3.tar: ")


def test_tables(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [7, 8], "bytes": [b"one", None]}), tmp_path / "a.parquet")
    images = [{"bytes": b"two", "path": "x.jpg"}, {"bytes": b"three", "path": None}, None]
    pq.write_table(pa.table({"image": images}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "c.parquet")
    (tmp_path / "d.parquet").write_bytes(b"no table")
    found = rows(tmp_path)
    assert [row["path"].removeprefix(f"{tmp_path}/") for row in found] == [
        "7", "8", "x.jpg", "b.parquet#1", "b.parquet#2", "c.parquet", "d.parquet",
    ]  # fmt: skip
    assert [row["bytes"] for row in found] == [b"one", None, b"two", b"three", None, None, None]
    assert [row["error"] is None for row in found] == [True, False, True, True, False, False, False]
    assert len({row["id"] for row in found}) == len(found)


def test_what_is_done_is_left_out(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", {"1.jpg": b"one", "2.jpg": b"two"})
    write_tar(tmp_path / "0.tar.tar", {"1.jpg": b"three"})
    done = [f"{tmp_path}/0.tar/1.jpg", f"{tmp_path}/0.tar/0.jpg"]
    left = [row["bytes"] for part in parts_of(str(tmp_path), done=done) for row in part()]
    assert left == [b"two", b"three"]
    pq.write_table(pa.table({"bytes": [b"one", b"two"]}), tmp_path / "a.parquet")
    [part] = parts_of(str(tmp_path / "a.parquet"), done=[f"{tmp_path}/a.parquet#0"])
    assert [row["bytes"] for row in part()] == [b"two"]
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / "pictures" / name).write_bytes(b"x")
    done = [f"{tmp_path}/pictures/{name}" for name in ("a.png", "c.png")]
    [part] = parts_of(str(tmp_path / "pictures"), done=done)
    assert [row["path"] for row in part()] == [f"{tmp_path}/pictures/b.png"]
    assert parts_of(str(tmp_path / "pictures"), done=[*done, f"{tmp_path}/pictures/b.png"]) == []


def test_sources_that_hold_nothing_or_two_kinds(tmp_path: Path) -> None:
    with pytest.raises(TrimLLaVAError, match="no such file or folder"):
        parts_of(str(tmp_path / "absent"))
    with pytest.raises(TrimLLaVAError, match=r"no pictures, no \.tar and no \.parquet files"):
        parts_of(str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"x")
    write_tar(tmp_path / "a.tar", {})
    with pytest.raises(TrimLLaVAError, match="name a folder of one kind"):
        parts_of(str(tmp_path))


def job(output: Path, **settings: Any) -> Job:
    return Job(str(output), None, {"format": "jsonl", "keep": None, **settings})


@pytest.mark.parametrize(
    ("text", "share"), [("75%", "75%"), ("75.0%", "75%"), ("100%", None), ("0.5", "0.5"), ("half%", "half%")]
)
def test_equal_shares_are_equal_settings(text: str, share: str | None) -> None:
    assert _arguments().parse_args(["in", "out", "--tower-keep", text]).tower_keep == share


def test_an_output_belongs_to_one_job(tmp_path: Path) -> None:
    job(tmp_path / "out", keep="64").claim()
    job(tmp_path / "out", keep="64").claim()
    with pytest.raises(TrimLLaVAError, match=r"other settings \(keep\)"):
        job(tmp_path / "out").claim()
    # A setting that only one of two versions knows matters where it has a value.
    job(tmp_path / "out", keep="64", max_tiles=None).claim()
    with pytest.raises(TrimLLaVAError, match=r"other settings \(max_tiles\)"):
        job(tmp_path / "out", keep="64", max_tiles=5).claim()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "notes.txt").write_text("mine")
    with pytest.raises(TrimLLaVAError, match="does not say that this command wrote it"):
        job(tmp_path / "theirs").claim()
    (tmp_path / "out.checkpoint" / "settings.json").write_text("{")
    with pytest.raises(TrimLLaVAError, match=r"settings\.json"):
        job(tmp_path / "out", keep="64").claim()


@pytest.mark.parametrize("form", Job.FORMATS)
def test_reports_count_failures_and_repetitions(tmp_path: Path, form: str) -> None:
    records = [
        {"id": "/a.b/1.png", "path": "1", "caption": "A cat.", "error": None},
        {"id": "/a.b/2.png", "path": "2", "caption": None, "error": "no picture"},
        {"id": "/a.b/1.png", "path": "1", "caption": "A cat.", "error": None},
    ]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(records), tmp_path / "0.parquet")
    elif form == "jsonl":
        (tmp_path / "0.json").write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        samples = [_sample(record) for record in records]
        members = {f"{number}.json": sample["json"].encode() for number, sample in enumerate(samples)}
        write_tar(tmp_path / "0.tar", members | {"0.txt": b"A cat."})
        assert [sample["__key__"] for sample in samples[:2]] == ["a_b/1_png", "a_b/2_png"]
    report = Job(str(tmp_path), None, {"format": form}).report()
    assert report.pictures == 3
    assert report.failures == [("2", "no picture")]
    assert report.repeated == 1
