# SPDX-License-Identifier: Apache-2.0
"""The clients of ollama and Anthropic, against a server of the demonstration model."""

import base64
from pathlib import Path

import anthropic
import ollama
import pytest

from conftest import SAMPLES, Server, run

QUESTION = "What is at the top left?"


@pytest.fixture(scope="module")
def client(server: Server) -> ollama.Client:
    return ollama.Client(host=server.url)


@pytest.fixture(scope="module")
def scene() -> Path:
    return SAMPLES / "scene-1.png"


def test_ollama_lists_and_shows(client: ollama.Client) -> None:
    (model,) = client.list().models
    assert model.model == "trimllava-demo:latest"
    assert "vision" in client.show(model.model).capabilities
    assert client.ps().models[0].model == model.model


def test_ollama_chats_about_a_picture(client: ollama.Client, scene: Path) -> None:
    message = {"role": "user", "content": QUESTION, "images": [str(scene)]}
    answer = client.chat(model="trimllava-demo", messages=[message])
    assert answer.message.content == run(QUESTION)
    assert answer.done_reason == "stop" and answer.eval_count > 0
    pieces = list(client.chat(model="trimllava-demo", messages=[message], stream=True))
    assert "".join(piece.message.content for piece in pieces) == run(QUESTION)
    assert pieces[-1].done and len(pieces) > 2


def test_ollama_generates_about_a_picture(client: ollama.Client, scene: Path) -> None:
    answer = client.generate(model="trimllava-demo@32", prompt=QUESTION, images=[scene.read_bytes()])
    assert answer.response == run(QUESTION, "scene-1.png", "--keep", "32")


def test_ollama_gets_errors(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError) as refused:
        client.generate(model="x", prompt="?", images=["aGVsbG8="])
    assert refused.value.status_code == 400
    with pytest.raises(ollama.ResponseError) as unknown:
        client.show("other")
    assert unknown.value.status_code == 404


def test_anthropic_answers_and_streams(server: Server, scene: Path) -> None:
    client = anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0)
    source = {
        "type": "base64",
        "media_type": "image/png",
        "data": base64.b64encode(scene.read_bytes()).decode(),
    }
    content = [{"type": "image", "source": source}, {"type": "text", "text": QUESTION}]
    request = {
        "model": "any",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": content}],
    }
    answer = client.messages.create(**request)
    assert answer.content[0].text == run(QUESTION)
    assert answer.stop_reason == "end_turn"
    with client.messages.stream(**request) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == run(QUESTION) and final.usage.output_tokens > 0
    assert client.messages.count_tokens(model="any", messages=request["messages"]).input_tokens > 0
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(**{**request, "messages": []})
