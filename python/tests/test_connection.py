# SPDX-License-Identifier: Apache-2.0
"""How the client meets servers that are full, broken, or not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trimllava import ConnectionLost, LLaVA, RequestError

Reply = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(*replies: Reply) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that gives these replies in turn, and the last one for ever."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(dict(self.headers))
            replies[min(len(seen), len(replies)) - 1](self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def error(status: int, code: str, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"error": {"message": f"no: {code}", "code": code, "param": "keep"}}).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def events(*lines: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write("".join(f"{line}\n\n" for line in lines).encode())

    return reply


def chunk(text: str, finish: str | None = None) -> str:
    return "data: " + json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]})


USAGE = "data: " + json.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
WHOLE = events(": a comment", chunk("A "), chunk("cat.", "stop"), USAGE, "data: [DONE]")


def test_a_full_server_is_asked_again() -> None:
    with serving(error(503, "loading"), error(429, "full", Retry_After="0"), WHOLE) as (url, seen):
        answer = LLaVA(url=url, api_key="secret").describe(b"picture")
    assert (answer.text, answer.stop_reason, answer.prompt_tokens) == ("A cat.", "stop", 5)
    assert len(seen) == 3
    assert seen[0]["Authorization"] == "Bearer secret"


def test_patience_ends() -> None:
    with serving(error(429, "full", Retry_After="60")) as (url, seen), pytest.raises(RequestError) as raised:
        LLaVA(url=url, patience=1).describe(b"picture")
    assert raised.value.status == 429
    assert len(seen) == 1


def test_a_refusal_says_what_the_server_says() -> None:
    with serving(error(400, "invalid_value")) as (url, seen), pytest.raises(RequestError) as raised:
        LLaVA(url=url).describe(b"picture")
    assert str(raised.value) == "no: invalid_value"
    assert (raised.value.status, raised.value.code, raised.value.parameter) == (400, "invalid_value", "keep")
    assert len(seen) == 1


@pytest.mark.parametrize(
    "broken",
    [
        events(chunk("A ")),
        events(chunk("A ", "stop"), "data: [DONE]"),
        events(chunk("A "), "data: {not JSON"),
        lambda handler: handler.wfile.write(b"nonsense\r\n"),
    ],
)
def test_a_broken_answer_is_never_taken_for_a_whole_one(broken: Reply) -> None:
    with serving(broken, WHOLE) as (url, seen):
        assert LLaVA(url=url).describe(b"picture").text == "A cat."
    assert len(seen) == 2
    with serving(broken) as (url, seen), pytest.raises(ConnectionLost):
        LLaVA(url=url).describe(b"picture")
    assert len(seen) == 3


def test_a_caption_that_fails_ends_no_other() -> None:
    with serving(WHOLE, error(400, "bad"), WHOLE) as (url, _):
        captions = list(LLaVA(url=url).caption([b"1", b"2", "absent.png", b"4"], in_flight=1))
    assert [caption.index for caption in captions] == [0, 1, 2, 3]
    assert [caption.text for caption in captions] == ["A cat.", None, None, "A cat."]
    assert captions[1].error == "no: bad"
    assert captions[2].error == "absent.png: No such file or directory"


def test_captions_come_whole() -> None:
    def whole(handler: BaseHTTPRequestHandler) -> None:
        message = {"message": {"role": "assistant", "content": "A cat."}, "finish_reason": "stop", "index": 0}
        usage = {"prompt_tokens": 5, "completion_tokens": 2}
        content = json.dumps({"choices": [message], "usage": usage, "model": "m"}).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json; charset=utf-8")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"choices": [')

    with serving(cut, whole) as (url, seen):
        [caption] = LLaVA(url=url).caption([b"picture"])
    assert caption.answer is not None
    assert (caption.text, caption.answer.stop_reason, caption.answer.prompt_tokens) == ("A cat.", "stop", 5)
    assert len(seen) == 2


def test_captions_take_pictures_as_they_are_needed() -> None:
    taken: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(len(taken))
            yield b"picture"

    with serving(WHOLE) as (url, _):
        captions = LLaVA(url=url).caption(endless(), in_flight=3)
        assert [next(captions).index for _ in range(5)] == [0, 1, 2, 3, 4]
        captions.close()  # type: ignore[attr-defined]
    assert len(taken) <= 5 + 3


def test_an_error_inside_a_stream_is_raised() -> None:
    broken = events(chunk("A "), 'data: {"error": {"message": "no memory", "code": "out_of_memory"}}')
    with serving(broken) as (url, _):
        pieces = LLaVA(url=url).stream(b"picture")
        assert next(pieces) == "A "
        with pytest.raises(RequestError, match="no memory"):
            next(pieces)


def test_nobody_listens() -> None:
    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:9"):
        LLaVA(url="http://127.0.0.1:9").info()


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://host", "http://"])
def test_addresses_are_checked(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        LLaVA(url=url)
