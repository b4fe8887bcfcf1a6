"""Fixtures run tests in a real browser: one stack and one Chromium per session, a new user for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize, expect

from functions.agent.http.page_routes import _FOLDER
from tests.e2e.conftest import (  # noqa: F401 - the same stack, with the same readers and faults
    api,
    aws,
    deployment,
    endpoint_url,
    layers,
    queues,
    servers,
    stack,
)
from tests.e2e.deployment import Deployment
from tests.page.chat_page import ChatPage
from tests.support.browser import missing, run_chromium

ROOT = Path(__file__).resolve().parents[2]
DESKTOP: ViewportSize = {"width": 1360, "height": 860}
OpenPage = Callable[..., ChatPage]
# The timeout is generous. It is not a performance limit.
expect.set_options(timeout=45_000)


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these tests to `make test-page`, because they need a browser and the built page."""
    return None if any("tests/page" in argument for argument in config.args) else True


def require_built_page() -> None:
    """Fail with a message if the page is not built."""
    if not (_FOLDER / "built" / "index.html").is_file():
        missing("The page is not built (python -m infra.build.page).")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    with run_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def page_url(deployment: Deployment) -> str:  # noqa: F811 - a fixture is passed by its name
    """Return the page's URL."""
    require_built_page()
    return f"{deployment.api_url}/"


@pytest.fixture
def user_id() -> str:
    """Return a new user id."""
    return f"user_{uuid4().hex[:12]}"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Return a new browser profile, in English and UTC."""
    created = browser.new_context(viewport=DESKTOP, locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
    created.set_default_timeout(30_000)
    yield created
    created.close()


@pytest.fixture
def open_page(context: BrowserContext, page_url: str, user_id: str) -> Iterator[OpenPage]:
    """Return a function that opens the page, by default as this test's user.

    A script's exception, or a violation of the content security policy, fails the test.
    """
    created: list[ChatPage] = []

    def open_new_page(*, thread_id: str | None = None, **more: str) -> ChatPage:
        created.append(ChatPage(context.new_page(), page_url, more.get("user_id", user_id)))
        created[-1].open(thread_id)
        return created[-1]

    yield open_new_page
    for each in created:
        assert not each.errors


@pytest.fixture
def chat(open_page: OpenPage) -> ChatPage:
    """Return the open page."""
    return open_page()


@pytest.fixture
def screenshot() -> Callable[[ChatPage, str], None]:
    """Take screenshots for the documents if `IMAGES` is set. The times and ids in the screenshots vary."""
    folder = os.environ.get("IMAGES")

    def save_screenshot(page: ChatPage, name: str) -> None:
        if folder:
            page.wait_until_loaded()
            (ROOT / folder).mkdir(parents=True, exist_ok=True)
            page.page.screenshot(path=ROOT / folder / f"{name}.png")

    return save_screenshot
