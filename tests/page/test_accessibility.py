"""The page works with a keyboard, a screen reader and a phone, in dark mode, and during errors."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.e2e.memory_api import MemoryApi
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.browser import axe_violations, scrolls_sideways

PHONE_WIDTH = 390
SIZES = {"desktop": (1360, 860), "tablet": (900, 800), "phone": (PHONE_WIDTH, 844)}
MAX_TABS = 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_violation(chat: ChatPage, size: str, scheme: str) -> None:
    """The tool axe finds no problem in any part, colour scheme or width, with an open dialog, or with an error."""
    chat.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    chat.send_message("My name is Ada Lovelace.")
    chat.send_message("What is my name?")
    chat.wait_drained()
    width, height = SIZES[size]
    chat.page.set_viewport_size({"width": width, "height": height})
    chat.wait_until_loaded()
    assert not axe_violations(chat.page)
    assert not scrolls_sideways(chat.page)
    for view in [] if size == "desktop" else ["Threads"] if size == "tablet" else ["Threads", "Memory"]:
        chat.show_part(view)
        assert not axe_violations(chat.page), view
        assert not scrolls_sideways(chat.page), view
    if size != "desktop":
        chat.show_part("Chat")
    chat.page.get_by_role("button", name="Delete", exact=True).click()
    assert not axe_violations(chat.page)
    chat.page.keyboard.press("Escape")
    chat.page.route("**/run", lambda route: route.abort())
    chat.composer.fill("Into the void.")
    chat.composer.press("Enter")
    expect(chat.alert).to_be_visible()
    assert not axe_violations(chat.page)
    assert not scrolls_sideways(chat.page)


@pytest.mark.parametrize("width", [320, PHONE_WIDTH])
def test_a_phone_shows_one_part(open_page: OpenPage, width: int, screenshot: Callable[[ChatPage, str], None]) -> None:
    """On a phone, the page shows one part at a time and is not wider than the screen.

    Choosing a thread shows the thread with the composer.
    """
    chat = open_page(user_id="lin", thread_id=f"lighthouse-{uuid4().hex[:4]}")
    chat.page.set_viewport_size({"width": width, "height": 844})
    chat.send_message("I keep a lighthouse.")
    chat.send_message("What do I keep?")
    assert not scrolls_sideways(chat.page)
    if width == PHONE_WIDTH:
        screenshot(chat, "page-phone")
    chat.page.get_by_role("button", name="Rename").click()
    expect(chat.page.get_by_role("button", name="Cancel")).to_be_in_viewport(ratio=1)
    chat.page.keyboard.press("Escape")
    chat.show_part("Memory")
    expect(chat.inspector).to_be_in_viewport()
    expect(chat.composer).to_be_hidden()
    assert not scrolls_sideways(chat.page)
    if width == PHONE_WIDTH:
        screenshot(chat, "page-phone-memory")
    chat.show_part("Threads")
    expect(chat.inspector).to_be_hidden()
    assert not scrolls_sideways(chat.page)
    chat.threads.get_by_role("listitem").first.get_by_role("button").click()
    expect(chat.composer).to_be_in_viewport()
    expect(chat.composer).to_be_focused()


def test_the_page_works_with_the_keyboard(chat: ChatPage, api: MemoryApi) -> None:
    """A user writes, sends, starts a thread, renames it, deletes it and sets a preference without a pointer."""
    keyboard = chat.page.keyboard

    def go_to(name: str, role: str = "button") -> None:
        element = chat.page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]  # a role is a literal
        for _ in range(MAX_TABS):
            if element.evaluate("element => element === document.activeElement"):
                return
            keyboard.press("Tab")
        pytest.fail(f"{name} cannot be reached")

    keyboard.type("First line")
    keyboard.press("Shift+Enter")
    keyboard.type("second line")
    keyboard.press("Enter")
    expect(chat.messages).to_have_count(2)
    expect(chat.messages.first.locator(".text")).to_have_text("First line\nsecond line")
    expect(chat.composer).to_be_focused()
    chat.wait_drained()

    go_to("Rename")
    keyboard.press("Enter")
    keyboard.press("Control+A")
    keyboard.type("By keyboard")
    keyboard.press("Enter")
    expect(chat.page.get_by_role("heading", name="By keyboard")).to_be_visible()
    expect(chat.composer).to_be_focused()

    go_to("New preference", "textbox")
    keyboard.type("tone")
    keyboard.press("Tab")
    keyboard.type("brief")
    keyboard.press("Enter")
    expect(chat.inspector.get_by_label("tone", exact=True)).to_have_value("brief")

    go_to("New thread")
    keyboard.press("Enter")
    expect(chat.messages).to_have_count(0)
    expect(chat.composer).to_be_focused()
    thread_button = chat.threads.get_by_role("button", name=re.compile("^By keyboard"))
    for _ in range(MAX_TABS):
        if thread_button.evaluate("element => element === document.activeElement"):
            break
        keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    expect(chat.messages).to_have_count(2)

    deleted_id = chat.thread_id
    go_to("Delete")
    keyboard.press("Enter")
    expect(chat.page.get_by_role("dialog")).to_be_visible()
    keyboard.type("delete")
    keyboard.press("Enter")
    expect(chat.page.get_by_role("dialog")).to_be_hidden()
    expect(chat.composer).to_be_focused()
    assert api.send("GET", f"/threads/{deleted_id}").status_code == 404


def test_announcements_for_screen_readers(chat: ChatPage) -> None:
    """The conversation has the role `log`, and one line in it announces its status. Panels have their own."""
    expect(chat.page.get_by_role("log")).to_have_count(1)
    expect(chat.status).to_have_count(1)
    expect(chat.page.get_by_role("main")).to_have_count(1)
    assert chat.page.locator("[aria-live]").count() == 0
    chat.block_turns()
    chat.composer.fill("Hello")
    chat.composer.press("Enter")
    expect(chat.status).to_have_text("Sent. The agent is answering.")
    chat.page.get_by_role("button", name="Stop").click()
    expect(chat.status).to_have_text("Stopped. It may have been received; sending again is safe.")
    expect(chat.composer).to_be_focused()


def test_an_unsent_message_is_not_lost(chat: ChatPage) -> None:
    """If a message is not sent, an alert shows the reason. The text stays, and one button sends it again."""
    chat.page.route("**/run", lambda route: route.abort())
    chat.composer.fill("Do not lose this.")
    chat.composer.press("Enter")
    expect(chat.alert).to_contain_text("The server is not responding.")
    expect(chat.messages).to_have_count(1)
    expect(chat.messages.first).to_contain_text("Do not lose this.")
    chat.page.unroute("**/run")
    chat.messages.first.get_by_role("button", name="Send again").click()
    expect(chat.messages).to_have_count(2)
    expect(chat.alert).to_have_count(0)
    expect(chat.composer).to_be_focused()


def test_the_page_keeps_its_content_without_a_server(chat: ChatPage) -> None:
    """Without a server, the page keeps its content and marks it as possibly outdated."""
    chat.send_message("Still here?")
    chat.wait_drained()
    chat.page.route(re.compile(r"/(overview|threads)\b"), lambda route: route.abort())
    alert = chat.inspector.get_by_role("alert")
    expect(alert).to_contain_text("The server is not responding. What is shown here is from")
    expect(chat.inspector.get_by_role("list", name="Stores")).to_contain_text("unknown")
    expect(chat.panel("This thread in both layers").get_by_role("table")).to_be_visible()
    expect(chat.messages).to_have_count(2)


def test_a_persistent_error_is_announced_once(chat: ChatPage) -> None:
    """The inspector shows an error as an alert. Later polls do not repeat the alert."""
    chat.wait_until_loaded()
    polls: list[Route] = []

    def fail(route: Route) -> None:
        polls.append(route)
        route.abort()

    # The user's own requests fail too: the list of threads has its own alert.
    chat.page.route("**/overview?*", fail)
    alert = chat.inspector.get_by_role("alert").first
    expect(alert).to_contain_text("The server is not responding.")
    chat.page.evaluate("""
        window.changes = 0;
        const observer = new MutationObserver(() => { window.changes += 1; });
        for (const alert of document.querySelectorAll("[role=alert]")) {
          observer.observe(alert.parentElement, { childList: true });
          observer.observe(alert, { childList: true, characterData: true, subtree: true, attributes: true });
        }
    """)
    count_before = sum("/overview" in route.request.url for route in polls)
    with chat.page.expect_request("**/overview?*"):
        pass
    with chat.page.expect_request("**/overview?*"):
        pass
    assert sum("/overview" in route.request.url for route in polls) >= count_before + 1
    assert chat.page.evaluate("window.changes") == 0
    chat.page.unroute("**/overview?*")
    expect(alert).to_have_count(0)


def test_the_list_of_threads_shows_its_error(chat: ChatPage) -> None:
    """The list of threads shows its error as an alert."""
    chat.page.route("**/overview?*", lambda route: route.abort())
    chat.page.reload()
    expect(chat.threads.get_by_role("alert")).to_have_text("The server is not responding.")


def test_a_text_that_is_too_long_is_not_cut(chat: ChatPage) -> None:
    """The page sends a text that is too long completely, shows the server's error, and keeps the text."""
    text = "x" * 200_001
    chat.page.keyboard.insert_text(text)
    chat.composer.press("Enter")
    expect(chat.alert).to_contain_text("prompt")
    expect(chat.messages).to_have_count(1)
    assert len(chat.messages.first.locator(".text").inner_text()) == len(text)


