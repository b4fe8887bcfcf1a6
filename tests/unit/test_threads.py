"""The operations read, list, rename and delete drained and undrained threads, even during outages."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.errors import InvalidCursor, StoreUnavailable, ThreadNotFound
from shared.ids import ExchangeIds
from shared.memory import sizes
from shared.memory import threads as threads_module
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.models import Exchange, Message
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import contents_of, exchange, exchanges, texts

MakeMemory = Callable[..., Memory]


@pytest.fixture
def threads(memory: MakeMemory) -> Threads:
    """Return the operations on threads."""
    return Threads(memory())


def _read_all(threads: Threads, limit: int, *, descending: bool = False, thread_id: str = "t") -> list[Message]:
    """Read a thread page by page."""
    messages: list[Message] = []
    cursor = None
    while True:
        page = threads.messages(thread_id, limit, cursor, descending=descending)
        assert len(page.items) <= limit
        messages += page.items
        cursor = page.next_cursor
        if cursor is None:
            return messages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
@pytest.mark.parametrize("drained", [0, 1, 3, 5])
def test_every_message_is_on_one_page(
    limit: int, drained: int, threads: Threads, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """Every message is on exactly one page.

    This is true in both orders, with pages that split exchanges, and for any overlap of drained and undrained
    exchanges.
    """
    created = exchanges(5)
    archive.store(created[:drained])
    for each in created[max(0, drained - 1) :]:
        cache.append(each, is_drained=False)
    assert texts(_read_all(threads, limit)) == contents_of(*range(5))
    assert texts(_read_all(threads, limit, descending=True)) == contents_of(*range(5))[::-1]


def test_undrained_exchanges_may_be_between_drained_ones(
    threads: Threads, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """Pages have the right order, even if undrained exchanges are between drained exchanges.

    This happens if the drain of later exchanges finishes first.
    """
    created = exchanges(6)
    archive.store(created[::2])
    for each in created[1::2]:
        cache.append(each, is_drained=False)
    for limit in (1, 3, 4):
        assert texts(_read_all(threads, limit)) == contents_of(*range(6))


def test_an_undrained_thread_has_a_title_and_a_user(
    threads: Threads, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """An undrained thread has the title and the user of its first exchange."""
    created = exchanges(2, user_id="ana")
    for each in created:
        cache.append(each, is_drained=False)
    undrained = threads.get("t")
    archive.store(created)
    assert undrained == threads.get("t")
    assert (undrained.title, undrained.user_id, undrained.message_count, undrained.document_ids) == ("q0", "ana", 4, ())


def test_a_threads_count_includes_undrained_messages(
    threads: Threads, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """Each message counts once, even if both layers have it. Without L1, the count is L2's count."""
    created = [
        exchange(0, document_ids=("d2", "d1")),
        exchange(1, document_ids=("d1",)),
        exchange(2, document_ids=("d3",)),
    ]
    for each in created:
        cache.append(each, is_drained=False)
    assert threads.get("t").document_ids == ("d2", "d1", "d3")
    archive.store(created[:2])
    thread = threads.get("t")
    assert (thread.message_count, thread.updated_at) == (6, created[2].created_at)
    assert thread.document_ids == ("d2", "d1", "d3")
    cache.is_down = True
    assert (threads.get("t").message_count, threads.get("t").document_ids) == (4, ("d2", "d1"))


def test_an_unknown_thread_is_an_error(threads: Threads) -> None:
    """Each operation raises an error for an unknown thread."""
    for operation in (
        lambda: threads.get("t"),
        lambda: threads.messages("t", 5, None, descending=False),
        lambda: threads.rename("t", "x"),
        lambda: threads.delete("t"),
    ):
        with pytest.raises(ThreadNotFound):
            operation()


def test_entries_of_other_programs_are_no_thread(threads: Threads, cache: InMemoryCache) -> None:
    """Entries of another program have no order key. No page has them. Such entries alone do not make a thread."""
    cache.lists["t"] = [b'{"role":"user","content":"theirs"}']
    with pytest.raises(ThreadNotFound):
        threads.get("t")
    cache.append(exchange(0), is_drained=False)
    assert texts(_read_all(threads, 9)) == contents_of(0)


