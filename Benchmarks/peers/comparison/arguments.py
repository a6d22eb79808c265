# SPDX-License-Identifier: Apache-2.0
"""The types of the commands' arguments."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A positive number."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number
