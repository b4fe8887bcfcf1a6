"""A headless Chromium that sends no requests of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

_CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
# Run as root in a container without a screen, and send no requests to other servers.
_ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing(what: str) -> NoReturn:
    """Skip the test because a tool is missing, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run a headless Chromium."""
    path = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if path is None:
        missing("There is no Chromium (on Debian: apt install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


def axe_violations(page: Page) -> list[str]:
    """Return the accessibility problems that axe finds on a page."""
    violations = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in violations for node in each["nodes"]]


def scrolls_sideways(page: Page) -> bool:
    """Return whether the page as a whole scrolls sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
