# SPDX-License-Identifier: Apache-2.0
"""The Parquet converter: every record becomes a row, and errors leave no file."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pq = pytest.importorskip("pyarrow.parquet")

TOOL = Path(__file__).resolve().parent.parent / "captions-to-parquet"
RECORDS = [
    {"file_name": "a\n\u2028.jpg", "text": 'quotes " and 🎈', "file_modified_ns": 1795573738869476537},
    {"file_name": "b.jpg", "error": "b.jpg: no picture"},
    {"file_name": "c.jpg", "text": "", "picture_seconds": 0.5, "later_column": [1, 2]},
]


def convert(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOL, source, target], capture_output=True, text=True, check=False
    )


def test_records_are_rows(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS]
    source.write_text("".join(lines) + '{"file_name": "torn', encoding="utf-8")
    ran = convert(source, target)
    assert ran.returncode == 0, ran.stderr
    assert "no end" in ran.stderr and "3 rows" in ran.stderr
    rows = pq.read_table(target).to_pylist()
    for row, record in zip(rows, RECORDS, strict=True):
        known = {name: value for name, value in record.items() if name in row}
        assert {name: value for name, value in row.items() if value is not None} == known
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.parquet"]


def test_times_of_earlier_records_become_seconds(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    earlier = {"file_name": "a.jpg", "text": "a", "load_ms": 2.5, "decode_ms": 1500.0}
    source.write_text(json.dumps(earlier) + "\n", encoding="utf-8")
    assert convert(source, target).returncode == 0
    (row,) = pq.read_table(target).to_pylist()
    assert row["picture_seconds"] == 0.0025 and row["decode_seconds"] == 1.5
    assert row["vision_seconds"] is None and row["schema_version"] is None


@pytest.mark.parametrize("text", ["[]\n", "x\n", '{"text": "a"}\n'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text(text, encoding="utf-8")
    ran = convert(source, target)
    assert ran.returncode == 1
    assert "line 1 is not a record" in ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]


def test_a_failure_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text(json.dumps(RECORDS[0]) + "\n", encoding="utf-8")
    target.write_bytes(b"old")

    def forbid_large_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))

    ran = subprocess.run(
        [sys.executable, TOOL, source, target],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=forbid_large_files,
    )
    assert ran.returncode == 1
    assert f"{target}: File too large" in ran.stderr and "Traceback" not in ran.stderr
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.parquet"]


def test_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text(json.dumps(RECORDS[0]) + "\n", encoding="utf-8")
    (tmp_path / ".out.parquet.trimllava.tmp").write_bytes(b"half of a file")
    assert convert(source, target).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.parquet"]
