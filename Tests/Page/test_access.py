# SPDX-License-Identifier: Apache-2.0
"""Keys, keyboards, small screens, and servers that are busy or away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from page import Page
from server import SAMPLES, Server

SCENE = SAMPLES / "scene-1.png"


def test_a_server_with_a_key_asks_for_it(
    open_page: Callable[..., Page], program: Path, tmp_path: Path
) -> None:
    with Server(program, tmp_path, key="right") as server:
        page = open_page(server.url)
        page.expected_failures = {401}
        page.wait_until_ready("key")
        assert page["key"].is_displayed()
        page["key"].send_keys("wrong", Keys.ENTER)
        page.wait(lambda: "does not know" in page.text("#key-help"), "the refusal")
        page["key"].send_keys("right", Keys.ENTER)
        page.wait_until_ready()
        assert not page["key"].is_displayed()
        page.choose(SCENE)
        assert page.ask("Describe the picture.") != ""
        # The tab remembers the key, and nothing else does.
        page.driver.refresh()
        page.wait_until_ready()
        assert page.run("return [localStorage.length, document.cookie]") == [0, ""]


def test_a_question_waits_for_a_server_that_comes_back(
    open_page: Callable[..., Page], program: Path, tmp_path: Path
) -> None:
    with Server(program, tmp_path) as server:
        page = open_page(server.url)
        page.expected_failures = {0, 503}
        page.wait_until_ready()
        page.choose(SCENE)
        server.kill()
        page.type_question("Describe the picture.")
        page.wait_until_ready("away")
        page.wait(lambda: "when it is back" in page.text("[data-part=work]"), "the message")
        server.start(server.port)
        assert page.wait_for_answer() != ""
        assert page["server"].get_attribute("data-state") == "ready"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_or_loading_server_is_asked_again(page: Page, status: int) -> None:
    page.choose(SCENE)
    page.fake([status, {"Retry-After": "1"}, [b'{"error": {"message": "Not yet"}}']])
    assert page.ask("Describe the picture.") != ""
    assert len(page.bodies()) == 2


def test_a_broken_answer_can_be_asked_for_again(page: Page) -> None:
    page.choose(SCENE)
    page.fake([200, {}, ["break"]])
    page.ask("Describe the picture.")
    assert "broke off" in page.text("[data-part=facts]")
    again = next(button for button in page.all(".tools button") if button.text == "Ask again")
    again.click()
    page.wait(lambda: len(page.bodies()) == 2, "the second request")
    assert page.wait_for_answer() != ""


def test_a_picture_above_the_limit_is_made_smaller_and_that_is_said(page: Page) -> None:
    page.choose(SCENE)
    page.fake([413, {}, [b'{"error": {"message": "too large"}}']])
    assert page.ask("Describe the picture.") != ""
    sent = [body["messages"][0]["content"][0]["image_url"]["url"] for body in page.bodies()]
    assert sent[0].startswith("data:image/png")
    assert sent[1].startswith("data:image/jpeg")
    assert "168 × 168" in page.text("#picture-note")


def reach(page: Page, name: str) -> None:
    """Goes on by Tab to the element of that id, and sees the focus at every step."""
    for _ in range(60):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        focused, is_seen = page.run(
            """
            const focused = document.activeElement;
            if (focused === document.body) return ["", true]; // between the end and the beginning
            const shown = focused.closest(".choose") ?? focused;
            const style = getComputedStyle(shown);
            return [focused.id, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 1];
            """)  # fmt: skip
        assert is_seen, page.run("return document.activeElement.outerHTML")
        if focused == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


def press(page: Page, *keys: str) -> None:
    ActionChains(page.driver).send_keys(*keys).perform()


def test_everything_is_done_by_keyboard(page: Page) -> None:
    reach(page, "choose")
    page.choose(SCENE)  # the system's dialogue is the only thing that is not the page's
    page.run("document.activeElement.blur()")
    reach(page, "budget")
    press(page, Keys.ARROW_LEFT)
    assert page.text("#budget-number") == "48"
    reach(page, "selector")
    press(page, "d")
    reach(page, "compare")
    press(page, Keys.SPACE)
    reach(page, "question")
    press(page, "What is at the top left?", Keys.ENTER)
    page.wait(lambda: page.texts(".turn"), "the question")
    page.wait_for_answer()
    assert [body["keep"] for body in page.bodies()] == [48, "100%"]
    assert page.bodies()[0]["selector"] == "divprune"
    assert page.run("return document.activeElement.id") == "question"
    press(page, "Describe the picture.")
    reach(page, "ask")
    press(page, Keys.ENTER)
    page.wait(lambda: len(page.texts(".turn")) == 2, "the second question")
    page.wait_for_answer()


def test_everything_has_a_name(page: Page) -> None:
    page.choose(SCENE, SAMPLES / "scene-2.png")
    page.ask("Describe the picture.")
    nameless = page.run(
        """
        return [...document.querySelectorAll("button, input, select, textarea, a")].filter(element => {
            const label = element.labels?.[0]?.textContent ?? "";
            return !(element.getAttribute("aria-label") || element.textContent || label).trim();
        }).map(element => element.outerHTML);
        """)  # fmt: skip
    assert nameless == []
    assert page.run("return [...document.images].filter(image => !image.hasAttribute('alt')).length") == 0
    assert page.run("return document.querySelectorAll('main').length") == 1


@pytest.mark.parametrize(("width", "height"), [(320, 640), (768, 1024), (1280, 800)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen(
    open_page: Callable[..., Page], server: Server, request: pytest.FixtureRequest, width: int,
    height: int, scheme: str,
) -> None:  # fmt: skip
    page = open_page(server.url, width, height, prefers_color_scheme=scheme)
    folder = request.config.getoption("--screenshots")

    def look(name: str) -> None:
        assert page.overflow() <= 0, name
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(folder / f"{width}-{scheme}-{name}.png")

    page.wait_until_ready()
    look("empty")
    # Phones have a button for their camera.
    assert page.all(".camera")[0].is_displayed() == (width < 600)
    assert page.run("const mat = document.getElementById('mat'); return mat.scrollHeight <= mat.clientHeight")
    page.choose(SAMPLES / "chelsea.png", SCENE)
    page.switch("compare")
    page.ask("Describe the picture.")
    page.wait_for_map()
    look("compared")
    page.all("nav a")[1].click()
    page.wait(lambda: page["many-view"].is_displayed(), "the view")
    look("many-empty")
    page.choose(SCENE, SAMPLES / "rocket.jpg", field="more")
    page["start"].click()
    page.wait(lambda: page["start"].is_displayed() and page["downloads"].is_displayed(), "captions")
    look("many")
    background = page.run("return getComputedStyle(document.documentElement).backgroundColor")
    light = sum(map(int, background[4:-1].split(","))) > 3 * 128
    assert light == (scheme == "light")
