# SPDX-License-Identifier: Apache-2.0
"""What the load makes of answers, good and bad; no server is needed."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import subprocess
import zlib
from collections import Counter

import pytest
from PIL import Image

from serving_load import pictures
from serving_load.client import Answer, Place, Recording, ask, chat
from serving_load.mix import Mix, Outcomes, Shares
from serving_load.report import percentile, printed, spread
from serving_load.watch import Sample, growth, sample

STREAM = [
    b': {"queued": 1}\n\n',
    b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}\n\n',
    b'data: {"choices": [{"delta": {"content": "A c"}, "finish_reason": null}]}\n\n',
    b'data: {"choices": [{"delta": {"content": "at"}, "finish_reason": null}]}\n\n',
    b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n',
    b'data: {"choices": [], "usage": {"prompt_tokens": 7}}\n\n',
    b"data: [DONE]\n\n",
]


def answered(response: bytes, split: int = 10_000) -> Answer:
    """What a client makes of a response that comes in parts."""

    async def both() -> Answer:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            for start in range(0, len(response), split):
                writer.write(response[start : start + split])
                await writer.drain()
                await asyncio.sleep(0)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await ask(Place(server.sockets[0].getsockname()[1]), chat(b"{}"))

    return asyncio.run(both())


def chunked(parts: list[bytes]) -> bytes:
    body = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in [*parts, b""])
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; x\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + body


@pytest.mark.parametrize("split", [1, 7, 10_000])
def test_a_stream_is_read_to_its_end(split: int) -> None:
    answer = answered(chunked(STREAM), split)
    assert (answer.status, answer.text, answer.finish_reason) == (200, "A cat", "stop")
    assert answer.is_whole and answer.document["usage"] == {"prompt_tokens": 7}
    assert answer.first_token_seconds is not None and answer.first_token_seconds <= answer.seconds


def test_a_recorded_stream_has_the_times_at_which_it_came() -> None:
    response = chunked(STREAM)
    text = response.index(b'"A c"') + 3
    ends = [10, 100, text, text + 1, len(response)]
    parts = [(5.0 + end, response[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    answer = asyncio.run(Recording(5.0, parts).answer())
    assert (answer.status, answer.text, answer.is_whole) == (200, "A cat", True)
    assert (answer.first_token_seconds, answer.seconds) == (text, len(response))


def test_events_may_be_cut_anywhere() -> None:
    text = b"".join(STREAM)
    parts = [text[place : place + 11] for place in range(0, len(text), 11)]
    assert answered(chunked(parts)).text == "A cat"


def test_a_stream_that_just_ends_is_not_whole() -> None:
    assert not answered(chunked(STREAM[:-1])).is_whole
    with pytest.raises(EOFError):
        answered(chunked(STREAM)[:-40])


def test_an_error_in_a_stream_has_its_status() -> None:
    error = b'data: {"error": {"code": 503, "message": "x"}}\n\n'
    assert answered(chunked([*STREAM[:2], error])).status == 503


def test_a_whole_answer_is_read() -> None:
    document = {"choices": [{"message": {"content": "A cat"}, "finish_reason": "length"}]}
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    answer = answered(head.encode() + body)
    assert (answer.text, answer.finish_reason, answer.is_whole) == ("A cat", "length", True)


def test_other_answers_to_equal_questions_are_noticed() -> None:
    outcomes = Outcomes()
    good = Answer(200, "A cat", "stop", True, 0.5, 1.0)
    outcomes.note("stream", good, 1)
    outcomes.note("stream", good, 1)
    outcomes.note("stream", Answer(200, "A dog", "stop", True, 0.5, 1.0), 2)
    assert outcomes.unexpected == [] and outcomes.expected == Counter({"stream 200": 3})
    outcomes.note("stream", Answer(200, "A dog", "stop", True), 1)
    outcomes.note("whole", Answer(429), 3)
    outcomes.note("whole", Answer(200, "A", None, True), 4)
    outcomes.note("whole", Answer(200, "A", "stop", False), 5)
    assert len(outcomes.unexpected) == 4


def test_kinds_come_by_their_shares() -> None:
    chance, shares = random.Random(1), Shares(0.2, 0.1, 0.3)
    kinds = Counter(shares.kind(chance) for _ in range(10_000))
    assert kinds.keys() == {"cancel", "stall", "broken", "answer"}
    for kind, share in (("cancel", 0.2), ("stall", 0.1), ("broken", 0.3), ("answer", 0.4)):
        assert abs(kinds[kind] / 10_000 - share) < 0.02
    mix = Mix(Place(0), shares, [])
    assert all(hasattr(mix, f"make_{kind}") for kind in kinds)


def test_pictures_are_pictures_and_repeat() -> None:
    files = pictures.pictures(21)
    opened = [Image.open(io.BytesIO(file)) for file in files]
    assert {picture.format for picture in opened} == set(pictures.FORMATS)
    assert {picture.size for picture in opened} == set(pictures.SIZES)
    assert len(set(files)) == 21 and pictures.pictures(1, first=20) == files[20:]


def test_a_bomb_is_small_and_whole() -> None:
    file = pictures.bomb(800)
    with Image.open(io.BytesIO(file)) as picture:
        picture.load()
        assert picture.size == (800, 800)
    assert len(zlib.compress(pictures.bomb())) < 60_000
    assert len({broken.name for broken in pictures.broken_requests()}) == 10


def test_percentiles_are_values() -> None:
    values = [float(value) for value in range(1, 201)]
    random.Random(1).shuffle(values)
    assert percentile(values, 0.5) == 100 and percentile(values, 0.99) == 198
    assert percentile([], 0.5) is None and percentile([3.0], 0.99) == 3
    assert spread([])["p50"] is None


def test_growth_is_that_of_the_second_half() -> None:
    resident = [0, 500, 900, 1000] + [1000 + 10 * second for second in range(4)]
    samples = [Sample(second, 0, size, 0, 0, 0) for second, size in enumerate(resident)]
    per_minute = growth(samples, lambda sample: sample.resident, lambda sample: sample.seconds / 60)
    assert per_minute == pytest.approx(600)
    assert growth(samples, lambda sample: sample.resident, lambda sample: sample.done) == 0
    assert growth([], lambda sample: sample.resident, lambda sample: sample.done) == 0


def test_a_sample_has_what_the_process_holds() -> None:
    before = sample(os.getpid(), 1.5, 3)
    with open(os.devnull):
        after = sample(os.getpid(), 2.5, 4)
    assert before is not None and after is not None
    assert (before.seconds, before.done) == (1.5, 3) and before.threads >= 1
    assert after.descriptors == before.descriptors + 1
    assert 0 < before.anonymous <= before.resident
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert sample(ended.pid, 0, 0) is None


def test_figures_are_json_and_a_table() -> None:
    figures = {"mode": "mix", "grew": False, "first": {"p50": 0.25, "p99": None}, "names": ["a|b"]}
    line, _, *rows = printed(figures).splitlines()
    assert json.loads(line)["first"] == {"p50": 0.25, "p99": None}
    assert rows[2:4] == ["| mode | mix |", "| grew | no |"]
    assert rows[4:] == ["| first, p50 | 0.25 |", "| first, p99 | – |", "| names | a\\|b |"]
