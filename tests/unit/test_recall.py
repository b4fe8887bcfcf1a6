"""A turn's context comes from L1, from L2 if L1 is incomplete, or from both."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from shared.memory import backlog
from shared.memory.memory import Memory
from shared.memory.recall import Recall
from shared.memory.turn import Turn
from shared.settings import MemorySettings
from shared.stores.archive import Window
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from shared.testing.heartbeats import Heartbeats
from tests.support.exchanges import contents_of, exchange, exchanges, refill, texts

MakeMemory = Callable[..., Memory]


def _load_memory(memory: Memory, thread_id: str | None = "t", user_id: str | None = None) -> Recall:
    return Turn(memory, thread_id, user_id).recall()


def test_a_new_thread_has_no_context(memory: MakeMemory) -> None:
    """The context of a new thread has the source `none`, and no layer is degraded."""
    assert _load_memory(memory()) == Recall([], {}, "none", [])


def test_without_thread_and_user_no_store_is_called(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """A turn without a thread and a user calls no store and raises no error."""
    assert _load_memory(memory(), None, None) == Recall([], {}, "none", [])
    assert (cache.calls, archive.calls) == ([], [])


def test_a_turn_reads_once(memory: MakeMemory, cache: InMemoryCache) -> None:
    """Both providers share one read of L1."""
    turn = Turn(memory(), "t", "ana")
    assert turn.recall() is turn.recall()
    assert cache.calls.count("read") == 1


def test_a_hit_reads_l1_only(memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """A turn with a sealed list and cached preferences reads only L1.

    The same is true if L1 knows that the user has no preferences.
    """
    process = memory()
    _load_memory(process, "t", "ana")
    Turn(process, "t", "ana").append("q0", "a0")
    archive.calls.clear()
    cache.calls.clear()
    recall = _load_memory(process, "t", "ana")
    assert (texts(recall.messages), recall.source, recall.degraded) == (contents_of(0), "redis", [])
    assert (cache.calls, archive.calls) == (["read"], [])


def test_a_lost_list_is_refilled_from_l2(memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """L2 serves the first read of a lost list and refills L1. L1 serves the second read."""
    archive.store(exchanges(3))
    first, second = _load_memory(memory()), _load_memory(memory())
    assert (texts(first.messages), first.source) == (contents_of(0, 1, 2), "postgres")
    assert (texts(second.messages), second.source) == (contents_of(0, 1, 2), "redis")
    assert cache.contents("t")[0] == ("user", "q0")


def test_a_list_without_a_seal_is_completed_from_l2(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """A short list without a seal is incomplete, so L2 adds the older exchanges."""
    archive.store(exchanges(3))
    cache.lose_thread("t")
    cache.append(exchange(3), is_drained=False)
    recall = _load_memory(memory())
    assert texts(recall.messages) == contents_of(0, 1, 2, 3)
    assert recall.source == "postgres"
    assert texts(_load_memory(memory()).messages) == contents_of(0, 1, 2, 3)


def test_a_list_evicted_before_the_drain_is_read_from_the_undrained_hash(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """Every process finds an exchange that only the queue and L1 have, even if L1 has lost the list."""
    Turn(memory(), "t", None).append("q0", "a0")
    cache.lose_thread("t")
    assert texts(_load_memory(memory()).messages) == contents_of(0)
    assert archive.exchanges("t") == []


def test_a_list_that_fills_the_window_is_complete(archive: InMemoryArchive) -> None:
    """A list that fills the window is complete, because no exchange of the window can be missing."""
    settings = MemorySettings(max_thread_messages=2)
    small_cache = InMemoryCache(settings)
    refill(small_cache, "t", Window([], is_all=True))
    for each in exchanges(3):
        small_cache.append(each, is_drained=False)
    process = Memory(small_cache, archive, InMemoryQueue(), settings)
    assert texts(_load_memory(process).messages) == contents_of(1, 2)
    assert archive.calls == []


def test_the_window_has_the_newest_exchanges(archive: InMemoryArchive, memory: MakeMemory) -> None:
    """L1 and the result have the newest fifty of sixty exchanges."""
    archive.store(exchanges(60))
    for _ in range(2):
        assert texts(_load_memory(memory()).messages) == contents_of(*range(10, 60))


def test_undrained_and_stored_exchanges_are_merged(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """Drained and undrained exchanges are in thread order and have no duplicates."""
    all_exchanges = exchanges(6)
    archive.store(all_exchanges[:2] + all_exchanges[3:5])
    for each in all_exchanges[1:4] + all_exchanges[5:]:
        cache.append(each, is_drained=False)
    assert texts(_load_memory(memory()).messages) == contents_of(*range(6))


def test_foreign_entries_are_shown_first(memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """Entries of another program have no order key and are shown first. They do not make a list complete."""
    cache.lists["t"] = [b'{"role":"user","content":"theirs"}']
    archive.store(exchanges(1))
    recall = _load_memory(memory())
    assert texts(recall.messages) == ["theirs", *contents_of(0)]
    assert recall.messages[0].to_json() == {
        "role": "user",
        "content": "theirs",
        "exchange_id": None,
        "created_at": None,
    }


@pytest.mark.parametrize("entry", [b"nonsense", b"[]", b'{"role":1,"content":"x"}', b'{"role":"user"}', b"\xff", b"{}"])
def test_an_unreadable_entry_is_omitted(
    entry: bytes, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """The context omits an unreadable entry, and shows the other entries and L2's exchanges."""
    archive.store(exchanges(2))
    _load_memory(memory())
    cache.lists["t"].append(entry)
    assert texts(_load_memory(memory()).messages) == contents_of(0, 1)


