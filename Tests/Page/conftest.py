# SPDX-License-Identifier: Apache-2.0
"""One server with the demonstration model, one browser, and a fresh tab for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from page import Page, start_browser
from server import Server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--program", type=Path, required=True, help="the trimllava to start")
    parser.addoption("--screenshots", type=Path, help="a folder for pictures of the page")


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Path:
    return request.config.getoption("--program").resolve()


@pytest.fixture(scope="session")
def server(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(program, tmp_path_factory.mktemp("server"), "--keep", "64") as running:
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def open_page(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a tab; when the test ends, nothing must have gone wrong in it."""
    opened: list[Page] = []
    first = browser.current_window_handle

    def opening(url: str, width: int = 1280, height: int = 900, **media: str) -> Page:
        browser.switch_to.new_window("tab")
        # Without motion the map is there at once.
        media = {"prefers_reduced_motion": "reduce", **media}
        page = Page(browser, url, tmp_path, (width, height), media)
        opened.append(page)
        return page

    yield opening
    problems = [problem for page in opened for problem in page.problems()]
    for handle in browser.window_handles:
        if handle != first:
            browser.switch_to.window(handle)
            browser.close()
    browser.switch_to.window(first)
    assert problems == []


@pytest.fixture
def page(open_page: Callable[..., Page], server: Server) -> Page:
    opened = open_page(server.url)
    opened.wait_until_ready()
    return opened
