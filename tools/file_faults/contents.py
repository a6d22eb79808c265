# SPDX-License-Identifier: Apache-2.0
"""What files hold: without times, to compare them, and whether they are whole."""

import csv
import io
import json
import os
import re
import tarfile
import zlib
from pathlib import Path

Snapshot = dict[str, bytes]

# What differs from run to run.
VARYING = re.compile(
    rb'"(?:[a-z_]*seconds|peak_memory_bytes|cache_bytes|pictures_per_minute|[a-z_]*per_second)"'
    rb" ?: ?[0-9.e+-]+,?"
)
TEMPORARY = re.compile(r"^\.(.*)\.trimllava(?:-[0-9]+)?\.tmp$")
LOG_LINE = re.compile(rb"[0-9]{4}-[0-9-]{5}T[^ ]+ [a-z]+ trimllava: .+")
LOST_LINES = re.compile(rb"lines lost from this log: ([0-9]+)")
LINK = b"link to "


def snapshot(folder: Path) -> Snapshot:
    """All files below a folder, by their relative paths; links by what they say."""
    found: Snapshot = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            content = LINK + os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(folder))] = content.replace(os.fsencode(folder), b"CASE")
    return found


def is_temporary(path: str) -> bool:
    """Whether a file is one that the program renames when it is complete."""
    return TEMPORARY.match(Path(path).name) is not None


def target_name(path: str) -> str:
    """The name of a file, or of the file that it becomes."""
    name = Path(path.removesuffix(" (deleted)")).name
    match = TEMPORARY.match(name)
    return match[1] if match else name.removesuffix(".incomplete")


def comparable(path: str, content: bytes, *, in_order: bool) -> object:
    """The content without times; lines of records in their order or sorted."""
    if path.endswith(".csv"):
        rows = list(csv.reader(io.StringIO(content.decode())))
        columns = (
            [index for index, name in enumerate(rows[0]) if not name.endswith("_seconds")] if rows else []
        )
        return [[row[index] for index in columns] for row in rows]
    if path.endswith(".tar"):
        return members(content)
    if path.endswith(".log"):
        return count_of_lines(content)
    if path.endswith("answers.jsonl"):
        return answers(content)
    if path.endswith("summary.json") and not in_order:
        # A run that continues finds captions that are finished.
        counts = json.loads(content)
        return counts["pictures"] + counts["finished_before"], counts["failed"]
    plain = VARYING.sub(b"", content)
    return plain if in_order or not path.endswith((".jsonl", ".records")) else sorted(plain.splitlines())


def count_of_lines(content: bytes) -> int:
    """The lines of a log, and those that it says it lost."""
    lines = content.splitlines()
    lost = sum(int(match[1]) for line in lines if (match := LOST_LINES.fullmatch(line)))
    return lost + sum(LOG_LINE.fullmatch(line) is not None for line in lines)


def answers(content: bytes) -> dict[tuple[str, str], object]:
    """The last answer to each question; earlier ones may have failed."""
    records = [json.loads(line) for line in content.splitlines()]
    return {(record["id"], record["setting"]): record.get("text") for record in records if "id" in record}


def members(content: bytes) -> list[tuple[str, float, bytes]]:
    """The files of an archive."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            bytes_of_file = file.read() if file else b""
            found.append((member.name, member.mtime, VARYING.sub(b"", bytes_of_file)))
    return found


def flaw(path: str, content: bytes) -> str | None:
    """Why a file is not whole; None if it is."""
    suffix = Path(path).suffix
    try:
        if suffix in (".jsonl", ".records"):
            return lines_flaw(content)
        if suffix == ".json":
            json.loads(content)
        elif suffix == ".csv":
            rows = list(csv.reader(io.StringIO(content.decode())))
            if not content.endswith(b"\n") or len({len(row) for row in rows}) != 1:
                return "rows of different lengths"
        elif suffix == ".tar":
            return None if content.endswith(bytes(1024)) and members(content) is not None else "no end"
        elif suffix == ".png":
            return png_flaw(content)
        elif suffix == ".parquet" and not (content.startswith(b"PAR1") and content.endswith(b"PAR1")):
            return "not from the first to the last mark"
        elif suffix == ".svg" and not content.rstrip().endswith(b"</svg>"):
            return "no end"
        elif suffix == ".txt" and not content.endswith(b"\n"):
            return "no line end"
    except (ValueError, tarfile.TarError, EOFError, csv.Error) as error:
        return str(error)
    return None


def lines_flaw(content: bytes) -> str | None:
    """Why lines of JSON are not whole."""
    if content and not content.endswith(b"\n"):
        return "a torn line"
    for line in content.splitlines():
        json.loads(line)
    return None


def png_flaw(content: bytes) -> str | None:
    """Why a PNG is not whole."""
    place, kind = 8, b""
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        body = content[place + 4 : place + 8 + length]
        kind = body[:4]
        if zlib.crc32(body).to_bytes(4, "big") != content[place + 8 + length : place + 12 + length]:
            return "a damaged chunk"
        place += 12 + length
    return None if kind == b"IEND" else "no end"
