"""Fixtures serve the built site, and open it in a Chromium that reaches no other server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import missing, run_chromium

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".site"
REPOSITORY = "https://github.com/hybrid-memory/hybrid-memory"
# The timeout is generous. It is not a performance limit.
expect.set_options(timeout=45_000)


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these tests to `make test-docs-site`, because they need a browser and the built site."""
    return None if any("tests/site" in argument for argument in config.args) else True


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


@pytest.fixture(scope="session")
def site() -> Path:
    """Return the folder of the built site."""
    if not (SITE / "index.html").is_file():
        missing("The site is not built (make docs-site).")
    return SITE


@pytest.fixture(scope="session")
def site_url(site: Path) -> Iterator[str]:
    """Serve the site, and return its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    with run_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    """Return an empty tab. The test fails if a page requests another server, or if a script fails."""
    problems: list[str] = []

    def only_the_site(route: Route) -> None:
        if route.request.url.startswith(site_url):
            route.continue_()
        else:
            problems.append(f"a request to {route.request.url}")
            route.abort()

    context = browser.new_context(base_url=site_url, permissions=["clipboard-read", "clipboard-write"])
    context.route("**/*", only_the_site)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield context.new_page()
    context.close()
    assert problems == []
