# SPDX-License-Identifier: Apache-2.0
"""OpenAI's client, against a server of the demonstration model."""

import httpx
import openai
import pytest

from conftest import Server, run

QUESTION = "What is at the top left?"


@pytest.fixture(scope="module")
def client(server: Server) -> openai.OpenAI:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=20)
    client.models.list()  # waits for the model
    return client.with_options(max_retries=0)


def question(text: str, *addresses: str) -> list[dict]:
    pictures = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}]


def test_models_are_listed(client: openai.OpenAI) -> None:
    (model,) = client.models.list()
    assert model.id == "trimllava-demo"
    assert client.models.retrieve(model.id).id == model.id
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_a_picture_is_answered_as_on_the_command_line(client: openai.OpenAI, picture: str) -> None:
    answer = client.chat.completions.create(model="any", messages=question(QUESTION, picture))
    assert answer.choices[0].message.content == run(QUESTION) == "A small yellow triangle."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens_details.image_tokens > 0
    assert answer.model_extra["trimllava"]["visual_tokens"] > 0


def test_pruning_is_chosen_by_extra_fields(client: openai.OpenAI, picture: str) -> None:
    answer = client.chat.completions.create(
        model="any",
        messages=question(QUESTION, picture),
        extra_body={"keep": 32, "selector": "divprune"},
    )
    assert answer.usage.prompt_tokens_details.image_tokens == 32
    expected = run(QUESTION, "scene-1.png", "--keep", "32", "--selector", "divprune")
    assert answer.choices[0].message.content == expected


def test_streams_come_in_pieces_with_usage(client: openai.OpenAI, picture: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model="any",
            messages=question("Describe the picture.", picture),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == run("Describe the picture.")
    assert next(c.choices[0].delta.role for c in chunks if c.choices) == "assistant"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens > 1
    assert all(c.usage is None for c in chunks[:-1])
    assert len(chunks) > 5


def test_the_helper_for_streams_accepts_them(client: openai.OpenAI, picture: str) -> None:
    with client.chat.completions.stream(model="any", messages=question(QUESTION, picture)) as stream:
        stream.until_done()
    final = stream.get_final_completion()
    assert final.choices[0].message.content == "A small yellow triangle."


def test_several_choices(client: openai.OpenAI, picture: str) -> None:
    answer = client.chat.completions.create(
        model="any", messages=question(QUESTION, picture), n=3, temperature=1.5, seed=1
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_errors_are_those_of_the_client(client: openai.OpenAI, picture: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="any", messages=question("?", "https://x.org/a.png"))
    assert refused.value.param == "messages[0].content[0].image_url.url"
    assert refused.value.type == "invalid_request_error"
    assert refused.value.request_id
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model="any", messages=question("word " * 9999, picture))
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="any", input="x")


def test_time_outs_free_the_server(server: Server, client: openai.OpenAI, picture: str) -> None:
    hasty = client.with_options(timeout=httpx.Timeout(0.1, connect=60))
    with pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(
            model="any",
            messages=question(QUESTION, picture),
            max_tokens=3000,
            extra_body={"ignore_eos": True},
        )
    answer = client.chat.completions.create(model="any", messages=question(QUESTION, picture))
    assert answer.choices[0].message.content == "A small yellow triangle."


def test_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="any", prompt="There is a", max_tokens=4)
    assert answer.usage.completion_tokens <= 4