def test_loading_earlier_messages_keeps_the_scroll_position(open_page: OpenPage, api: MemoryApi, user_id: str) -> None:
    """Loading earlier messages does not move the visible messages.

    After the last page, the conversation has the focus.
    """
    thread_id = f"{user_id}-long"
    for number in range(30):
        api.invoked(f"Question {number}.", f"Answer {number}.", thread_id=thread_id, user_id=user_id)
    chat = open_page(thread_id=thread_id)
    chat.wait_drained()
    chat.page.reload()
    expect(chat.messages).to_have_count(50)
    expect(chat.messages.last).to_be_in_viewport()
    earlier = chat.conversation.get_by_role("button", name="Earlier messages")
    earlier.focus()
    earlier.scroll_into_view_if_needed()
    first = chat.conversation.get_by_text("Question 5.", exact=True)
    expect(first).to_be_in_viewport()
    box_before = first.bounding_box()
    chat.page.keyboard.press("Enter")
    expect(chat.messages).to_have_count(60)
    expect(earlier).to_have_count(0)
    expect(first).to_be_in_viewport()
    box_after = first.bounding_box()
    assert box_before
    assert box_after
    assert abs(box_after["y"] - box_before["y"]) < 2
    expect(chat.conversation).to_be_focused()


def test_markup_stays_text(chat: ChatPage) -> None:
    """The page shows a message's markup as text."""
    chat.send_message("<img src=x onerror=alert(1)><b>bold</b>")
    expect(chat.conversation).to_contain_text("<img src=x onerror=alert(1)><b>bold</b>")
    assert chat.conversation.locator("img, b").count() == 0


