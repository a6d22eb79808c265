# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import the tools' modules from the folders of their scripts."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOOLS))

# They build models with torch and transformers, whose packages take gigabytes.
NEED_TORCH = [
    "test_convert_hf.py",
    "test_demo_model.py",
    "test_layouts.py",
    "test_onevision.py",
    "test_qwen_vl.py",
    "test_smolvlm.py",
]
LACKING = [name for name in ("torch", "transformers") if find_spec(name) is None]

collect_ignore = NEED_TORCH if LACKING else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Reports the test files that did not run, and why."""
    for name in collect_ignore:
        lacking = " and ".join(LACKING)
        terminalreporter.write_line(f"skipped tools/tests/{name}: {lacking} not installed")


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every golden model as transformers saves it."""
    from golden_models.building import build
    from golden_models.specifications import MODELS

    folders = {}
    for specification in MODELS:
        folders[specification.name] = tmp_path_factory.mktemp(specification.name)
        build(specification, folders[specification.name], specification.seed)
    return folders
