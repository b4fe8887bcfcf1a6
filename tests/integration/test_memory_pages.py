"""Pages of a user's memories, on real servers: each memory once, whatever is added or deleted between two pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from infra.local.servers import PostgresServer, ValkeyServer
from shared.errors import InvalidCursor, StoreUnavailable
from shared.memory import memory_pages
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.stores.learning import NewStatement, Unread
from tests.support.exchanges import exchange
from tests.support.learning import homes_in

_HOMES = ("Rome", "Milan", "Oslo", "Turin", "Paris")


@pytest.fixture
def process_memory(process: Callable[..., Memory], valkey: ValkeyServer, postgres: PostgresServer) -> Memory:
    """Return a process' memory. Ana said where she lives five times, and set five facts."""
    del valkey, postgres
    created = process()
    said = [replace(exchange(number, "t", "ana"), user_message=f"{home} now") for number, home in enumerate(_HOMES)]
    created.archive.store(said)
    created.archive.mark_user("ana")
    unread = created.archive.unread("t", 99)
    assert created.archive.store_statements("t", unread, "test:1", _statements(unread)) == "changed"
    for number in range(5):
        LearnedMemories(created).add("ana", "fact", f"Fact {number}")
    return created


def _statements(unread: Unread) -> list[NewStatement]:
    """Return two statements of each exchange, so that two memories have the same time and the same order key."""
    homes = homes_in("t", unread)
    return homes + [
        NewStatement(
            UUID(int=each.statement_id.int ^ 1),
            each.exchange,
            replace(each.statement, slot="work", text=each.statement.text.replace("Lives", "Works")),
        )
        for each in homes
    ]


def _pages(
    memories: LearnedMemories, limit: int | None, between: Callable[[int], object] = lambda _: None
) -> list[list[dict[str, Any]]]:
    """Return all pages. `between` runs after each page, with the page's number."""
    pages: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    while True:
        page = memories.page("ana", limit, cursor, include_superseded=True)
        assert page.degraded == []
        pages.append(list(page.items))
        cursor = page.next_cursor
        if cursor is None:
            return pages
        between(len(pages))


def _texts(pages: list[list[dict[str, Any]]]) -> list[str]:
    return [each["text"] for page in pages for each in page]


@pytest.mark.parametrize("limit", [1, 2, 3, 14, 15, 16, None])
def test_all_pages_together_are_the_list(process_memory: Memory, limit: int | None) -> None:
    """The pages have each memory once, the newest first, also two memories of one exchange."""
    memories = LearnedMemories(process_memory)
    pages = _pages(memories, limit)
    assert [each for page in pages for each in page] == memories.list_for("ana", include_superseded=True).items
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert len(set(_texts(pages))) == 15


def test_changes_between_pages_neither_repeat_nor_skip_a_memory(process_memory: Memory) -> None:
    """What was there all the time is on exactly one page. What is added later is newer than the pages to come."""
    memories = LearnedMemories(process_memory)
    before = memories.list_for("ana", include_superseded=True).items
    deleted = {before[0]["id"], before[3]["id"], before[4]["id"]}

    def change(number: int) -> None:
        memories.add("ana", "fact", f"Added {number}")
        if number == 2:
            # The last one of the page before, one of the first page, and one of the page to come.
            for memory_id in deleted:
                memories.forget("ana", UUID(memory_id))

    texts = _texts(_pages(memories, 2, change))
    kept = [each["text"] for each in before if each["id"] != before[4]["id"]]
    assert texts == kept


def test_what_does_not_fit_into_a_response_follows(process_memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit, a page has what fits, and `omitted` counts the others. A memory that is too large is shown."""
    memories = LearnedMemories(process_memory)
    whole = memories.list_for("ana", include_superseded=True).items
    fitting = 4
    monkeypatch.setattr(memory_pages, "fit_to_event", lambda items, _: min(len(items), fitting))
    first = memories.page("ana", None, None, include_superseded=True)
    assert (len(first.items), first.omitted) == (4, 11)
    limited = memories.page("ana", 6, None, include_superseded=True)
    assert (len(limited.items), limited.omitted) == (4, 2)
    assert [each for page in _pages(memories, None) for each in page] == whole
    fitting = 0
    assert [len(page) for page in _pages(memories, None)] == [1] * 15


def test_a_cursor_belongs_to_its_user_and_its_selection(process_memory: Memory) -> None:
    """A cursor of another user's list, or of the list of current memories, is refused."""
    memories = LearnedMemories(process_memory)
    cursor = memories.page("ana", 1, None, include_superseded=True).next_cursor
    assert cursor is not None
    for user_id, include_superseded in (("bob", True), ("ana", False)):
        with pytest.raises(InvalidCursor):
            memories.page(user_id, 1, cursor, include_superseded=include_superseded)


def test_without_postgresql_redis_has_the_first_page_only(process_memory: Memory, postgres: PostgresServer) -> None:
    """The response says what is missing. The next pages need PostgreSQL."""
    memories = LearnedMemories(process_memory)
    Turn(process_memory, "t", "ana", has_memories=True).recall()
    online = memories.page("ana", 2, None)
    assert (len(online.items), online.next_cursor is None) == (2, False)
    postgres.kill()
    page = memories.page("ana", 2, None)
    assert (page.items, page.omitted) == (online.items, 5)
    assert (page.next_cursor, page.degraded) == (None, ["postgres"])
    for cursor, include_superseded in ((online.next_cursor, False), (None, True)):
        with pytest.raises(StoreUnavailable):
            memories.page("ana", 2, cursor, include_superseded=include_superseded)