def test_the_page_requires_a_token(context: BrowserContext, page_url: str) -> None:
    """The page sends the token with every request and never stores it. An unsent message is kept."""
    claims = b64encode(b'{"sub": "ada"}').decode()
    valid_token = f"a.{claims}.c"
    accepted, authorizations = {f"Bearer {valid_token}"}, [""]

    def check_token(route: Route) -> None:
        authorizations.append(route.request.headers.get("authorization", ""))
        if authorizations[-1] in accepted:
            route.continue_()
        else:
            route.fulfill(status=401, content_type="application/problem+json", body='{"detail": "Who are you?"}')

    context.route(re.compile(r"/(run|overview|threads|users)\b"), check_token)
    chat = ChatPage(context.new_page(), page_url, "nobody")
    chat.page.goto(page_url)
    token = chat.page.get_by_label("Bearer token")
    expect(token).to_be_focused()
    assert not axe_violations(chat.page)
    chat.page.keyboard.press("Escape")
    token.fill("wrong")
    token.press("Enter")
    expect(chat.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("rejected")
    token.fill(f"Bearer {valid_token}")
    token.press("Enter")
    expect(chat.composer).to_be_focused()
    expect(chat.page.get_by_label("User", exact=True)).to_have_value("ada")
    expect(chat.fact("Waiting to be stored", "PostgreSQL is behind by")).to_be_visible()
    assert valid_token not in chat.page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")

    accepted.clear()
    chat.composer.fill("Said with a token that has expired.")
    chat.composer.press("Enter")
    expect(token).to_be_focused()
    accepted.add(f"Bearer {valid_token}")
    token.fill(valid_token)
    token.press("Enter")
    chat.messages.first.get_by_role("button", name="Send again").click()
    expect(chat.messages).to_have_count(2)
    assert authorizations[-1] == f"Bearer {valid_token}"
