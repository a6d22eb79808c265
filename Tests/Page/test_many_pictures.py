# SPDX-License-Identifier: Apache-2.0
"""Captions of many pictures: the table, editing, and the downloads."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from page import Page
from server import SAMPLES, Server
from streams import stream

GOOD = [SAMPLES / name for name in ("scene-1.png", "scene-2.png", "chelsea.png", "rocket.jpg")]


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.jpg"
    path.write_bytes(b"no picture")
    return path


@pytest.fixture
def table(page: Page) -> Page:
    page.all("nav a")[1].click()
    page.wait(lambda: page["many-view"].is_displayed(), "the view")
    return page


def states(page: Page) -> list[str]:
    return page.run("return [...document.querySelectorAll('#row-body tr')].map(row => row.dataset.state)")


def captions(page: Page) -> dict[str, str]:
    return dict(page.run(
        """
        return [...document.querySelectorAll("#row-body tr")].map(row =>
            [row.querySelector(".cell-name").textContent, row.querySelector("textarea").value]);
        """))  # fmt: skip


def caption_all(page: Page) -> None:
    page["start"].click()
    page.wait(lambda: not {"new", "working"} & set(states(page)) and page["start"].is_displayed(), "captions")


def records(content: bytes) -> dict[str, dict]:
    lines = [json.loads(line) for line in content.decode().splitlines()]
    return {line["file_name"]: line for line in lines}


def test_a_bad_picture_is_a_row_and_the_others_go_on(table: Page, bad: Path, server: Server) -> None:
    table.expected_failures = {400}
    table.choose(GOOD[0], bad, *GOOD[1:], field="more")
    caption_all(table)
    assert states(table) == ["done", "failed", "done", "done", "done"]
    shown = captions(table)
    for path in GOOD:
        expected = server.answer(path, "Describe the picture.", keep=64)
        assert shown[path.name] == expected["choices"][0]["message"]["content"].strip()
    problem = [text for text in table.texts("#row-body .bad") if text]
    assert len(problem) == 1
    assert "1 failed" in table.text("#many-status")

    # Captions are edited by hand, also that of the bad picture.
    field = table.all("#row-body textarea")[0]
    field.clear()
    field.send_keys('A "scene", édité')
    edited = captions(table)

    lines = records(table.download("jsonl", "captions.jsonl"))
    assert set(lines) == set(edited)
    # The fields that every record of `trimllava caption` has.
    version = subprocess.run([server.command[0], "--version"], capture_output=True, text=True, check=True)
    for line in lines.values():
        assert line["schema_version"] == 1
        assert line["trimllava_version"] == version.stdout.split()[-1]
    assert lines["bad.jpg"]["error"] == problem[0]
    assert "text" not in lines["bad.jpg"]
    for path in GOOD:
        assert lines[path.name]["text"] == edited[path.name]
        assert lines[path.name]["kept_tokens"] == 64
        assert lines[path.name]["prompt"] == "Describe the picture."
    assert lines["scene-1.png"]["edited"] is True
    assert "edited" not in lines["scene-2.png"]

    rows = records(table.download("metadata", "metadata.jsonl"))
    assert rows == {
        path.name: {"file_name": path.name, "text": edited[path.name]} for path in GOOD
    }

    archive = zipfile.ZipFile(io.BytesIO(table.download("zip", "captions.zip")))
    assert archive.testzip() is None
    assert {name: archive.read(name).decode() for name in archive.namelist()} == {
        f"{path.stem}.txt": edited[path.name] + "\n" for path in GOOD
    }


def test_a_folder_keeps_its_paths(table: Page, tmp_path: Path) -> None:
    folder = tmp_path / "Bilder ü"
    (folder / "a").mkdir(parents=True)
    shutil.copy(GOOD[0], folder / "a" / "scene.png")
    shutil.copy(GOOD[1], folder / "a" / "scene.copy.png")
    shutil.copy(GOOD[3], folder / "scene.jpg")
    shutil.copy(GOOD[1], folder / "scene.png")
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    table["folder"].send_keys(str(folder))
    table.wait(lambda: len(states(table)) == 4, "the rows")
    assert "1 file is no picture" in table.text("#many-status")
    caption_all(table)
    names = set(captions(table))
    assert names == {
        f"Bilder ü/{name}" for name in ("a/scene.png", "a/scene.copy.png", "scene.jpg", "scene.png")
    }
    archive = zipfile.ZipFile(io.BytesIO(table.download("zip", "captions.zip")))
    # The texts of two pictures never have one name.
    assert len(archive.namelist()) == len(set(archive.namelist())) == 4
    assert "Bilder ü/a/scene.txt" in archive.namelist()


def test_a_dropped_folder_keeps_its_paths(table: Page, tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    (folder / "inner" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    shutil.copy(GOOD[0], folder / "scene.png")
    shutil.copy(GOOD[1], folder / "inner" / "scene.png")
    (folder / "inner" / "notes.txt").write_text("no picture", encoding="utf-8")
    # A browser gives the entries of a folder in parts of at most 100.
    for number in range(120):
        shutil.copy(GOOD[0], folder / "inner" / "deep" / f"{number:03}.png")
    table.drop(folder, GOOD[2])
    table.wait(lambda: len(states(table)) == 123, "the rows")
    names = table.texts("#row-body .cell-name")
    expected = {f"drop/inner/deep/{number:03}.png" for number in range(120)}
    assert set(names) == expected | {"drop/scene.png", "drop/inner/scene.png", GOOD[2].name}
    assert "1 file is no picture" in table.text("#many-status")
    assert not table.run("return document.body.classList.contains('dragging')")


def test_equal_names_stay_apart(table: Page) -> None:
    table.choose(GOOD[0], field="more")
    table.choose(GOOD[0], field="more")
    assert set(captions(table)) == {"scene-1.png", "scene-1 (2).png"}


def test_a_full_server_and_a_broken_connection_cost_no_picture(table: Page) -> None:
    full = [429, {"Retry-After": "1"}, []]
    table.fake(full, [200, {}, ["break"]], full, [200, {}, [stream("A scene.")[:40], "break"]])
    table.choose(*GOOD, field="more")
    caption_all(table)
    assert states(table) == ["done"] * 4


def test_stop_leaves_the_rest_for_later(table: Page) -> None:
    table.fake(*[[200, {}, ["hold"]]] * 4)
    table.choose(*GOOD[:2], field="more")
    table["start"].click()
    table.wait(lambda: "working" in states(table), "a picture in work")
    table["pause"].click()
    table.wait(lambda: states(table) == ["new", "new"], "the end")
    table.run("window.fakeFetch = null")
    caption_all(table)
    assert states(table) == ["done", "done"]
    table.all("#row-body tr:first-child button")[1].click()
    assert len(states(table)) == 1
