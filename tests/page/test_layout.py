"""The page fits every width, 400 % zoom, contrast themes, right-to-left text, and a phone with its keyboard open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.memory_api import MemoryApi
from tests.page.chat_page import ChatPage
from tests.page.conftest import ROOT, OpenPage
from tests.support.browser import axe_violations, scrolls_sideways

WIDTHS = {1440: 900, 1024: 768, 390: 844}
# 400 % zoom of a window of 1280 by 1024 pixels.
ZOOMED = {"width": 320, "height": 256}
HEBREW = "שלום, קוראים לי נועה ואני גרה בחיפה"


@pytest.fixture
def picture() -> Callable[[ChatPage, str], None]:
    """Take a screenshot of a part in one width and colour scheme if `SCREENSHOTS` names a folder."""
    folder = os.environ.get("SCREENSHOTS")

    def take(chat: ChatPage, name: str) -> None:
        if folder:
            chat.wait_until_loaded()
            path = ROOT / Path(folder) / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            chat.page.screenshot(path=path)

    return take


@pytest.fixture
def known_user(open_page: OpenPage, api: MemoryApi, user_id: str) -> ChatPage:
    """Return the page of a user with threads of several days and a conversation."""
    for thread, created_at in {"Kyoto": "2026-01-09T17:31:00Z", "CI": "2025-11-02T08:10:00Z"}.items():
        question = f"Help me with {thread}. I would like to know everything about it, and then some more."
        api.invoked(question, "Gladly.", thread_id=f"{user_id}-{thread}", user_id=user_id, created_at=created_at)
    chat = open_page()
    chat.send_message("I live in Haifa, and I keep a lighthouse with my brother.")
    chat.send_message("What do I keep?")
    chat.wait_drained()
    expect(chat.threads.get_by_role("listitem")).to_have_count(3)
    return chat


def views(chat: ChatPage) -> list[str]:
    """Return the names of the buttons that switch between the parts."""
    buttons = chat.page.get_by_role("navigation", name="Parts of the page").get_by_role("button")
    return [button.inner_text() for button in buttons.all() if button.is_visible()]


def is_reachable(element: Locator) -> bool:
    """Return whether an element is visible at its place when the user scrolls to it."""
    return bool(
        element.evaluate("""element => {
          element.scrollIntoView({ block: 'center' });
          const { left, top, width, height } = element.getBoundingClientRect();
          const hit = document.elementFromPoint(left + width / 2, top + height / 2);
          return left >= 0 && left + width <= innerWidth + 1 && (element.contains(hit) || hit?.contains(element));
        }""")
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_each_width_shows_its_parts(
    known_user: ChatPage, width: int, scheme: str, picture: Callable[[ChatPage, str], None]
) -> None:
    """From 1024 pixels on, threads, chat and memory are side by side. A phone shows one of them."""
    chat = known_user
    chat.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    chat.page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    parts = {"Chat": chat.composer, "Threads": chat.threads, "Memory": chat.inspector}
    if width >= 1024:
        assert views(chat) == []
        for part in parts.values():
            expect(part).to_be_in_viewport()
        picture(chat, f"page-{scheme}-{width}")
    else:
        assert views(chat) == ["Threads", "Chat", "Memory"]
        for name, part in parts.items():
            chat.show_part(name)
            expect(part).to_be_in_viewport()
            assert sum(other.is_visible() for other in parts.values()) == 1
            picture(chat, f"{name.lower()}-{scheme}-{width}")
        chat.show_part("Chat")
        heading = chat.page.get_by_role("heading", level=2, name="I live in Haifa").bounding_box()
        assert heading
        assert heading["width"] > 0.9 * width - 2 * 16
    chat.page.keyboard.press("Control+k")
    chat.search_field.fill("Haifa")
    expect(chat.hits.first).to_be_visible()
    picture(chat, f"search-{scheme}-{width}")
    assert not scrolls_sideways(chat.page)
    assert not axe_violations(chat.page)


def test_zoom_of_400_percent_hides_no_control(known_user: ChatPage) -> None:
    """At 320 by 256 pixels, nothing scrolls sideways, and every control can be reached and is not covered."""
    chat = known_user
    chat.page.set_viewport_size(ZOOMED)  # type: ignore[arg-type]  # the type checker widens the dictionary
    assert views(chat) == ["Threads", "Chat", "Memory"]
    for name in views(chat):
        chat.show_part(name)
        chat.wait_until_loaded()
        assert not scrolls_sideways(chat.page), name
        controls = chat.page.locator("button:visible, a:visible, input:visible, textarea:visible, summary:visible")
        assert controls.count() > 5
        for control in controls.all():
            assert is_reachable(control), f"{name}: {control.evaluate('element => element.outerHTML')}"
        boxes = chat.page.locator("main button:visible, main input:visible, main textarea:visible")
        cut = boxes.evaluate_all("all => all.filter(each => each.getBoundingClientRect().right > innerWidth).length")
        assert cut == 0, name
    assert chat.page.get_by_role("link", name="API", exact=True).is_visible()
    assert not axe_violations(chat.page)
    chat.show_part("Chat")
    answer = chat.send_message("Does it still work?")
    expect(answer).to_be_in_viewport()


def test_a_contrast_theme_shows_what_is_chosen(known_user: ChatPage, picture: Callable[[ChatPage, str], None]) -> None:
    """With forced colours, the open thread, the chosen part, the badge's mark and the user's messages stay visible."""
    chat = known_user
    chat.page.emulate_media(forced_colors="active")
    items = chat.threads.get_by_role("listitem").get_by_role("button")
    background = "element => getComputedStyle(element).backgroundColor"
    chosen, other = (items.nth(index).evaluate(background) for index in (0, 1))
    assert chosen != other
    text = chat.messages.nth(2).locator(".text")
    assert text.evaluate("element => getComputedStyle(element).borderTopWidth") == "1px"
    badge = chat.messages.last.locator(".badge")
    mark = badge.evaluate("element => getComputedStyle(element, '::before').backgroundColor")
    assert mark != badge.evaluate(background)
    picture(chat, "forced-colors-1360")
    chat.page.set_viewport_size({"width": 390, "height": 844})
    buttons = chat.page.get_by_role("navigation", name="Parts of the page").get_by_role("button")
    pressed = buttons.and_(chat.page.locator("[aria-pressed=true]"))
    assert pressed.evaluate(background) != buttons.first.evaluate(background)
    assert not axe_violations(chat.page)


def test_right_to_left_text_reads_from_the_right(
    open_page: OpenPage, api: MemoryApi, user_id: str, picture: Callable[[ChatPage, str], None]
) -> None:
    """Hebrew titles and results are aligned to the right, beside English ones. A right-to-left page is mirrored."""
    api.invoked(HEBREW, "נעים מאוד", thread_id=f"{user_id}-he", user_id=user_id)
    api.invoked("I live in Rome.", "Noted.", thread_id=f"{user_id}-en", user_id=user_id)
    chat = open_page(thread_id=f"{user_id}-he")
    expect(chat.threads.get_by_role("listitem")).to_have_count(2)
    direction = "element => getComputedStyle(element).direction"
    assert chat.threads.locator(".title", has_text=HEBREW).evaluate(direction) == "rtl"
    assert chat.threads.locator(".title", has_text="Rome").evaluate(direction) == "ltr"
    chat.search_field.fill("נועה")
    expect(chat.hits).to_have_count(1)
    assert chat.hits.locator("dd").first.evaluate(direction) == "rtl"
    assert chat.search_field.evaluate(direction) == "rtl"
    chat.search_field.fill("")
    chat.page.evaluate("document.documentElement.dir = 'rtl'")
    boxes = [part.bounding_box() for part in (chat.threads, chat.composer, chat.inspector)]
    assert all(boxes)
    threads, composer, inspector = (box["x"] for box in boxes if box)
    assert threads > composer > inspector
    assert not scrolls_sideways(chat.page)
    picture(chat, "right-to-left-1360")
    chat.page.set_viewport_size({"width": 390, "height": 844})
    assert not scrolls_sideways(chat.page)
    assert not axe_violations(chat.page)


@pytest.mark.parametrize(("height", "browser_shrinks_the_page"), [(420, True), (240, True), (420, False)])
def test_a_phone_with_its_keyboard_open_shows_the_message_field(
    known_user: ChatPage, *, height: int, browser_shrinks_the_page: bool, picture: Callable[[ChatPage, str], None]
) -> None:
    """With the keyboard open, the field and its button are above the keyboard, in both kinds of browsers.

    Chromium and Firefox make the page smaller. Safari only reports a smaller visual viewport.
    """
    chat = known_user
    chat.page.set_viewport_size({"width": 390, "height": 844})
    chat.composer.focus()
    if browser_shrinks_the_page:
        content = chat.page.locator("meta[name=viewport]").get_attribute("content") or ""
        assert "interactive-widget=resizes-content" in content
        chat.page.set_viewport_size({"width": 390, "height": height})
        picture(chat, f"keyboard-390-{height}")
    else:
        chat.page.evaluate(
            """height => {
          Object.defineProperty(visualViewport, 'height', { configurable: true, value: height });
          visualViewport.dispatchEvent(new Event('resize'));
        }""",
            height,
        )
    for element in (chat.composer, chat.page.get_by_role("button", name="Send", exact=True)):
        expect(element).to_be_in_viewport(ratio=1)
        box = element.bounding_box()
        assert box
        assert box["y"] + box["height"] <= height
    assert not scrolls_sideways(chat.page)
    if not browser_shrinks_the_page:
        chat.page.evaluate("delete visualViewport.height; visualViewport.dispatchEvent(new Event('resize'))")
        box = chat.composer.bounding_box()
        assert box
        assert box["y"] > height
