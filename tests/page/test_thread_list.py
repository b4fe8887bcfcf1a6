"""The list of threads has groups by day, loads every thread page by page, and is one tab stop for the keyboard."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.memory_api import MemoryApi
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.browser import axe_violations, scrolls_sideways

MANY = 300
PAGE = 100
DRAIN_SECONDS = 90


def wait_listed(api: MemoryApi, user_id: str, count: int) -> None:
    """Wait until the drain has stored this number of threads."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        found, cursor = 0, None
        while True:
            page = api.threads(user_id, limit=200, **({"cursor": cursor} if cursor else {}))
            found, cursor = found + len(page["items"]), page["next_cursor"]
            if cursor is None:
                break
        if found == count:
            return
        time.sleep(0.5)
    pytest.fail(f"{found} of {count} threads are stored.")


@pytest.fixture
def many_threads(api: MemoryApi, user_id: str) -> list[str]:
    """Return the titles of a user's 300 threads, the newest first."""
    start = datetime(2025, 12, 1, tzinfo=UTC)

    def store(number: int) -> None:
        api.invoked(
            f"Topic {number:03}", "Noted.", thread_id=f"{user_id}-{number:03}", user_id=user_id,
            created_at=(start + timedelta(hours=number)).isoformat(),
        )  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store, range(MANY)))
    wait_listed(api, user_id, MANY)
    return [f"Topic {number:03}" for number in reversed(range(MANY))]


def focused_title(chat: ChatPage) -> str:
    """Return the title of the thread that has the focus."""
    return str(chat.page.evaluate("document.activeElement.querySelector('.title')?.textContent ?? ''"))


def test_300_threads_are_one_tab_stop(open_page: OpenPage, many_threads: list[str]) -> None:
    """Arrow keys, Home, End and typed letters move through all 300 threads. Tab enters and leaves the list once."""
    chat = open_page()
    keyboard = chat.page.keyboard
    titles = chat.threads.locator(".title")
    expect(titles).to_have_count(PAGE)
    chat.search_field.focus()
    keyboard.press("Tab")
    assert focused_title(chat) == many_threads[0]
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowUp")
    assert focused_title(chat) == many_threads[1]
    keyboard.press("PageDown")
    assert focused_title(chat) == many_threads[11]
    for loaded in (PAGE, 2 * PAGE, MANY):
        expect(titles).to_have_count(loaded)
        keyboard.press("End")
    expect(chat.threads.get_by_role("button", name="Show older threads")).to_have_count(0)
    assert titles.all_inner_texts() == many_threads
    keyboard.press("End")
    assert focused_title(chat) == many_threads[-1]
    expect(chat.threads.locator("button:focus")).to_be_in_viewport(ratio=1)
    assert chat.threads.locator("li button[tabindex='0']").count() == 1
    keyboard.press("Home")
    assert focused_title(chat) == many_threads[0]
    keyboard.type("topic 14")
    assert focused_title(chat) == "Topic 149"
    keyboard.press("Tab")
    assert chat.threads.locator("li button:focus").count() == 0
    keyboard.press("Shift+Tab")
    assert focused_title(chat) == "Topic 149"
    keyboard.press("Enter")
    expect(chat.composer).to_be_focused()
    expect(chat.messages.first).to_contain_text("Topic 149")
    expect(chat.threads.locator("[aria-current]")).to_contain_text("Topic 149")
    assert not axe_violations(chat.page)
    assert not scrolls_sideways(chat.page)


def test_the_open_thread_is_listed_even_if_it_is_old(
    open_page: OpenPage, api: MemoryApi, user_id: str, many_threads: list[str]
) -> None:
    """A thread that is opened by its address is in the list, and its own title is shown, before its page is loaded."""
    api.call("PATCH", f"/threads/{user_id}-007", json={"title": "An old plan"})
    chat = open_page(thread_id=f"{user_id}-007")
    expect(chat.threads.locator("[aria-current]")).to_contain_text("An old plan")
    expect(chat.page.get_by_role("heading", name="An old plan")).to_be_visible()
    expect(chat.page).to_have_title("An old plan · Hybrid agent memory")
    expect(chat.threads.get_by_role("listitem")).to_have_count(PAGE + 1)
    # The search looks at the titles of the loaded threads. The button loads older ones.
    chat.search_field.fill("topic 010")
    older = chat.threads.get_by_role("button", name="Search older titles")
    titles = chat.threads.get_by_role("region", name="Titles", exact=True)
    expect(titles).to_have_count(0)
    older.click()
    older.click()
    expect(titles.get_by_role("listitem")).to_have_count(1)
    expect(titles).to_contain_text("Topic 010")
    expect(older).to_have_count(0)
    assert len(many_threads) == MANY


