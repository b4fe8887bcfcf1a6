"""The documentation's site works without a network, with a screen reader and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.site.conftest import REPOSITORY
from tests.support.browser import axe_violations, scrolls_sideways

_PHONE_WIDTH = 390
_SIZES = {"desktop": (1440, 900), "phone": (_PHONE_WIDTH, 844)}
_DIAGRAMS = 7
# Pages with an element that is there when the page is complete.
_PAGES = {
    "": "h1",
    "docs/model.html": "pre.mermaid svg",
    "docs/comparison.html": "table",
    "search.html?q=seal": "#search-results li",
}


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_axe_finds_no_violation(page: Page, size: str, scheme: str) -> None:
    """The tool axe finds no problem on the first page, in diagrams, in tables and in search results."""
    width, height = _SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for address, element in _PAGES.items():
        page.goto(address)
        expect(page.locator(element).first).to_be_visible()
        assert not axe_violations(page), address
        assert not scrolls_sideways(page), address


def test_the_search_finds_a_word(page: Page) -> None:
    """The search finds pages that contain a word, and a result leads to the section with the word."""
    page.goto("docs/faq.html")
    page.get_by_role("textbox", name="Search").fill("tombstone")
    page.keyboard.press("Enter")
    expect(page.get_by_text("pages matching the search query")).to_be_visible()
    page.get_by_role("link", name="Glossary > Tombstone").click()
    expect(page).to_have_url(re.compile(r"/docs/glossary\.html.*#tombstone$"))
    expect(page.get_by_role("heading", name="Tombstone")).to_be_in_viewport()


def test_links_lead_to_pages_and_to_the_repository(page: Page) -> None:
    """A reader follows links from page to page; a link to a source file leads to the repository."""
    page.goto("index.html")
    article = page.locator("article")
    article.get_by_role("link", name="quick start").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Quick start")
    page.get_by_role("complementary", name="Pages").get_by_role("link", name="How it works").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("How it works")
    source = article.get_by_role("link", name="merge.lua")
    expect(source).to_have_attribute("href", f"{REPOSITORY}/blob/main/shared/stores/redis/merge.lua")
    article.get_by_role("link", name="decision 35").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("35. ")


def test_diagrams_follow_the_theme(page: Page) -> None:
    """Each diagram is drawn, and drawn again when the reader changes the theme."""
    page.emulate_media(color_scheme="light")
    page.goto("docs/model.html")
    first = page.locator("pre.mermaid svg").first
    expect(page.locator("pre.mermaid svg")).to_have_count(_DIAGRAMS)
    light = first.get_attribute("id")
    page.emulate_media(color_scheme="dark")
    expect(first).not_to_have_attribute("id", str(light))
    expect(page.locator("pre.mermaid svg")).to_have_count(_DIAGRAMS)
    expect(first).to_have_attribute("aria-label", "Diagram: How it works")


def test_a_button_copies_the_commands(page: Page) -> None:
    """The button of a session on the console copies its commands, whole and without prompts and outputs."""
    page.goto("docs/quick-start.html")
    block = page.locator("div.highlight", has_text="invoked -d").first
    block.hover()
    block.get_by_role("button", name="Copy").click()
    expect(block.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -s -X POST $API/invoked")
    assert copied.endswith("}'")
    assert "exchange_id" not in copied


def test_wide_tables_scroll_on_a_phone(page: Page) -> None:
    """On a phone, a wide table scrolls in its own box, and the keyboard reaches the box."""
    page.set_viewport_size({"width": _PHONE_WIDTH, "height": 844})
    page.goto("docs/configuration.html")
    table = page.locator(".table-wrapper").first
    expect(table).to_have_attribute("tabindex", "0")
    assert table.evaluate("box => box.scrollWidth > box.clientWidth")
    assert not scrolls_sideways(page)
