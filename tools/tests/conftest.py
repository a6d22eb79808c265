# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import the tools' modules from the folders of their scripts."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOOLS))

# They build models with torch and transformers, whose packages take gigabytes.
NEED_TORCH = ["test_convert_hf.py", "test_demo_model.py"]
LACKING = [name for name in ("torch", "transformers") if find_spec(name) is None]

collect_ignore = NEED_TORCH if LACKING else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Reports the test files that did not run, and why."""
    for name in collect_ignore:
        lacking = " and ".join(LACKING)
        terminalreporter.write_line(f"skipped tools/tests/{name}: {lacking} not installed")
