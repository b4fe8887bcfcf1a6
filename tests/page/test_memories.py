"""The page shows what is known about the user, opens the quoted message, and changes what is known."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Route, expect

from tests.e2e.memory_api import MemoryApi
from tests.page.chat_page import ChatPage
from tests.support.browser import axe_violations, scrolls_sideways


def _panel(chat: ChatPage) -> Locator:
    return chat.panel("What the agent knows about you")


def _memories(chat: ChatPage) -> Locator:
    return _panel(chat).get_by_role("listitem")


def test_a_quote_opens_its_message(chat: ChatPage, api: MemoryApi, screenshot: Callable[[ChatPage, str], None]) -> None:
    """What the user says appears with its quote, which opens the message. A later statement ends it."""
    expect(_panel(chat)).to_contain_text("Nothing yet.")
    said = "I live in Rome."
    api.invoked(said, "Noted.", thread_id=f"{chat.user_id}-old", user_id=chat.user_id)
    memory = _memories(chat).filter(has_text="Rome")
    expect(memory).to_contain_text("Learned, since")
    chat.send_message("Good morning.")
    memory.get_by_role("link").first.click()
    question = chat.messages.filter(has_text=said)
    expect(question).to_be_focused()
    assert chat.thread_id == f"{chat.user_id}-old"

    api.invoked("I live in Oslo now.", "Noted.", thread_id=f"{chat.user_id}-old", user_id=chat.user_id)
    expect(_memories(chat).filter(has_text="Oslo")).to_have_count(1)
    expect(memory).to_have_count(0)
    _panel(chat).get_by_label("Show what is no longer true").check()
    expect(memory.filter(has_text="until")).to_have_count(1)
    assert not axe_violations(chat.page)
    _panel(chat).evaluate("panel => panel.scrollIntoView()")
    screenshot(chat, "page-memories")


def test_memories_are_added_corrected_and_forgotten_by_keyboard(chat: ChatPage, api: MemoryApi) -> None:
    """Each change is shown at once and stored. Forgetting needs a second step, and the focus never gets lost."""
    field = _panel(chat).get_by_label("New memory")
    field.fill("Likes sushi")
    field.press("Enter")
    expect(_memories(chat)).to_contain_text("Likes sushi")
    expect(_memories(chat)).to_contain_text("Set by you")
    expect(field).to_have_value("")
    _memories(chat).get_by_role("button", name=re.compile("^Correct")).press("Enter")
    text = _memories(chat).get_by_role("textbox")
    expect(text).to_be_focused()
    text.press("Escape")
    expect(_memories(chat).get_by_role("button", name=re.compile("^Correct"))).to_be_focused()
    _memories(chat).get_by_role("button", name=re.compile("^Correct")).press("Enter")
    text.fill("Likes ramen")
    text.press("Enter")
    expect(_memories(chat)).to_contain_text("Likes ramen")
    expect(_panel(chat).get_by_role("status")).to_have_text("Corrected.")
    assert not axe_violations(chat.page)

    forget = _memories(chat).get_by_role("button", name="Forget Likes ramen")
    forget.press("Enter")
    confirm = _memories(chat).get_by_role("button", name="Forget for good")
    expect(confirm).to_be_focused()
    assert not axe_violations(chat.page)
    _memories(chat).get_by_role("button", name="Keep").press("Enter")
    expect(forget).to_be_focused()
    forget.press("Enter")
    confirm.press("Enter")
    expect(_memories(chat)).to_have_count(0)
    expect(field).to_be_focused()
    expect(_panel(chat).get_by_role("status")).to_have_text("Forgotten.")
    assert api.call("GET", f"/users/{chat.user_id}/memories")["items"] == []


def test_a_failed_change_is_reverted_with_its_reason(chat: ChatPage) -> None:
    """A change that the server does not store is taken back, and an outage does not look like an empty list."""
    detail = "PostgreSQL is not responding, so this is not possible now."
    problem = {"type": "about:blank", "title": "Unavailable", "status": 500, "detail": detail, "request_id": "r"}
    field = _panel(chat).get_by_label("New memory")
    field.fill("Likes sushi")
    field.press("Enter")
    forget = _memories(chat).get_by_role("button", name="Forget Likes sushi")
    expect(forget).to_be_enabled()

    def fail(route: Route) -> None:
        route.fulfill(status=500, json=problem, content_type="application/problem+json")

    chat.page.route("**/memories/*", fail)
    forget.click()
    _memories(chat).get_by_role("button", name="Forget for good").click()
    expect(_panel(chat).get_by_role("alert")).to_contain_text(detail)
    expect(_memories(chat)).to_have_count(1)
    chat.page.route("**/memories", fail)
    # The first overview loads the memories again, too.
    with chat.page.expect_response("**/overview?*"):
        chat.page.reload()
    expect(_panel(chat).get_by_role("alert")).to_contain_text(detail)
    expect(_panel(chat)).not_to_contain_text("Nothing yet.")
    assert not axe_violations(chat.page)
    chat.page.unroute("**/memories")
    _panel(chat).get_by_role("button", name="Load again").click()
    expect(_memories(chat)).to_have_count(1)
    expect(_panel(chat).get_by_role("alert")).to_have_count(0)


def test_memories_fit_a_phone_in_the_dark(chat: ChatPage, api: MemoryApi) -> None:
    """A long memory wraps on a narrow screen. The axe tool finds no problem in the dark."""
    body = {"text": "x" * 300}
    api.call("POST", f"/users/{chat.user_id}/memories", json=body)
    chat.page.emulate_media(color_scheme="dark")
    chat.page.set_viewport_size({"width": 320, "height": 844})
    chat.show_part("Memory")
    expect(_memories(chat)).to_have_count(1)
    assert not scrolls_sideways(chat.page)
    assert not axe_violations(chat.page)