def test_threads_are_listed_newest_first(threads: Threads, archive: InMemoryArchive) -> None:
    """The pages list one user's threads, newest first."""
    created = [exchange(number, f"t{number}", "ana" if number % 4 else "bob") for number in range(20)]
    archive.store(created)
    thread_ids: list[str] = []
    cursor = None
    while True:
        page = threads.list_for("ana", 4, cursor)
        thread_ids += [thread.thread_id for thread in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert thread_ids == [f"t{number}" for number in range(19, -1, -1) if number % 4]
    assert threads.list_for("nobody", 4, None).items == []


def test_cursors_belong_to_their_list(threads: Threads, archive: InMemoryArchive) -> None:
    """Each operation refuses cursors of another thread, order or user."""
    archive.store([*exchanges(2, "a", "ana"), *exchanges(2, "b", "ana")])
    cursor = threads.messages("a", 1, None, descending=False).next_cursor
    user_cursor = threads.list_for("ana", 1, None).next_cursor
    for operation in (
        lambda: threads.messages("b", 1, cursor, descending=False),
        lambda: threads.messages("a", 1, cursor, descending=True),
        lambda: threads.messages("a", 1, user_cursor, descending=False),
        lambda: threads.list_for("ana", 1, cursor),
        lambda: threads.list_for("bob", 1, user_cursor),
    ):
        with pytest.raises(InvalidCursor):
            operation()


def test_a_page_is_within_the_response_limit(
    threads: Threads, archive: InMemoryArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of long messages is short, but has at least one message. The pages omit no message."""
    monkeypatch.setattr(threads_module, "fit_to_event", lambda items, to_json: sizes.fit_to_event(items, to_json, 300))
    archive.store(exchanges(4))
    first = threads.messages("t", 200, None, descending=False)
    assert len(first.items) == 2
    assert texts(_read_all(threads, 200)) == contents_of(*range(4))
    monkeypatch.setattr(threads_module, "fit_to_event", lambda items, to_json: sizes.fit_to_event(items, to_json, 1))
    assert texts(_read_all(threads, 200)) == contents_of(*range(4))


def test_a_users_title_stays(threads: Threads, archive: InMemoryArchive) -> None:
    """A title that a user set stays. The drain does not change it."""
    created = exchanges(2)
    archive.store(created[1:])
    assert threads.rename("t", "Mine").title == "Mine"
    archive.store(created)
    assert threads.get("t").title == "Mine"


def test_an_undrained_thread_is_renamed(
    threads: Threads, memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """The rename of an undrained thread stores its exchanges in L2. The drain then finds duplicates."""
    Turn(memory(), "t", "ana").append("q0", "a0", ["d1"])
    assert threads.rename("t", "Mine").title == "Mine"
    result = archive.store(queue.take())
    assert (result.stored, result.duplicates) == (0, 1)
    assert (threads.get("t").title, threads.get("t").document_ids) == ("Mine", ("d1",))


# --- deletion ---


def test_a_deletion_removes_the_thread_from_all_stores(
    threads: Threads, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """L1, L2, the queue and the processes' own memory lose the thread. A second deletion finds nothing."""
    process = memory()
    for number in range(3):
        Turn(process, "t", "ana").append(f"q{number}", f"a{number}")
    queued: list[Exchange] = queue.take()
    archive.store(queued[:2])
    threads.delete("t")
    assert archive.store(queued).tombstoned == 3
    cache.merge_stored(queued)
    for each in (process, memory()):
        assert Turn(each, "t", "ana").recall().messages == []
    with pytest.raises(ThreadNotFound):
        threads.delete("t")
    with pytest.raises(ThreadNotFound):
        threads.get("t")


def test_a_deletion_includes_exchanges_of_a_fast_clock(
    threads: Threads, memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """The cutoff is at least the order key of the newest known exchange, even if the clock of this key is ahead."""
    Turn(memory(clock=lambda: time.time() + 3_000), "t", None).append("q", "a")
    threads.delete("t")
    assert archive.store(queue.take()).tombstoned == 1
    stored = exchange(1, "t2", exchange_id=ExchangeIds().new(now=time.time() + 3_000))
    archive.store([stored])
    threads.delete("t2")
    assert archive.deleted_threads["t2"] >= stored.order


def test_an_undrained_thread_is_deleted(threads: Threads, memory: MakeMemory, queue: InMemoryQueue) -> None:
    """A deletion also deletes a thread that L2 does not have yet."""
    Turn(memory(), "t", None).append("q", "a")
    threads.delete("t")
    assert len(queue.bodies) == 1


def test_a_deletion_without_l1_is_reported_as_incomplete(
    threads: Threads, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """If L1 is down, the response says that the deletion is incomplete.

    No reader shows the thread, and a retry completes the deletion.
    """
    process = memory()
    Turn(process, "t", None).append("q0", "a0")
    archive.store(queue.take())
    cache.is_down = True
    with pytest.raises(StoreUnavailable, match="redis"):
        threads.delete("t")
    assert archive.exchanges("t") == []
    assert [(invalidation.kind, invalidation.id) for invalidation in archive.invalidations(9)] == [("thread", "t")]
    cache.is_down = False
    threads.delete("t")
    assert Turn(memory(), "t", None).recall().messages == []


# --- outages ---


def test_messages_are_degraded_without_l1(threads: Threads, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """If L1 is down, L2's messages are returned as degraded.

    An unknown thread is an outage, because the thread may exist in L1 only.
    """
    archive.store(exchanges(1))
    cache.is_down = True
    page = threads.messages("t", 9, None, descending=False)
    assert (texts(page.items), page.degraded) == (contents_of(0), ["redis"])
    with pytest.raises(StoreUnavailable, match="redis"):
        threads.messages("other", 9, None, descending=False)
    with pytest.raises(StoreUnavailable, match="redis"):
        threads.get("other")


def test_only_messages_of_complete_lists_are_read_without_l2(
    threads: Threads, memory: MakeMemory, archive: InMemoryArchive
) -> None:
    """If L2 is down, L1 returns the messages of a thread whose list is complete. Other operations need L2."""
    process = memory()
    Turn(process, "t", "ana").recall()
    Turn(process, "t", "ana").append("q0", "a0")
    archive.is_down = True
    page = threads.messages("t", 9, None, descending=False)
    assert (texts(page.items), page.degraded) == (contents_of(0), ["postgres"])
    for operation in (
        lambda: threads.messages("other", 9, None, descending=False),
        lambda: threads.get("t"),
        lambda: threads.list_for("ana", 9, None),
        lambda: threads.rename("t", "x"),
        lambda: threads.delete("t"),
    ):
        with pytest.raises(StoreUnavailable, match="postgres"):
            operation()


def test_a_thread_longer_than_the_window_needs_l2(
    threads: Threads, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """A full list is complete for the window, but not for a longer thread. So a longer thread needs L2."""
    for each in exchanges(51):
        cache.append(each, is_drained=False)
    archive.is_down = True
    with pytest.raises(StoreUnavailable, match="postgres"):
        threads.messages("t", 9, None, descending=False)
