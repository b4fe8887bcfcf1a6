"""The page searches messages, opens what it found, and tells an outage from a search that found nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.memory_api import MemoryApi
from tests.page.chat_page import ChatPage
from tests.support.browser import axe_violations, scrolls_sideways

DOG = "🐶 Please remember that my dog is called Rex, and that he likes cheese."


@pytest.fixture
def long_thread(chat: ChatPage, api: MemoryApi) -> str:
    """Return a thread whose first exchange is three pages back."""
    thread_id = f"{chat.user_id}-pets"
    api.invoked(DOG, "Noted.", thread_id=thread_id, user_id=chat.user_id)
    for number in range(60):
        api.invoked(f"Question {number}.", f"Answer {number}.", thread_id=thread_id, user_id=chat.user_id)
    return thread_id


def search(chat: ChatPage, query: str) -> None:
    """Search, and wait until the results of the query are shown."""
    chat.search_field.fill(query)
    expect(chat.results).to_have_attribute("aria-busy", "false")


def respond(chat: ChatPage, **fields: Any) -> None:
    """Respond to each search with these fields."""
    body = {"items": [], "arms": ["text"], "searched_up_to": None, "degraded": [], **fields}
    chat.page.route("**/search", lambda route: route.fulfill(json=body))


def test_opening_a_hit_shows_its_exchange(chat: ChatPage, long_thread: str) -> None:
    """A hit has its thread and both messages, with the matches marked. Opening it loads the thread back to it."""
    search(chat, "REX the dog")
    hit = chat.hits.first
    expect(hit.get_by_role("button")).to_contain_text("Please remember that my dog")
    expect(hit.locator("dd").first).to_have_text(DOG)
    expect(hit.locator("dd").last).to_have_text("Noted.")
    expect(hit.locator("mark", has_text="Rex")).to_have_text("Rex")
    hit.get_by_role("button").click()
    question = chat.messages.filter(has_text=DOG)
    expect(question).to_be_focused()
    expect(question).to_be_in_viewport(ratio=1)
    assert chat.thread_id == long_thread
    expect(chat.messages).to_have_count(122)
    expect(chat.conversation.locator("[data-found]")).to_have_count(2)
    expect(hit.get_by_role("button")).to_have_attribute("aria-current", "true")

    chat.send_message("What does he like?")
    expect(chat.conversation.locator("[data-found]")).to_have_count(0)
    expect(chat.messages.last).to_be_in_viewport()


def test_a_message_is_found_before_it_is_stored(chat: ChatPage) -> None:
    """A message is found from its acceptance on, also in the shown thread."""
    chat.send_message("The password of the harbour is swordfish.")
    search(chat, "swordfish")
    expect(chat.hits).to_have_count(1)
    chat.hits.get_by_role("button").click()
    expect(chat.messages.first).to_be_focused()
    search(chat, "nothingofthekind")
    expect(chat.results).to_contain_text("No matching messages")


def test_the_search_works_with_the_keyboard_and_is_announced(
    chat: ChatPage, api: MemoryApi, screenshot: Callable[[ChatPage, str], None]
) -> None:
    """A user searches and opens a hit without a pointer. The number of results is announced."""
    texts = {
        "My cat Tom likes cheese.": "A cat with good taste.",
        "What could I cook tonight? There is bread, an onion and a lot of cheese left.": "Onion soup.",
    }
    for number, (question, answer) in enumerate(texts.items()):
        api.invoked(question, answer, thread_id=f"{chat.user_id}-{number}", user_id=chat.user_id)
    chat.search_field.focus()
    chat.page.keyboard.type("cheese")
    expect(chat.results.get_by_role("status")).to_have_text("2 messages found.")
    button = chat.hits.filter(has_text="Tom").get_by_role("button")
    expect(button).to_have_accessible_description(re.compile("You.*My cat Tom likes cheese.*Agent.*A cat with"))
    while not button.evaluate("element => element === document.activeElement"):
        chat.page.keyboard.press("Tab")
    chat.page.keyboard.press("Enter")
    expect(chat.messages.filter(has_text="My cat Tom")).to_be_focused()
    screenshot(chat, "page-search")
    chat.search_field.focus()
    chat.page.keyboard.press("Control+A")
    chat.page.keyboard.type("nothingofthekind")
    expect(chat.results.get_by_role("status")).to_have_text("No matching messages.")


def test_an_outage_is_not_nothing_found(chat: ChatPage, api: MemoryApi) -> None:
    """Without a response, an alert says so, and a button searches again."""
    api.invoked("My cat is Tom.", "Noted.", thread_id=f"{chat.user_id}-1", user_id=chat.user_id)
    chat.page.route("**/search", lambda route: route.abort())
    chat.search_field.fill("tom")
    expect(chat.results.get_by_role("alert")).to_contain_text("The server is not responding.")
    expect(chat.results).not_to_contain_text("No matching messages")
    assert not axe_violations(chat.page)
    chat.page.unroute("**/search")
    chat.results.get_by_role("button", name="Search again").click()
    expect(chat.hits).to_have_count(1)
    expect(chat.results.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize(
    ("degraded", "text"),
    [
        (["search"], "Not everything could be searched, so some messages may be missing here."),
        (["postgres", "search"], "PostgreSQL is not responding, so some messages may be missing here."),
    ],
)
def test_an_incomplete_search_says_so(chat: ChatPage, degraded: list[str], text: str) -> None:
    """An incomplete search without results does not say that nothing was found."""
    respond(chat, degraded=degraded)
    search(chat, "tom")
    expect(chat.results).to_contain_text(text)
    expect(chat.results.get_by_role("status")).to_have_text("0 messages found. Some messages may be missing.")
    expect(chat.results).not_to_contain_text("No matching messages")
    assert not axe_violations(chat.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_axe_finds_no_violation_in_the_results(chat: ChatPage, api: MemoryApi, width: int, scheme: str) -> None:
    """The tool axe finds no problem in the results and in the found exchange, in both schemes and on a phone."""
    for number in range(3):
        thread_id = f"{chat.user_id}-{number}"
        api.invoked(f"{DOG} {'word ' * 200}", f"{'word ' * 200} Rex", thread_id=thread_id, user_id=chat.user_id)
    chat.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    chat.page.set_viewport_size({"width": width, "height": 860})
    if width < 1000:
        chat.show_part("Threads")
    search(chat, "rex cheese")
    expect(chat.hits).to_have_count(3)
    expect(chat.hits.first.locator("dd").last.locator("mark")).to_have_text("Rex")
    expect(chat.hits.first.locator("dd").last).to_have_text(re.compile("^…word .* Rex$"))
    assert not axe_violations(chat.page)
    assert not scrolls_sideways(chat.page)
    chat.hits.first.get_by_role("button").click()
    expect(chat.messages.first).to_be_focused()
    expect(chat.composer).to_be_in_viewport()
    assert not axe_violations(chat.page)


def test_an_exchange_that_was_deleted_meanwhile_is_reported(chat: ChatPage, api: MemoryApi) -> None:
    """If the found exchange is no longer in its thread, a note says so."""
    thread_id = f"{chat.user_id}-1"
    found = api.invoked("My cat is Tom.", "Noted.", thread_id=thread_id, user_id=chat.user_id)
    api.invoked("My dog is Rex.", "Noted.", thread_id=thread_id, user_id=chat.user_id)
    search(chat, "tom")
    expect(chat.hits.first).to_contain_text("My cat is Tom.")
    assert api.send("DELETE", f"/threads/{thread_id}/exchanges/{found['exchange_id']}").status_code == 204
    chat.hits.first.get_by_role("button").click()
    expect(chat.page.get_by_text("The found message is no longer in this conversation.")).to_be_visible()
    chat.threads.get_by_role("button", name="New thread").click()
    expect(chat.page.get_by_text("The found message is no longer")).to_have_count(0)


def test_results_of_a_slow_search_do_not_replace_newer_ones(chat: ChatPage, api: MemoryApi) -> None:
    """A late response to an earlier query is not shown."""
    api.invoked("My cat is Tom.", "Noted.", thread_id=f"{chat.user_id}-1", user_id=chat.user_id)
    api.invoked("My dog is Rex.", "Noted.", thread_id=f"{chat.user_id}-2", user_id=chat.user_id)
    blocked: list[Route] = []

    def block_first(route: Route) -> None:
        if "tom" in (route.request.post_data or ""):
            blocked.append(route)
        else:
            route.continue_()

    chat.page.route("**/search", block_first)
    with chat.page.expect_request("**/search"):
        chat.search_field.fill("tom")
    search(chat, "rex")
    expect(chat.hits).to_have_count(1)
    expect(chat.hits).to_contain_text("My dog is Rex.")
    assert len(blocked) == 1


def test_markup_in_results_stays_text(chat: ChatPage, api: MemoryApi) -> None:
    """The results show a message's markup as text."""
    text = "<img src=x onerror=alert(1)> <b>swordfish</b>"
    api.invoked(text, "<mark>Noted</mark>", thread_id=f"{chat.user_id}-1", user_id=chat.user_id)
    search(chat, "swordfish")
    expect(chat.hits.locator("dd").first).to_have_text(text)
    assert chat.hits.locator("img, b").count() == 0
    expect(chat.hits.locator("mark")).to_have_text("swordfish")
