"""The operations read, list, rename and delete drained and undrained threads, even during outages."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.errors import InvalidCursor, StoreUnavailable, ThreadNotFound
from shared.ids import ExchangeIds
from shared.memory import sizes
from shared.memory import threads as module
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


def _all(threads: Threads, limit: int, *, descending: bool = False, thread_id: str = "t") -> list[Message]:
    """Read a thread page by page."""
    found: list[Message] = []
    cursor = None
    while True:
        page = threads.messages(thread_id, limit, cursor, descending=descending)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
@pytest.mark.parametrize("drained", [0, 1, 3, 5])
def test_pages_hold_every_message_once(
    limit: int, drained: int, threads: Threads, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """Every message is on exactly one page.

    This holds in both orders, with pages that split exchanges, and for any overlap of drained and undrained exchanges.
    """
    made = exchanges(5)
    archive.store(made[:drained])
    for each in made[max(0, drained - 1) :]:
        cache.append(each, is_drained=False)
    assert texts(_all(threads, limit)) == contents_of(*range(5))
    assert texts(_all(threads, limit, descending=True)) == contents_of(*range(5))[::-1]


def test_undrained_ones_between_drained_ones(threads: Threads, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """Pages have the right order, even if undrained exchanges are between drained ones.

    A later drain may finish earlier and cause this.
    """
    made = exchanges(6)
    archive.store(made[::2])
    for each in made[1::2]:
        cache.append(each, is_drained=False)
    for limit in (1, 3, 4):
        assert texts(_all(threads, limit)) == contents_of(*range(6))


def test_an_undrained_thread_is_a_thread(threads: Threads, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """An undrained thread has the title and the user of its first exchange."""
    made = exchanges(2, user_id="ana")
    for each in made:
        cache.append(each, is_drained=False)
    early = threads.get("t")
    archive.store(made)
    assert early == threads.get("t")
    assert (early.title, early.user_id, early.message_count, early.document_ids) == ("q0", "ana", 4, ())


def test_a_threads_count_includes_undrained_messages(
    threads: Threads, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """Each message counts once, even if both layers have it. Without L1, the count is L2's count."""
    made = [
        exchange(0, document_ids=("d2", "d1")),
        exchange(1, document_ids=("d1",)),
        exchange(2, document_ids=("d3",)),
    ]
    for each in made:
        cache.append(each, is_drained=False)
    assert threads.get("t").document_ids == ("d2", "d1", "d3")
    archive.store(made[:2])
    shown = threads.get("t")
    assert (shown.message_count, shown.updated_at) == (6, made[2].created_at)
    assert shown.document_ids == ("d2", "d1", "d3")
    cache.is_down = True
    assert (threads.get("t").message_count, threads.get("t").document_ids) == (4, ("d2", "d1"))


def test_an_unknown_thread(threads: Threads) -> None:
    """Each operation raises an error for an unknown thread."""
    for use in (
        lambda: threads.get("t"),
        lambda: threads.messages("t", 5, None, descending=False),
        lambda: threads.rename("t", "x"),
        lambda: threads.delete("t"),
    ):
        with pytest.raises(ThreadNotFound):
            use()


def test_entries_of_another_program_make_no_thread(threads: Threads, cache: InMemoryCache) -> None:
    """Entries of another program have no order key, so no page has them, and they do not make a thread."""
    cache.lists["t"] = [b'{"role":"user","content":"theirs"}']
    with pytest.raises(ThreadNotFound):
        threads.get("t")
    cache.append(exchange(0), is_drained=False)
    assert texts(_all(threads, 9)) == contents_of(0)


