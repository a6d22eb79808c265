# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(BENCHMARKS / "soak"), str(BENCHMARKS / "serving")]
