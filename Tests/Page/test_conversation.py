# SPDX-License-Identifier: Apache-2.0
"""Asking about pictures: answers, maps, comparisons, and what is sent."""

from __future__ import annotations

import base64
from pathlib import Path

from selenium.webdriver.common.by import By

from page import Page
from server import SAMPLES, Server
from streams import comment, report, stream, text

SCENE = SAMPLES / "scene-1.png"
QUESTION = "What is at the top left?"


def contents(body: dict) -> list[list[str]]:
    """The kinds of parts in each message."""
    return [
        [part["type"] for part in message["content"]] if isinstance(message["content"], list) else ["text"]
        for message in body["messages"]
    ]


def test_an_answer_and_its_map_are_those_of_the_server(page: Page, server: Server) -> None:
    page.choose(SCENE)
    answer = page.ask(QUESTION)
    expected = server.answer(SCENE, QUESTION, keep=64)
    assert answer == expected["choices"][0]["message"]["content"] != ""
    picture = expected["trimllava"]["pictures"][0]
    page.wait_for_map()
    kept = page.kept_cells(24, 24)
    assert len(kept) == picture["kept_tokens"] == 64
    assert kept == set(picture["tiles"][0]["kept"])
    assert "64 of 576" in page.text("#legend")
    assert "64 of 576 patches" in page["map"].get_attribute("aria-label")
    assert "First word" in page.text("[data-part=facts]")
    # Screen readers hear the same.
    assert "".join(page.texts("#live p")).strip() == answer.strip()
    # The file is sent as it is.
    url = page.bodies()[0]["messages"][0]["content"][0]["image_url"]["url"]
    assert base64.b64decode(url.split(",")[1]) == SCENE.read_bytes()


def test_a_padded_picture_has_a_map_beyond_its_edges(page: Page, server: Server) -> None:
    rocket = SAMPLES / "rocket.jpg"
    page.choose(rocket)
    page.ask("Describe the picture.")
    picture = server.answer(rocket, "Describe the picture.", keep=64)["trimllava"]["pictures"][0]
    tile = picture["tiles"][0]
    left, top = tile["x"] / picture["width"], tile["y"] / picture["height"]
    box = (left, top, left + tile["width"] / picture["width"], top + tile["height"] / picture["height"])
    page.wait_for_map()
    assert box != (0, 0, 1, 1)
    assert page.kept_cells(24, 24, box) == set(tile["kept"])


def test_the_map_can_be_hidden(page: Page) -> None:
    page.choose(SCENE)
    page.ask(QUESTION)
    page.wait_for_map()
    page.switch("map-on")
    assert len(page.kept_cells(24, 24)) == 576
    page.switch("map-on")
    assert len(page.kept_cells(24, 24)) == 64


def test_budget_and_selector_are_asked_for(page: Page) -> None:
    page.choose(SCENE)
    assert page.text("#budget-number") == "64"
    page.set_budget("128")
    page["selector"].send_keys("divprune")
    page.ask(QUESTION)
    page.wait_for_map()
    assert len(page.kept_cells(24, 24)) == 128
    page.switch("auto")
    page.ask(QUESTION)
    page.set_budget("all")
    page.ask(QUESTION)
    assert [(body["keep"], body["selector"]) for body in page.bodies()] == [
        (128, "divprune"), ("auto", "divprune"), ("100%", "divprune"),
    ]  # fmt: skip


def test_a_following_question_carries_the_conversation(page: Page) -> None:
    page.choose(SCENE)
    first = page.ask(QUESTION)
    assert page.ask("Describe the picture.") != ""
    body = page.bodies()[1]
    assert contents(body) == [["image_url", "text"], ["text"], ["text"]]
    assert body["messages"][1] == {"role": "assistant", "content": first}
    # A picture that comes later goes with the next question.
    page["add"].send_keys(str(SAMPLES / "scene-2.png"))
    page.ask("Describe both.")
    assert contents(page.bodies()[2]) == [
        ["image_url", "text"], ["text"], ["text"], ["text"], ["image_url", "text"],
    ]  # fmt: skip
    page["restart"].click()
    assert page.texts(".turn") == []
    assert page["ask"].is_displayed()


def test_a_comparison_shows_both_answers_and_what_they_cost(page: Page, server: Server) -> None:
    # No other test asks this: the decoder has not read it before.
    scene, question = SAMPLES / "scene-2.png", "What is in the centre?"
    page.choose(scene)
    page.switch("compare")
    page.ask(question)
    pruned, whole = page.texts(".turn .answer")
    assert pruned == server.answer(scene, question, keep=64)["choices"][0]["message"]["content"]
    assert whole == server.answer(scene, question, keep="100%")["choices"][0]["message"]["content"]
    assert [body["keep"] for body in page.bodies()] == [64, "100%"]
    rows = [row.text.split() for row in page.all("[data-part=comparison] tbody tr")]
    measures = {" ".join(row[:2]): row[2:] for row in rows}
    assert measures["Visual tokens"] == ["64", "576"]
    assert len(measures["First word"]) == len(measures["Whole answer"]) == 4  # two numbers with units
    assert float(measures["KV cache"][0]) < float(measures["KV cache"][2])
    assert "to the first word" in page.text(".verdict")
    page.wait_for_map()
    assert len(page.kept_cells(24, 24)) == 64
    # Times of prompts that the decoder knows already are no measure.
    again = page.all(".tools button")[3]
    assert again.text == "Ask again"
    again.click()
    page.wait(lambda: len(page.bodies()) == 4, "the second comparison")
    page.wait_for_answer()
    assert "Tokens read before" in page.text("[data-part=comparison]")
    assert "×" not in page.text(".verdict")


