# SPDX-License-Identifier: Apache-2.0
"""The page in a tab of headless Chromium, and what a user does with it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

Result = TypeVar("Result")
PATIENCE = 60  # seconds until a test gives up; a machine may be busy

# Runs before the page's own script: takes note of what goes wrong, and of what is sent.
RECORDER = """
window.problems = [];
window.bodies = [];
addEventListener("error", event => problems.push(`error: ${event.message}`));
addEventListener("unhandledrejection", event => problems.push(`rejection: ${event.reason}`));
addEventListener("securitypolicyviolation", event => problems.push(`policy: ${event.violatedDirective}`));
window.realFetch = window.fetch.bind(window);
window.fetch = (address, options) => {
    if (options?.body) bodies.push(JSON.parse(options.body));
    return (window.fakeFetch ?? realFetch)(address, options);
};
"""

# Answers in the server's place: each answer is [status, headers, parts of the body]; "hold" stays open.
FAKE = """
const answers = arguments[0];
window.fakeFetch = (address, options) => {
    if (!options?.body || !answers.length) return realFetch(address, options);
    const [status, headers, parts] = answers.shift();
    const bytes = part => Uint8Array.from(atob(part), letter => letter.charCodeAt(0));
    const body = new ReadableStream({
        async start(controller) {
            options.signal.addEventListener("abort", () => controller.error(options.signal.reason));
            for (const part of parts) {
                if (part === "hold") return;
                if (part === "break") return controller.error(new TypeError("network error"));
                controller.enqueue(bytes(part));
            }
            controller.close();
        },
    });
    return Promise.resolve(new Response(body, { status, headers }));
};
"""


def start_browser(profile: Path) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--disable-background-networking", "--no-first-run", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


class Page:
    """A tab with the page."""

    def __init__(
        self, driver: webdriver.Chrome, url: str, folder: Path, size: tuple[int, int],
        media: dict[str, str],
    ) -> None:  # fmt: skip
        self.driver, self.url, self.folder = driver, url, folder
        self.expected_failures: set[int] = set()  # statuses that the test provokes
        width, height = size
        for command, arguments in (
            ("Page.addScriptToEvaluateOnNewDocument", {"source": RECORDER}),
            ("Emulation.setDeviceMetricsOverride",
             {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}),
            ("Emulation.setTouchEmulationEnabled", {"enabled": width < 600}),
            ("Emulation.setEmulatedMedia",
             {"features": [{"name": name.replace("_", "-"), "value": value}
                           for name, value in media.items()]}),
            ("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}),
        ):  # fmt: skip
            driver.execute_cdp_cmd(command, arguments)
        driver.get_log("performance")
        driver.get_log("browser")
        driver.get(url)

    # What is on the page.

    def __getitem__(self, name: str) -> WebElement:
        return self.driver.find_element(By.ID, name)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def texts(self, selector: str) -> list[str]:
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map(each => each.textContent)", selector
        )

    def wait(self, condition: Callable[[], Result], what: str) -> Result:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if result := condition():
                    return result
            except StaleElementReferenceException:
                pass
            time.sleep(0.02)
        raise AssertionError(f"waited in vain: {what}; the page says\n{self.text('main')}")

    def wait_until_ready(self, state: str = "ready") -> None:
        self.wait(lambda: self["server"].get_attribute("data-state") == state, f"server {state}")

    # What a user does.

    def choose(self, *pictures: Path, field: str = "choose") -> None:
        self[field].send_keys("\n".join(map(str, pictures)))

    def drop(self, *paths: Path) -> None:
        """Drags files and folders over the middle of the page and drops them, as a file manager does."""
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        x, y = self.run("return [innerWidth / 2, innerHeight / 2]")
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": x, "y": y, "data": data}
            self.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)

    def type_question(self, question: str) -> None:
        self["question"].send_keys(question, Keys.ENTER)

    def ask(self, question: str) -> str:
        """Asks, and waits for the end of the answer."""
        count = len(self.texts(".turn"))
        self.type_question(question)
        self.wait(lambda: len(self.texts(".turn")) > count, "the question")
        return self.wait_for_answer()

    def wait_for_answer(self) -> str:
        self.wait(lambda: self["ask"].is_displayed(), "the end of the answer")
        return self.texts(".turn:last-child .answer")[0]

    def set_budget(self, kept: str) -> None:
        """Moves the slider by keys until it says so."""
        slider = self["budget"]
        slider.send_keys(Keys.HOME)
        for _ in range(30):
            if self.text("#budget-number") == kept:
                return
            slider.send_keys(Keys.ARROW_RIGHT)
        raise AssertionError(f"the slider has no place for {kept}")

    def switch(self, name: str) -> None:
        self[name].send_keys(Keys.SPACE)

    def fake(self, *answers: list) -> None:
        """Puts answers in the place of the server's next ones."""
        coded = [
            [status, headers, [part if isinstance(part, str) else base64.b64encode(part).decode()
                               for part in parts]]
            for status, headers, parts in answers
        ]  # fmt: skip
        self.run(FAKE, coded)

    def bodies(self) -> list[dict]:
        """The questions that were sent."""
        return self.run("return bodies")

    def download(self, kind: str, name: str) -> bytes:
        self.all(f"[data-download={kind}]")[0].click()
        path = self.folder / name
        # The browser reserves the name with an empty file, and renames the whole one to it.
        self.wait(lambda: path.exists() and path.stat().st_size > 0, name)
        return path.read_bytes()

    def kept_cells(self, columns: int, rows: int, box: tuple[float, ...] | None = None) -> set[int]:
        """The cells of a grid over the picture that the map leaves clear, by their middle pixels.

        `box`: left, top, right and bottom of the grid as shares of the picture.
        """
        return set(self.run(
            """
            const [columns, rows, [left, top, right, bottom]] = arguments;
            const canvas = document.getElementById("map");
            const frame = canvas.getBoundingClientRect();
            const image = document.getElementById("shown").getBoundingClientRect();
            const scale = canvas.width / frame.width;
            const context = canvas.getContext("2d");
            return Array.from({ length: columns * rows }, (_, cell) => cell).filter(cell => {
                const across = left + (right - left) * (cell % columns + .5) / columns;
                const down = top + (bottom - top) * (Math.floor(cell / columns) + .5) / rows;
                const x = image.left - frame.left + image.width * across;
                const y = image.top - frame.top + image.height * down;
                return context.getImageData(Math.floor(x * scale), Math.floor(y * scale), 1, 1).data[3] === 0;
            });
            """, columns, rows, box or (0, 0, 1, 1)))  # fmt: skip

    def wait_for_map(self) -> None:
        self.wait(lambda: self["map"].get_attribute("aria-hidden") == "false", "the map")

    def screenshot(self, path: Path) -> None:
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        picture = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
        )
        path.write_bytes(base64.b64decode(picture["data"]))

    # What must never happen.

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - innerWidth")

    def problems(self) -> list[str]:
        """Errors, violations of the policy, and requests to others."""
        found = list(self.run("return problems"))
        for entry in self.driver.get_log("browser"):
            text = entry["message"]
            is_expected = entry["source"] == "network" and (
                any(f"status of {status} " in text for status in self.expected_failures)
                or (0 in self.expected_failures and "net::ERR" in text)
            )
            is_ours = "willReadFrequently" in text  # of kept_cells
            if entry["level"] in ("SEVERE", "WARNING") and not is_expected and not is_ours:
                found.append(text)
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] != "Network.requestWillBeSent":
                continue
            address = message["params"]["request"]["url"]
            if not address.startswith((self.url, "data:", "blob:")):
                found.append(f"request to {address}")
        return found
