# SPDX-License-Identifier: Apache-2.0
"""A server with the demonstration model, and the pictures it is asked about."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The installed package is tested where there is one.
if importlib.util.find_spec("trimllava") is None:
    sys.path.insert(0, str(ROOT / "python"))

from trimllava import LLaVA, ProgramError, program_path  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scenes", type=int, default=64, help="pictures of the tests with Ray (default 64)")


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


@pytest.fixture(scope="session")
def scenes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn scenes, which the demonstration model knows."""
    from PIL import Image

    sys.path.append(str(ROOT / "tools" / "demo-model"))
    from demo_model.drawing import draw
    from demo_model.evaluation import scenes_of_kind

    folder = tmp_path_factory.mktemp("scenes")
    for name, scene in islice(scenes_of_kind(0), request.config.getoption("--scenes")):
        Image.fromarray(draw(scene)[0]).save(folder / name)
    return folder