def test_a_failed_page_is_loaded_again(open_page: OpenPage, many_threads: list[str]) -> None:
    """If a further page cannot be loaded, an alert says so, the shown threads stay, and the button tries again."""
    chat = open_page()
    titles = chat.threads.locator(".title")
    expect(titles).to_have_count(PAGE)

    def fail(route: Route) -> None:
        route.abort()

    chat.page.route("**/threads?*cursor=*", fail)
    more = chat.threads.get_by_role("button", name="Show older threads")
    more.scroll_into_view_if_needed()
    expect(chat.threads.get_by_role("alert")).to_have_text("The server is not responding.")
    expect(titles).to_have_count(PAGE)
    chat.page.unroute("**/threads?*cursor=*")
    more.focus()
    chat.page.keyboard.press("Enter")
    expect(titles).to_have_count(2 * PAGE)
    expect(chat.threads.get_by_role("alert")).to_have_count(0)
    expect(chat.threads.get_by_role("status")).to_have_text(f"{2 * PAGE} threads loaded.")
    assert titles.all_inner_texts() == many_threads[: 2 * PAGE]


def test_threads_are_grouped_by_day(open_page: OpenPage, api: MemoryApi, user_id: str) -> None:
    """The groups are today, yesterday, the last 7 days, and months. A new message moves its thread to today."""
    now = datetime.now(UTC)
    times = {
        "Today": now,
        "Yesterday": now - timedelta(days=1),
        "Last 7 days": now - timedelta(days=5),
        "March 2025": datetime(2025, 3, 14, 12, tzinfo=UTC),
    }
    for name, at in times.items():
        texts = {"thread_id": f"{user_id}-{name}", "user_id": user_id, "created_at": at.isoformat()}
        api.invoked(f"Said {name}", "Noted.", **texts)
    wait_listed(api, user_id, len(times))
    chat = open_page()
    expect(chat.threads.get_by_role("heading", level=3)).to_have_text(list(times))
    for name in times:
        group = chat.threads.get_by_role("region", name=name, exact=True)
        expect(group.get_by_role("listitem")).to_have_count(1)
        expect(group).to_contain_text(f"Said {name}")
    chat.threads.get_by_role("button", name=re.compile("^Said March")).click()
    expect(chat.messages).to_have_count(2)
    chat.send_message("And once more.")
    today = chat.threads.get_by_role("region", name="Today", exact=True)
    expect(today.get_by_role("listitem")).to_have_count(2)
    expect(today.get_by_role("listitem").first).to_contain_text("Said March 2025")
    expect(chat.threads.get_by_role("region", name="March 2025")).to_have_count(0)


def test_the_title_of_the_browser_tab_is_that_of_the_thread(chat: ChatPage) -> None:
    """The browser's tab shows the thread's title, shortened, and changes with the thread and its name."""
    expect(chat.page).to_have_title("New thread · Hybrid agent memory")
    chat.send_message("Plan the trip\nto Kyoto " + "and back " * 20)
    expect(chat.page).to_have_title(re.compile(r"^Plan the trip to Kyoto and back .*… · Hybrid agent memory$"))
    assert len(chat.page.title()) < 90
    chat.wait_drained()
    chat.page.get_by_role("button", name="Rename").click()
    title = chat.page.get_by_label("Title", exact=True)
    title.fill("Kyoto")
    title.press("Enter")
    expect(chat.page).to_have_title("Kyoto · Hybrid agent memory")
    chat.page.get_by_role("button", name="New thread").click()
    expect(chat.page).to_have_title("New thread · Hybrid agent memory")


@pytest.mark.parametrize("key", ["Control+k", "Meta+k"])
@pytest.mark.parametrize("width", [1360, 390])
def test_a_shortcut_opens_the_search(chat: ChatPage, key: str, width: int) -> None:
    """Ctrl+K or Cmd+K moves the focus to the search from every part; arrow keys reach the results.

    Escape empties the search. In a dialog, the shortcut does nothing.
    """
    chat.send_message("My cat is called Tom.")
    chat.wait_drained()
    chat.page.set_viewport_size({"width": width, "height": 844})
    chat.page.keyboard.press(key)
    expect(chat.search_field).to_be_focused()
    chat.page.keyboard.type("tom")
    expect(chat.hits).to_have_count(1)
    chat.page.keyboard.press(key)
    selected = chat.search_field.evaluate("field => field.value.slice(field.selectionStart, field.selectionEnd)")
    assert selected == "tom"
    chat.page.keyboard.press("Escape")
    expect(chat.search_field).to_have_value("")
    chat.page.keyboard.press("ArrowDown")
    expect(chat.threads.get_by_role("listitem").first.get_by_role("button")).to_be_focused()
    chat.page.get_by_role("button", name=re.compile("^Search")).click()
    expect(chat.search_field).to_be_focused()
    if width < 1000:
        chat.show_part("Chat")
    chat.page.get_by_role("button", name="Delete", exact=True).click()
    word = chat.page.get_by_label(re.compile("Type delete"))
    expect(word).to_be_focused()
    chat.page.keyboard.press(key)
    expect(word).to_be_focused()