def test_the_first_read_shows_a_queued_exchange(memory: MakeMemory, queue: InMemoryQueue) -> None:
    """The first read already shows a queued exchange, although the queue is not empty."""
    process = memory()
    Turn(process, "t", None).append("q0", "a0")
    _load_memory(process, None, "ana")
    assert texts(_load_memory(memory()).messages) == contents_of(0)
    assert len(queue.bodies) == 1


def test_an_empty_queue_is_read_once(memory: MakeMemory, queue: InMemoryQueue) -> None:
    """The first process reads the queue's depth for a new L1. Later processes do not read the depth again."""
    _load_memory(memory())
    queue.calls.clear()
    Turn(memory(), "t", None).append("q0", "a0")
    assert _load_memory(memory(), "other").degraded == []
    assert queue.calls == ["send"]


def test_an_emptied_l1_waits_for_the_drain(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """After a loss of L1, a read waits for the drain, so L2 has the queued exchange."""
    _load_memory(memory())
    Turn(memory(), "t", None).append("q0", "a0")
    cache.lose_everything()
    depth = queue.depth

    def drain_meanwhile() -> int:
        archive.store(queue.take())
        return depth()

    queue.depth = drain_meanwhile  # type: ignore[method-assign]
    recall = _load_memory(memory())
    assert (texts(recall.messages), recall.degraded) == (contents_of(0), [])


def test_an_emptied_l1_is_degraded_while_messages_wait(
    memory: MakeMemory,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a loss of L1, the history may be incomplete until the queue is empty.

    So the history is degraded, and the list is not sealed.
    """
    monkeypatch.setattr(backlog, "MAX_WAIT_SECONDS", 0)
    archive.store([exchange(0)])
    first_process = memory()
    _load_memory(first_process)
    Turn(first_process, "t", None).append("q1", "a1")
    cache.lose_everything()
    for _ in range(2):
        recall = _load_memory(memory())
        assert (texts(recall.messages), recall.degraded) == (contents_of(0), ["queue"])
    queue.is_down = True
    assert _load_memory(memory()).degraded == ["queue"]
    queue.is_down = False
    archive.store(queue.take())
    for _ in range(2):
        recall = _load_memory(memory())
        assert (texts(recall.messages), recall.degraded) == (contents_of(0, 1), [])
    assert cache.lost_at is not None


def test_an_old_loss_is_not_degraded(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """After a long time without outages, queued messages are newer than the loss of L1.

    The process then does not read the queue's depth.
    """
    long_ago = time.time() - 200
    for lost_at, seconds_without_outage, is_depth_read in (
        (long_ago, 0.0, True),
        (time.time(), 500.0, True),
        (long_ago, 500.0, False),
    ):
        cache.lose_everything()
        cache.lost_at = lost_at
        archive.heartbeats = Heartbeats(time.time() - seconds_without_outage, time.time())
        queue.calls.clear()
        _load_memory(memory())
        assert ("depth" in queue.calls) == is_depth_read


def test_preferences_are_read_once_from_l2(memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """A process reads L2's preferences once, even if there are none."""
    for user_id, preferences in (("ana", {"tone": "dry"}), ("bob", {})):
        archive.change_preferences(user_id, preferences, replace=True, update_cache=lambda _: True)
        archive.calls.clear()
        first, second = _load_memory(memory(), None, user_id), _load_memory(memory(), None, user_id)
        assert first.preferences == second.preferences == preferences
        assert (first.source, second.source) == (("postgres", "redis") if preferences else ("none", "none"))
        assert archive.calls == ["preferences"]
        assert cache.hashes[user_id] == preferences


def test_the_source_is_the_historys_source(memory: MakeMemory, archive: InMemoryArchive) -> None:
    """The context's source is the history's source. Without a history, the source is the preferences' source."""
    archive.store(exchanges(1))
    _load_memory(memory())
    archive.change_preferences("ana", {"tone": "dry"}, replace=True, update_cache=lambda _: True)
    assert _load_memory(memory(), "t", "ana").source == "redis"


def test_the_context_has_history_and_preferences(memory: MakeMemory, archive: InMemoryArchive) -> None:
    """The context has the history and the preferences, separated by a blank line.

    Without history and preferences, the context is empty.
    """
    archive.store(exchanges(1))
    archive.change_preferences("ana", {"tone": "dry"}, replace=True, update_cache=lambda _: True)
    recall = _load_memory(memory(), "t", "ana")
    assert recall.context == "Previous conversation:\nuser: q0\nassistant: a0\n\nUser preferences:\ntone: dry"
    assert _load_memory(memory(), "other", None).context == ""


def test_an_answer_is_found_by_its_exchange_id(memory: MakeMemory, archive: InMemoryArchive) -> None:
    """The recalled window returns the answer of a stored exchange by the exchange's id."""
    stored = exchange(1)
    archive.store([stored])
    recall = _load_memory(memory())
    assert recall.answer_of(stored.exchange_id) == "a1"
    assert recall.answer_of(uuid4()) is None
