# SPDX-License-Identifier: Apache-2.0
"""Pictures and questions of all kinds, and requests that are broken."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zlib
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .client import chat, head

SIZES = [(336, 336), (640, 480), (1200, 900), (480, 640), (900, 120), (64, 64), (1600, 1200)]
FORMATS = ["PNG", "JPEG", "WEBP"]
COLOURS = ["#d7191e", "#14962d", "#193cd7", "#f5e11e", "#f8f8f8", "#0c0c0c"]
QUESTIONS = ["Describe the picture.", "What is at the top left?", "How many objects are there?"]


def drawn(number: int, size: tuple[int, int], kind: str) -> bytes:
    """The file of a drawn scene; equal numbers give equal scenes."""
    chance = random.Random(number)
    picture = Image.new("RGB", size, chance.choice(["#969696", "#aa9b87", "#8296a5", "#8ca08c"]))
    draw = ImageDraw.Draw(picture)
    width, height = size
    for _ in range(chance.randint(2, 5)):
        radius = min(size) * chance.choice([0.09, 0.15])
        x, y = chance.uniform(0.15, 0.85) * width, chance.uniform(0.15, 0.85) * height
        box = (x - radius, y - radius, x + radius, y + radius)
        shape = chance.choice([draw.ellipse, draw.rectangle])
        shape(box, fill=chance.choice(COLOURS))
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def pictures(count: int, first: int = 0) -> list[bytes]:
    """Different pictures in many sizes and formats."""
    return [
        drawn(number, SIZES[number % len(SIZES)], FORMATS[number % len(FORMATS)])
        for number in range(first, first + count)
    ]


def data_url(file: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(file).decode()


def user(question: str, *files: bytes) -> dict:
    """A message that asks about pictures."""
    content: list[dict] = [{"type": "image_url", "image_url": {"url": data_url(file)}} for file in files]
    return {"role": "user", "content": [*content, {"type": "text", "text": question}]}


def body(messages: list[dict], **fields: object) -> bytes:
    return json.dumps({"messages": messages, **fields}).encode()


@dataclass(frozen=True)
class Broken:
    """A request that must be refused."""

    name: str
    request: bytes
    statuses: frozenset[int]  # 0: the connection may just end


def broken_requests() -> list[Broken]:
    file = drawn(0, (336, 336), "PNG")
    whole = body([user("What?", file)], max_tokens=2)
    bodies = {
        "half a document": whole[: len(whole) // 2],
        "half a picture": body([user("What?", file[: len(file) // 2])]),
        "no picture": body([user("What?", b"<html></html>")]),
        "an address": whole.replace(b"data:image/png;base64,", b"http://127.0.0.1/"),
        "a wrong option": body([user("What?", file)], keep="none"),
        "a bomb": body([user("What?", bomb())]),
        "no document": b"\x00\xff" * 500,
    }
    found = [Broken(name, chat(text), frozenset({400})) for name, text in bodies.items()]
    return [
        *found,
        Broken("a body too large", head("POST", "/v1/chat/completions", 1 << 40), frozenset({413})),
        Broken("no such path", head("GET", "/v1/nothing"), frozenset({404})),
        Broken("no HTTP", b"\x16\x03\x01\x02\x00\r\n\r\n", frozenset({0, 400})),
    ]


def bomb(side: int = 19_000) -> bytes:
    """A PNG of few bytes with very many pixels, all black."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((1 + (side + 7) // 8) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
