# SPDX-License-Identifier: Apache-2.0
"""What the commands accept as arguments."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number
