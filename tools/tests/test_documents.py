# SPDX-License-Identifier: Apache-2.0
"""The documents: links have targets, and the README stays short."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from conftest import TOOLS

REPOSITORY = TOOLS.parent
LISTED = subprocess.run(
    ["git", "-C", REPOSITORY, "ls-files", "--", "*.md"], capture_output=True, text=True, check=True
)
DOCUMENTS = [name for name in LISTED.stdout.splitlines() if (REPOSITORY / name).exists()]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def prose(path: Path) -> str:
    """A document without its code blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(path)))
    return {heading.replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = REPOSITORY / name
    for link in LINK.findall(prose(document)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_field_of_the_examples_is_described() -> None:
    text = (REPOSITORY / "docs/output.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", text))
    decoder = json.JSONDecoder()
    examples = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(examples) == 6
    for example in examples:
        rest = example.strip()
        while rest:
            value, end = decoder.raw_decode(rest)
            rest = rest[end:].strip()
            assert fields(value) <= described


def fields(value: object) -> set[str]:
    """The names of an object's fields, including nested ones."""
    if isinstance(value, list):
        return set().union(*map(fields, value))
    if isinstance(value, dict):
        return set(value).union(*map(fields, value.values()))
    return set()


def test_the_readme_is_short() -> None:
    lines = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
