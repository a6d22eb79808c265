# SPDX-License-Identifier: Apache-2.0
"""What openai-node's parser and its helper for streams require."""

import json

from conftest import Server, post


def body(picture: str, **more: object) -> dict:
    content = [
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "text", "text": "Describe the picture."},
    ]
    return {"messages": [{"role": "user", "content": content}], "stream": True, **more}


def test_every_event_is_what_openai_node_requires(server: Server, picture: str) -> None:
    response = post(server, body(picture, n=2, temperature=1, seed=3))
    assert response.status == 200
    lines = response.read().decode().split("\n")
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert all(line == "" or line.startswith((":", "data: ")) for line in lines)
    # `[DONE]` is the last event, alone; all others are documents.
    assert data[-1] == "[DONE]"
    chunks = [json.loads(text) for text in data[:-1]]
    assert chunks, "request ended without sending any chunks"
    roles: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for chunk in chunks:
        assert "error" not in chunk
        assert {"id", "object", "created", "model", "choices"} <= chunk.keys()
        for choice in chunk["choices"]:
            index = choice["index"]
            if "role" in choice["delta"]:
                roles[index] = choice["delta"]["role"]
            assert index in roles, "missing role for choice"
            assert index not in reasons, "text after the end of a choice"
            assert choice["finish_reason"] in (None, "stop", "length")
            if choice["finish_reason"] is not None:
                reasons[index] = choice["finish_reason"]
    assert roles == {0: "assistant", 1: "assistant"}
    assert reasons.keys() == {0, 1}, "missing finish_reason for choice"


def test_errors_before_the_head_have_a_status(server: Server) -> None:
    response = post(server, body("https://example.org/a.png"))
    assert response.status == 400
    assert json.loads(response.read())["error"]["type"] == "invalid_request_error"
