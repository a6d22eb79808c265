# SPDX-License-Identifier: Apache-2.0
"""Requests to a server, over TCP or a Unix socket."""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import time
from collections.abc import Generator, Iterator
from typing import Any
from urllib.parse import urlsplit

from ._errors import ConnectionLost, RequestError, TrimLLaVAError

_RETRIED = (429, 503)
"""Statuses of a server that is full, loads or drains: the same request may succeed later."""

_LONGEST_WAIT = 60.0
"""Seconds: the server never asks for more in Retry-After."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(self.timeout)
        connected.connect(self._path)
        self.sock = connected


class Address:
    """Where a server listens: `http://host:port`, `https://host:port` or `unix:/path`.

    `silence` is how many seconds may pass without any byte from the server, which sends comments while it
    works.
    """

    def __init__(self, url: str, *, api_key: str | None = None, silence: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._silence = silence
        parts = urlsplit(self.url)
        self._parts = parts
        if parts.scheme not in ("http", "https", "unix"):
            raise ValueError(f"{url}: a server's address starts with http://, https:// or unix:")
        if parts.scheme != "unix" and not parts.hostname:
            raise ValueError(f"{url}: the address names no host")

    def _connection(self, silence: float | None) -> http.client.HTTPConnection:
        parts = self._parts
        if parts.scheme == "unix":
            return _UnixConnection(parts.path, silence)
        assert parts.hostname is not None
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=silence, context=context
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=silence)

    def _send(
        self, connection: http.client.HTTPConnection, path: str, body: dict[str, Any] | None
    ) -> http.client.HTTPResponse:
        headers = {"Accept": "application/json, text/event-stream"}
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        prefix = "" if self._parts.scheme == "unix" else self._parts.path
        if body is None:
            connection.request("GET", prefix + path, headers=headers)
        else:
            headers["Content-Type"] = "application/json"
            connection.request("POST", prefix + path, json.dumps(body).encode(), headers)
        return connection.getresponse()

    def get(self, path: str) -> Any:
        """The JSON at a path.

        Raises RequestError, ConnectionLost.
        """
        with _closing(self._connection(self._silence)) as connection, _lost(self.url):
            response = self._send(connection, path, None)
            content = response.read()
            if response.status != 200:
                raise _refusal(response.status, content)
            return json.loads(content)

    def events(
        self, path: str, body: dict[str, Any], *, patience: float
    ) -> Generator[dict[str, Any], None, None]:
        """The events of a streamed answer, or one for an answer that comes whole.

        Closing the iterator ends the server's work on a streamed answer. A server that is full, loads or
        drains is asked again for `patience` seconds.

        Raises RequestError, ConnectionLost.
        """
        deadline = time.monotonic() + patience
        attempt = 0
        while True:
            is_streamed = body.get("stream", False)
            silence = self._silence if is_streamed else None
            with _closing(self._connection(silence)) as connection, _lost(self.url):
                if not is_streamed:
                    _keep_alive(connection)
                response = self._send(connection, path, body)
                if response.status == 200:
                    if (response.getheader("Content-Type") or "").startswith("application/json"):
                        yield _whole_event(json.loads(response.read()))
                    else:
                        yield from _server_sent_events(response)
                    return
                refusal = _refusal(response.status, response.read())
                wait = _wait(response.getheader("Retry-After"), attempt)
            if refusal.status not in _RETRIED or time.monotonic() + wait > deadline:
                raise refusal
            attempt += 1
            time.sleep(wait)


def _keep_alive(connection: http.client.HTTPConnection) -> None:
    """Notices by TCP that a server is gone, where it is silent until the whole answer comes."""
    connection.connect()
    if connection.sock.family != socket.AF_UNIX:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                connection.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _whole_event(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer that came whole, in the form of a stream's events."""
    choices = [{**choice, "delta": choice["message"]} for choice in answer["choices"]]
    return {**answer, "choices": choices}


def _wait(retry_after: str | None, attempt: int) -> float:
    """How many seconds to wait before the next attempt: not in step with other clients."""
    longest = min(0.25 * 2.0**attempt, _LONGEST_WAIT)
    if retry_after is not None and retry_after.isdecimal():
        longest = max(longest, min(float(retry_after), _LONGEST_WAIT))
    return longest * random.uniform(0.75, 1.25)


def _server_sent_events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """Every event up to `[DONE]` (WHATWG, server-sent events); one `data` line each."""
    while line := response.readline():
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        event = json.loads(data)
        if event.get("error"):
            raise _refusal(int(event["error"].get("status", 500)), data)
        yield event
    raise ConnectionLost("the connection broke before the answer was whole")


def _refusal(status: int, content: bytes) -> RequestError:
    try:
        error = json.loads(content)["error"]
        return RequestError(str(error["message"]), status, error.get("code"), error.get("param"))
    except (ValueError, KeyError, TypeError):
        text = content[:200].decode("utf-8", "replace").strip()
        return RequestError(f"the server answered {status} {text}".rstrip(), status)


class _closing:
    """Closes a connection whatever happens."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def __enter__(self) -> http.client.HTTPConnection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class _lost:
    """Turns the errors of sockets and of HTTP into ConnectionLost."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, TrimLLaVAError):
            return
        if isinstance(error, (OSError, http.client.HTTPException, ValueError)):
            reason = str(error) or type(error).__name__
            raise ConnectionLost(f"{self._url}: {reason}") from error
