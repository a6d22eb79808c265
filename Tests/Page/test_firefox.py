# SPDX-License-Identifier: Apache-2.0
"""The main steps in Firefox, by its own protocol (Marionette), where it is installed.

No package of Debian or PyPI has geckodriver, by which Selenium would drive it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

marionette = pytest.importorskip("marionette_driver.marionette")

from marionette_driver.errors import NoSuchElementException, StaleElementException  # noqa: E402
from marionette_driver.keys import Keys  # noqa: E402

from server import SAMPLES, Server  # noqa: E402

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PATIENCE = 120  # seconds until a test gives up; a machine may be busy
PREFERENCES = """
user_pref("marionette.port", {port});
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("ui.prefersReducedMotion", 1);
"""

pytestmark = pytest.mark.skipif(FIREFOX is None, reason="Firefox is not installed")


class Tab:
    """The page in headless Firefox, and what a user does with it."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __getitem__(self, name: str) -> Any:
        return self.client.find_element("id", name)

    def run(self, script: str) -> Any:
        return self.client.execute_script(script, sandbox=None)

    def texts(self, selector: str, what: str = "textContent") -> list[str]:
        return self.run(f"return [...document.querySelectorAll({selector!r})].map(each => each.{what})")

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except (NoSuchElementException, StaleElementException):
                pass
            time.sleep(0.05)
        raise AssertionError(f"waited in vain: {what}; the page says\n{self.texts('main')}")

    def open(self, address: str) -> None:
        self.client.navigate("about:blank")
        self.client.navigate(address)
        self.wait(lambda: self["server"].get_attribute("data-state") == "ready", "the server")
        self.run(
            "window.problems = []; for (const kind of ['error', 'unhandledrejection', "
            "'securitypolicyviolation']) addEventListener(kind, event => problems.push("
            "`${kind}: ${event.message ?? event.reason ?? event.violatedDirective}`))"
        )

    def ask(self, question: str) -> list[str]:
        """Asks, and gives the answers side by side."""
        count = len(self.texts(".turn"))
        self["question"].send_keys(question + Keys.ENTER)
        self.wait(lambda: len(self.texts(".turn")) > count, "the question")
        self.wait(lambda: self["ask"].is_displayed(), "the end of the answer")
        return self.texts(".turn:last-child .answer")


def wait_for_port(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("Firefox did not open its port")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    profile = tmp_path_factory.mktemp("firefox")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (profile / "user.js").write_text(PREFERENCES.format(port=port))
    command = [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = marionette.Marionette(host="127.0.0.1", port=port)
    try:
        wait_for_port(port)
        client.start_session()
        client.set_window_rect(width=1280, height=1000)
        yield Tab(client)
        client.delete_session()
    finally:
        process.terminate()
        process.wait(60)


def test_answers_maps_and_comparisons(tab: Tab, server: Server) -> None:
    tab.open(server.url)
    tab["choose"].send_keys(str(SAMPLES / "scene-1.png"))
    tab.wait(lambda: tab.run("return document.getElementById('shown').naturalWidth > 0"), "the picture")
    expected = server.answer(SAMPLES / "scene-1.png", "What is at the top left?", keep=64)
    answer = expected["choices"][0]["message"]["content"]
    assert tab.ask("What is at the top left?") == [answer] != [""]
    assert "64 of 576" in tab.texts("#legend")[0]
    # The map dims what is not kept.
    tab.wait(lambda: tab.run(
        "const map = document.getElementById('map');"
        "const {data} = map.getContext('2d').getImageData(0, 0, map.width, map.height);"
        "return data.some((value, place) => place % 4 === 3 && value > 0)"), "the map")  # fmt: skip
    tab["compare"].send_keys(Keys.SPACE)
    assert all(tab.ask("Describe the picture.")) and len(tab.texts(".turn:last-child .answer")) == 2
    assert tab.run("return problems") == []


def test_many_pictures(tab: Tab, server: Server) -> None:
    tab.open(f"{server.url}#many")
    tab.wait(lambda: tab["many-view"].is_displayed(), "the second view")
    pictures = [SAMPLES / "scene-1.png", SAMPLES / "scene-2.png", SAMPLES / "rocket.jpg"]
    tab["more"].send_keys("\n".join(map(str, pictures)))
    tab.wait(lambda: len(tab.texts("#row-body tr")) == 3, "three rows")
    tab["start"].click()
    tab.wait(lambda: "3 of 3" in tab.texts("#many-status")[0], "three captions")
    assert all(tab.texts("#row-body textarea", "value"))
    assert tab.run("return problems") == []


def test_nothing_is_wider_than_a_narrow_window(tab: Tab, server: Server) -> None:
    # Firefox makes no window narrower than this.
    tab.client.set_window_rect(width=500, height=900)
    tab.open(server.url)
    tab["choose"].send_keys(str(SAMPLES / "scene-1.png"))
    tab.wait(lambda: tab.run("return document.getElementById('shown').naturalWidth > 0"), "the picture")
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth")
