"""Threads are listed, read and renamed, in pages."""

from typing import Any

import pytest

from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers


def _pages(api: MemoryApi, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Follow the cursors from the first page to the last."""
    pages: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    while True:
        page = api.call("GET", path, params=query | ({"cursor": cursor} if cursor else {}))
        pages.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages


def test_a_thread_is_titled_by_its_first_message(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> None:
    """The first message, cut to 80 characters, stays the title."""
    prompt = "A first message that goes on and on, well beyond what anybody would want to read as a title of a thread"
    api.run(prompt, thread_id=thread_id, user_id=user_id)
    assert api.thread(thread_id)["title"] == prompt[:80]

    api.run("Something else", thread_id=thread_id, user_id=user_id)
    layers.wait_stored(thread_id, 4)

    thread = api.thread(thread_id)
    assert thread["title"] == prompt[:80]
    assert thread["thread_id"] == thread_id
    assert thread["message_count"] == 4
    assert thread["document_ids"] == []
    assert thread["created_at"] < thread["updated_at"]


def test_a_renamed_thread_keeps_its_name(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> None:
    """PATCH returns the thread with its new title. Later turns do not change the title."""
    api.run("Hello", thread_id=thread_id, user_id=user_id)

    renamed = api.call("PATCH", f"/threads/{thread_id}", json={"title": "Plans for Lyon 🦁"})
    api.run("Again", thread_id=thread_id, user_id=user_id)
    layers.wait_stored(thread_id, 4)

    assert renamed["title"] == "Plans for Lyon 🦁"
    assert api.thread(thread_id)["title"] == "Plans for Lyon 🦁"
    assert api.threads(user_id)["items"][0]["title"] == "Plans for Lyon 🦁"


def test_threads_are_listed_newest_first(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> None:
    """The thread with the newest exchange is first. Other users' threads are not listed."""
    for suffix in "abc":
        api.run(f"Hello {suffix}", thread_id=f"{thread_id}_{suffix}", user_id=user_id)
        layers.wait_stored(f"{thread_id}_{suffix}", 2)
    api.run("Hello again", thread_id=f"{thread_id}_a", user_id=user_id)
    layers.wait_stored(f"{thread_id}_a", 4)
    api.run("Hello", thread_id=f"{thread_id}_d", user_id=f"{user_id}_2")
    layers.wait_stored(f"{thread_id}_d", 2)

    items = api.threads(user_id)["items"]

    assert [item["thread_id"] for item in items] == [f"{thread_id}_{suffix}" for suffix in "acb"]
    assert [item["message_count"] for item in items] == [4, 2, 2]
    assert items[0].keys() >= {"thread_id", "title", "created_at", "updated_at", "message_count"}


def test_threads_are_listed_in_pages(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> None:
    """Pages of two list all seven threads once, in the order of one long list."""
    for number in range(7):
        api.invoked("Hello", "Hi", thread_id=f"{thread_id}_{number}", user_id=user_id)
    for number in range(7):
        layers.wait_stored(f"{thread_id}_{number}", 2)

    pages = _pages(api, "/threads", user_id=user_id, limit=2)

    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert [item for page in pages for item in page] == api.threads(user_id)["items"]
    assert [item["thread_id"] for page in pages for item in page] == [f"{thread_id}_{n}" for n in range(6, -1, -1)]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_messages_are_listed_in_pages(api: MemoryApi, layers: Layers, thread_id: str, order: str) -> None:
    """If a thread is longer than the window, its pages return every message once, in either order."""
    expected = [text for number in range(55) for text in (f"question {number}", f"answer {number}")]
    for question, answer in zip(expected[::2], expected[1::2], strict=True):
        api.invoked(question, answer, thread_id=thread_id)
    layers.wait_stored(thread_id, 110)

    pages = _pages(api, f"/threads/{thread_id}/messages", limit=7, order=order)

    assert [len(page) for page in pages] == [7] * 15 + [5]
    contents = [item["content"] for page in pages for item in page]
    assert contents == (expected if order == "asc" else expected[::-1])
    assert {item.keys() >= {"role", "content", "exchange_id", "created_at"} for page in pages for item in page} == {
        True
    }


def test_a_page_has_50_messages_by_default(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """Without a limit a page has fifty messages, in thread order."""
    for number in range(30):
        api.invoked(f"question {number}", f"answer {number}", thread_id=thread_id)
    layers.wait_stored(thread_id, 60)

    page = api.messages(thread_id)

    assert page["items"][0]["content"] == "question 0"
    assert 0 < len(page["items"]) < 60
    assert page["next_cursor"]


def test_messages_added_meanwhile_are_on_later_pages(api: MemoryApi, thread_id: str) -> None:
    """Messages that are added after the first page was read are on later pages, without duplicates or losses."""
    for number in range(3):
        api.invoked(f"question {number}", f"answer {number}", thread_id=thread_id)
    first = api.messages(thread_id, limit=4)
    api.invoked("question 3", "answer 3", thread_id=thread_id)

    next_page = api.messages(thread_id, limit=50, cursor=first["next_cursor"])

    contents = [item["content"] for item in first["items"] + next_page["items"]]
    assert contents == [text for number in range(4) for text in (f"question {number}", f"answer {number}")]
    assert next_page["next_cursor"] is None


def test_undrained_messages_are_read(api: MemoryApi, queues: Queues, thread_id: str, user_id: str) -> None:
    """While exchanges are queued, the thread, its messages and its pages are available."""
    with queues.paused_drain():
        for number in range(3):
            api.invoked(f"question {number}", f"answer {number}", thread_id=thread_id, user_id=user_id)

        pages = _pages(api, f"/threads/{thread_id}/messages", limit=4)
        thread = api.thread(thread_id)

    contents = [item["content"] for page in pages for item in page]
    assert contents == [text for number in range(3) for text in (f"question {number}", f"answer {number}")]
    assert (thread["title"], thread["message_count"]) == ("question 0", 6)


def test_messages_of_both_layers_are_one_list(api: MemoryApi, layers: Layers, queues: Queues, thread_id: str) -> None:
    """Drained and undrained messages are one list, in order, without duplicates."""
    api.invoked("stored", "1", thread_id=thread_id)
    layers.wait_stored(thread_id, 2)
    with queues.paused_drain():
        api.invoked("cached", "2", thread_id=thread_id)

        assert api.contents(thread_id) == ["stored", "1", "cached", "2"]
        newest = api.messages(thread_id, limit=3, order="desc")
        assert [item["content"] for item in newest["items"]] == ["2", "cached", "1"]
    layers.wait_stored(thread_id, 4)
    assert api.contents(thread_id) == ["stored", "1", "cached", "2"]


def test_a_queued_thread_can_be_renamed(api: MemoryApi, layers: Layers, queues: Queues, thread_id: str) -> None:
    """A queued thread can be renamed, and the drain does not undo the rename."""
    with queues.paused_drain():
        api.invoked("Hello", "Hi", thread_id=thread_id)
        api.call("PATCH", f"/threads/{thread_id}", json={"title": "Renamed"})
    queues.wait_empty()

    assert api.thread(thread_id)["title"] == "Renamed"
    assert layers.stored_contents(thread_id) == ["Hello", "Hi"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/threads/{}", None),
        ("GET", "/threads/{}/messages", None),
        ("PATCH", "/threads/{}", {"title": "x"}),
        ("DELETE", "/threads/{}", None),
    ],
)
def test_a_thread_that_does_not_exist_is_not_found(
    api: MemoryApi, thread_id: str, method: str, path: str, body: dict[str, str] | None
) -> None:
    """Every route of a missing thread returns 404 with a problem."""
    answer = api.send(method, path.format(thread_id), json=body)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_user_without_threads_has_an_empty_list(api: MemoryApi, user_id: str) -> None:
    """An unknown user has no threads, which is not an error."""
    assert api.threads(user_id) == {"items": [], "next_cursor": None}
