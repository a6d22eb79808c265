# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import the tools' modules, which lie beside their scripts."""

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOOLS))