def test_threads_newest_first(threads: Threads, archive: InMemoryArchive) -> None:
    """The pages list one user's threads, newest first."""
    made = [exchange(number, f"t{number}", "ana" if number % 4 else "bob") for number in range(20)]
    archive.store(made)
    found: list[str] = []
    cursor = None
    while True:
        page = threads.list_for("ana", 4, cursor)
        found += [thread.thread_id for thread in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [f"t{number}" for number in range(19, -1, -1) if number % 4]
    assert threads.list_for("nobody", 4, None).items == []


def test_cursors_belong_to_their_list(threads: Threads, archive: InMemoryArchive) -> None:
    """Each operation refuses cursors of another thread, order or user."""
    archive.store([*exchanges(2, "a", "ana"), *exchanges(2, "b", "ana")])
    cursor = threads.messages("a", 1, None, descending=False).next_cursor
    users = threads.list_for("ana", 1, None).next_cursor
    for use in (
        lambda: threads.messages("b", 1, cursor, descending=False),
        lambda: threads.messages("a", 1, cursor, descending=True),
        lambda: threads.messages("a", 1, users, descending=False),
        lambda: threads.list_for("ana", 1, cursor),
        lambda: threads.list_for("bob", 1, users),
    ):
        with pytest.raises(InvalidCursor):
            use()


def test_a_page_fits_an_answer(threads: Threads, archive: InMemoryArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of long messages is short, but has at least one message. The pages omit no message."""
    monkeypatch.setattr(module, "fit_to_event", lambda items, to_json: sizes.fit_to_event(items, to_json, 300))
    archive.store(exchanges(4))
    first = threads.messages("t", 200, None, descending=False)
    assert len(first.items) == 2
    assert texts(_all(threads, 200)) == contents_of(*range(4))
    monkeypatch.setattr(module, "fit_to_event", lambda items, to_json: sizes.fit_to_event(items, to_json, 1))
    assert texts(_all(threads, 200)) == contents_of(*range(4))


def test_a_new_title_stays(threads: Threads, archive: InMemoryArchive) -> None:
    """A title that a user set stays. The drain does not change it."""
    made = exchanges(2)
    archive.store(made[1:])
    assert threads.rename("t", "Mine").title == "Mine"
    archive.store(made)
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


def test_a_deleted_thread_is_gone_from_everywhere(
    threads: Threads, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """L1, L2, the queue and the processes' own memory lose the thread. A second deletion finds nothing."""
    made = memory()
    for number in range(3):
        Turn(made, "t", "ana").append(f"q{number}", f"a{number}")
    undrained: list[Exchange] = queue.take()
    archive.store(undrained[:2])
    threads.delete("t")
    assert archive.store(undrained).erased == 3
    cache.merge_stored(undrained)
    for process in (made, memory()):
        assert Turn(process, "t", "ana").recall().messages == []
    with pytest.raises(ThreadNotFound):
        threads.delete("t")
    with pytest.raises(ThreadNotFound):
        threads.get("t")


def test_a_deletion_includes_exchanges_of_a_clock_ahead(
    threads: Threads, memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """The deletion's cutoff is at least the newest known exchange, even if that exchange's clock is ahead."""
    Turn(memory(clock=lambda: time.time() + 3_600), "t", None).append("q", "a")
    threads.delete("t")
    assert archive.store(queue.take()).erased == 1
    stored = exchange(1, "t2", exchange_id=ExchangeIds().new(now=time.time() + 3_600))
    archive.store([stored])
    threads.delete("t2")
    assert archive.deleted_threads["t2"] >= stored.order


def test_an_undrained_thread_is_deleted(threads: Threads, memory: MakeMemory, queue: InMemoryQueue) -> None:
    """A deletion also deletes a thread that L2 does not have yet."""
    Turn(memory(), "t", None).append("q", "a")
    threads.delete("t")
    assert len(queue.bodies) == 1


def test_l1_down_at_a_deletion(
    threads: Threads, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """If L1 is down, the response says that the deletion is incomplete.

    No reader shows the thread, and a retry completes the deletion.
    """
    made = memory()
    Turn(made, "t", None).append("q0", "a0")
    archive.store(queue.take())
    cache.is_down = True
    with pytest.raises(StoreUnavailable, match="redis"):
        threads.delete("t")
    assert archive.exchanges("t") == []
    assert [(repair.kind, repair.id) for repair in archive.invalidations(9)] == [("thread", "t")]
    cache.is_down = False
    threads.delete("t")
    assert Turn(memory(), "t", None).recall().messages == []


# - outages ---


def test_l1_down(threads: Threads, cache: InMemoryCache, archive: InMemoryArchive) -> None:
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


def test_l2_down(threads: Threads, memory: MakeMemory, archive: InMemoryArchive) -> None:
    """If L2 is down, L1 returns the messages of a thread that it has completely. Other operations need L2."""
    made = memory()
    Turn(made, "t", "ana").recall()
    Turn(made, "t", "ana").append("q0", "a0")
    archive.is_down = True
    page = threads.messages("t", 9, None, descending=False)
    assert (texts(page.items), page.degraded) == (contents_of(0), ["postgres"])
    for use in (
        lambda: threads.messages("other", 9, None, descending=False),
        lambda: threads.get("t"),
        lambda: threads.list_for("ana", 9, None),
        lambda: threads.rename("t", "x"),
        lambda: threads.delete("t"),
    ):
        with pytest.raises(StoreUnavailable, match="postgres"):
            use()


def test_l2_down_and_a_thread_longer_than_the_window(
    threads: Threads, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """A full list is complete for the window, but not for a longer thread. So a longer thread needs L2."""
    for each in exchanges(51):
        cache.append(each, is_drained=False)
    archive.is_down = True
    with pytest.raises(StoreUnavailable, match="postgres"):
        threads.messages("t", 9, None, descending=False)