def test_stop_keeps_the_text_so_far(page: Page) -> None:
    page.choose(SCENE)
    page.fake([200, {}, [text("A small yellow"), "hold"]])
    page.type_question(QUESTION)
    page.wait(lambda: page.texts(".answer") == ["A small yellow"], "the first words")
    assert not page["ask"].is_displayed()
    page["stop"].click()
    assert page.wait_for_answer() == "A small yellow"
    assert "Stopped" in page.text("[data-part=facts]")
    assert page.ask("Go on.") != ""
    assert page.bodies()[1]["messages"][1]["content"] == "A small yellow"


def test_progress_is_told_in_words(page: Page) -> None:
    page.choose(SCENE)
    for told, words in (
        ({"queued": 2}, "place 2"),
        ({"encoding": {"picture": 0, "of": 1, "done": 0.4}}, "Encoding the picture"),
        ({"encoding": {"picture": 1, "of": 3, "done": 0.1}}, "Encoding picture 2 of 3"),
        ({"reading": 0.5}, "Reading"),
    ):
        page.fake([200, {}, [comment(told), "hold"]])
        page.type_question(QUESTION)
        page.wait(lambda words=words: words in page.text(".turn:last-child [data-part=work]"), words)
        page["stop"].click()
        page.wait_for_answer()


def test_an_answer_is_text_and_never_markup(page: Page) -> None:
    page.choose(SCENE)
    answer = "<img src=x onerror=alert(1)> **é 🐈** </p>\n<script>alert(2)</script>"
    whole = stream(answer).replace(b"\n", b"\r\n")
    # Parts end in the middle of lines and of letters.
    page.fake([200, {}, [whole[start : start + 7] for start in range(0, len(whole), 7)]])
    assert page.ask(QUESTION) == answer
    assert page.all(".answer *") == []


def test_the_overview_and_the_fine_tiles_have_maps_of_their_own(page: Page) -> None:
    page.choose(SCENE)
    box = {"columns": 24, "rows": 24}
    whole = {**box, "x": 0, "y": 0, "width": 336, "height": 336, "kept": [0, 25, 575]}
    fine = [
        {**box, "x": 168 * column, "y": 168 * row, "width": 168, "height": 168, "kept": [column + 2 * row]}
        for row in range(2) for column in range(2)
    ]  # fmt: skip
    page.fake([200, {}, [stream("A scene.", report(336, 336, [whole, *fine]))]])
    page.ask(QUESTION)
    page.wait_for_map()
    assert page.kept_cells(24, 24) == {0, 25, 575}
    page.switch("level")
    assert page.kept_cells(48, 48) == {0, 24 + 1, 24 * 48 + 2, 24 * 48 + 24 + 3}


def test_pasted_and_dropped_pictures_are_taken(page: Page) -> None:
    data = base64.b64encode(SCENE.read_bytes()).decode()
    for kind in ("paste", "drop"):
        page.run(
            """
            const [kind, data] = arguments;
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], `${kind}.png`, { type: "image/png" }));
            dispatchEvent(kind === "paste"
                ? new ClipboardEvent(kind, { clipboardData: transfer, cancelable: true })
                : new DragEvent(kind, { dataTransfer: transfer, cancelable: true }));
            """, kind, data)  # fmt: skip
        page.wait(lambda kind=kind: f"{kind}.png" in page.text("#legend"), kind)
    page.ask("Describe both.")
    assert contents(page.bodies()[0]) == [["image_url", "image_url", "text"]]


def test_a_drawn_scene_can_be_asked_about(page: Page) -> None:
    page["draw"].click()
    page.wait(lambda: page["strip"].is_displayed(), "the scene")
    suggestion = page["suggestions"].find_element(By.TAG_NAME, "button")
    suggestion.click()
    page.wait(lambda: page.texts(".turn"), "the question")
    assert page.wait_for_answer() != ""


def test_a_bad_picture_is_an_error_in_words(page: Page, tmp_path: Path) -> None:
    page.expected_failures = {400}
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    page.choose(bad)
    page.ask(QUESTION)
    assert page.text("[data-part=facts]") != ""
    assert "bad" in page.all("[data-part=facts]")[0].get_attribute("class")
    # Without it, the conversation goes on.
    page.all(".remove")[0].click()
    page["choose"].send_keys(str(SCENE))
    assert page.ask(QUESTION) != ""
