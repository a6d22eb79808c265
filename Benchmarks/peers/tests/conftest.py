# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import the comparison, which is beside their folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
