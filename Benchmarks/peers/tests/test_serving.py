# SPDX-License-Identifier: Apache-2.0
"""What the comparison of servers makes of their answers."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from comparison.captioning import ANSWER_TOKENS
from comparison.errors import ComparisonError
from comparison.serving import Served, Streamed, as_json, ask, serve, serving_table, stream_figures
from comparison.workload import MeasuringOptions

OPTIONS = MeasuringOptions(2, 1, [], accepts_busy=False, lock=None)


def chunk(text: str | None = None, **more: object) -> bytes:
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}}]
    return b"data: " + json.dumps({"choices": choices, **more}).encode() + b"\n"


def test_the_first_token_is_the_first_text() -> None:
    times = iter([10.0, 13.0, 20.0])
    lines = [
        b': {"reading": 0.5}\n', b"\n", chunk(""), chunk("A"), chunk(" cat"),
        chunk(usage={"completion_tokens": 64}), b"data: [DONE]\n",
    ]  # fmt: skip
    assert stream_figures(lines, lambda: next(times)) == Streamed(3.0, 10.0, 64)


@pytest.mark.parametrize(
    "lines",
    [[], [chunk("A")], [chunk(usage={"completion_tokens": 3})], [chunk(error={"message": "full"})]],
)
def test_an_answer_that_is_not_whole_is_no_figure(lines: list[bytes]) -> None:
    with pytest.raises(ComparisonError):
        stream_figures(lines, lambda: 0.0)


class Fake(http.server.BaseHTTPRequestHandler):
    tokens = ANSWER_TOKENS

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["stream"] and body["max_tokens"] == ANSWER_TOKENS
        self.send_response(200)
        self.end_headers()
        self.wfile.write(chunk("A") + chunk(usage={"completion_tokens": self.tokens}))

    def log_message(self, *_: object) -> None:
        pass


class FakeServer:
    """Answers in a server's place."""

    def __init__(self, tokens: int = ANSWER_TOKENS) -> None:
        handler = type("Handler", (Fake,), {"tokens": tokens})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]

    def __enter__(self) -> FakeServer:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def peak_bytes(self) -> int:
        return 2**30


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[list[Path]]:
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"picture")
    return sorted(tmp_path.iterdir())


def test_every_picture_is_asked_about(pictures: list[Path]) -> None:
    served = serve(FakeServer(), "fake", pictures, clients=2)
    assert len(served.answers) == 5 and served.peak_bytes == 2**30
    assert all(0 <= each.first_token_seconds <= each.seconds <= served.seconds for each in served.answers)


def test_answers_of_another_length_are_no_figures(pictures: list[Path]) -> None:
    with pytest.raises(ComparisonError, match=f"expected {ANSWER_TOKENS}"):
        serve(FakeServer(tokens=3), "fake", pictures, clients=2)


def test_a_refusal_tells_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fake, "do_POST", lambda self: self.send_error(501))
    with FakeServer() as server, pytest.raises(ComparisonError, match="501"):
        ask(server.port, Path(__file__))


def test_servers_are_compared_with_the_last() -> None:
    answers = [Streamed(2.0, 8.0, 64), Streamed(3.0, 9.0, 64), Streamed(7.0, 9.0, 64)]
    rows = [Served("ours", answers, 27.0, 4 * 2**30), Served("theirs", answers, 108.0, 8 * 2**30)]
    assert rows[0].per_hour == 400
    lines = serving_table(rows, OPTIONS, "machine").splitlines()
    assert lines[-2] == "| ours | 3 | 400 | 4.00 | 3.0 | 7.0 | 4.0 |"
    assert lines[-1] == "| theirs | 3 | 100 | 1.00 | 3.0 | 7.0 | 8.0 |"
    assert json.loads(as_json(rows))[1]["first_token_seconds"] == [2.0, 3.0, 7.0]
