# SPDX-License-Identifier: Apache-2.0
"""An HTTP client that measures when text comes, and that can misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

ANSWER_SECONDS = 600.0  # after which a client gives up


@dataclass(frozen=True)
class Place:
    """Where a server listens."""

    port: int | None = None
    socket: str | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.socket is not None:
            return await asyncio.open_unix_connection(self.socket)
        return await asyncio.open_connection("127.0.0.1", self.port)


@dataclass
class Answer:
    """What came back."""

    status: int
    text: str = ""
    finish_reason: str | None = None
    is_whole: bool = False
    first_token_seconds: float | None = None
    seconds: float = 0.0
    document: dict = field(default_factory=dict)


def head(method: str, path: str, length: int | None = None) -> bytes:
    """The head of a request, with its empty line."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    if length is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chat(body: bytes) -> bytes:
    """A request for a chat completion."""
    return head("POST", "/v1/chat/completions", len(body)) + body


@contextlib.asynccontextmanager
async def connection(
    place: Place, request: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a request was sent; leaving the block leaves the server."""
    reader, writer = await place.connect()
    try:
        writer.write(request)
        await writer.drain()
        yield reader, writer
    finally:
        writer.transport.abort()


async def read_status(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """The status and the fields of a head."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = [line.split(": ", 1) for line in lines[1:] if ": " in line]
    return int(lines[0].split(" ")[1]), {name.lower(): value for name, value in fields}


async def lines_of(reader: asyncio.StreamReader, fields: dict[str, str]) -> AsyncIterator[bytes]:
    """The lines of a body as they come."""
    if fields.get("transfer-encoding") != "chunked":
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        for line in body.splitlines(keepends=True):
            yield line
        return
    pending = b""
    while length := int(await reader.readline(), 16):
        pending += (await reader.readexactly(length + 2))[:-2]
        *whole, pending = pending.split(b"\n")
        for line in whole:
            yield line + b"\n"
    if pending:
        yield pending


async def read_answer(reader: asyncio.StreamReader, started: float) -> Answer:
    """The rest of an answer, whole or streamed."""
    status, fields = await read_status(reader)
    answer = Answer(status)
    if fields.get("content-type", "").startswith("text/event-stream"):
        async for line in lines_of(reader, fields):
            note(answer, line, started)
    else:
        body = b"".join([line async for line in lines_of(reader, fields)])
        if fields.get("content-type", "").startswith("application/json"):
            answer.document = json.loads(body)
        if choices := answer.document.get("choices"):
            answer.text = choices[0]["message"]["content"]
            answer.finish_reason = choices[0]["finish_reason"]
        answer.is_whole = True
    answer.seconds = time.monotonic() - started
    return answer


def note(answer: Answer, line: bytes, started: float) -> None:
    """Takes a line of a stream into the answer."""
    if not line.startswith(b"data: "):
        return
    if line.startswith(b"data: [DONE]"):
        answer.is_whole = True
        return
    chunk = json.loads(line.removeprefix(b"data: "))
    if "error" in chunk:
        answer.status = int(chunk["error"].get("code") or 500)
        return
    for choice in chunk["choices"]:
        if piece := choice["delta"].get("content"):
            if answer.first_token_seconds is None:
                answer.first_token_seconds = time.monotonic() - started
            answer.text += piece
        answer.finish_reason = choice["finish_reason"] or answer.finish_reason
    answer.document = chunk


async def ask(place: Place, request: bytes) -> Answer:
    """Makes a request and reads its answer."""
    started = time.monotonic()
    async with asyncio.timeout(ANSWER_SECONDS), connection(place, request) as (reader, _):
        return await read_answer(reader, started)


@dataclass
class Recording:
    """An answer as it came, to be read when there is time."""

    started: float
    parts: list[tuple[float, bytes]] = field(default_factory=list)

    async def answer(self) -> Answer:
        """What was recorded, with the times at which it came."""
        reader = asyncio.StreamReader(limit=1 << 24)
        reader.feed_data(b"".join(part for _, part in self.parts))
        reader.feed_eof()
        answer = await read_answer(reader, self.started)
        answer.seconds = self.parts[-1][0] - self.started
        if answer.first_token_seconds is not None:
            answer.first_token_seconds = self._when(rb'"delta":\s?\{"content":\s?"[^"]') - self.started
        return answer

    def _when(self, pattern: bytes) -> float:
        """When the first text that a pattern fits had come."""
        seen = b""
        for when, part in self.parts:
            seen += part
            if re.search(pattern, seen):
                return when
        raise ValueError("no text came")


async def record(place: Place, request: bytes) -> Recording:
    """Makes a request and keeps its answer unread, which costs little time."""
    recording = Recording(time.monotonic())
    async with asyncio.timeout(ANSWER_SECONDS), connection(place, request) as (reader, _):
        while part := await reader.read(1 << 16):
            recording.parts.append((time.monotonic(), part))
    return recording


async def get(place: Place, path: str) -> tuple[int, str]:
    """The status and the text at a path."""
    async with connection(place, head("GET", path)) as (reader, _):
        status, fields = await read_status(reader)
        return status, b"".join([line async for line in lines_of(reader, fields)]).decode()
