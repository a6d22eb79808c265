# SPDX-License-Identifier: Apache-2.0
"""A server with the demonstration model, and the pictures it is asked about."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from trimllava import LLaVA, ProgramError, program_path  # noqa: E402


@pytest.fixture(scope="session")
def program() -> str:
    """The program under test: TRIMLLAVA_PROGRAM, or the one on PATH."""
    try:
        return program_path()
    except ProgramError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def llava(program: str) -> Iterator[LLaVA]:
    with LLaVA(program=program, threads=2, parallel=4) as model:
        yield model


@pytest.fixture(scope="session")
def photographs() -> list[Path]:
    """Photographs of the repository."""
    return sorted((ROOT / "tools" / "samples").glob("*.[jp][pn]g"))
