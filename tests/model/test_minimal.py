"""The smallest examples of violations that the state machine found. All of them are fixed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

from functions.sync.sweep import Sweep
from shared.errors import StoreUnavailable
from shared.ids import ExchangeIds
from shared.memory.exchanges import Exchanges
from shared.memory.memory import Memory
from shared.memory.recall import Recall
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.models import ExchangeTexts
from shared.stores.archive import Window
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import contents_of, exchange, exchanges, refill, texts

MakeMemory = Callable[..., Memory]
MakeCache = Callable[..., RedisCache]
EMPTY_WINDOW = Window([], is_all=True)
LIST_KEY = "thread:t:messages"
_TWO_DAYS = 2 * 86_400
SMALL_WINDOW = {"max_thread_messages": 3}


@pytest.fixture(autouse=True)
def _skip_backlog_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.memory.backlog.MAX_WAIT_SECONDS", -1.0)


def _recall(memory: Memory, thread_id: str = "t", user_id: str | None = None) -> Recall:
    return Turn(memory, thread_id, user_id).recall()


def _texts_and_degraded(memory: Memory) -> tuple[list[str], list[str]]:
    recall = _recall(memory)
    return texts(recall.messages), recall.degraded


def _store(memory: Memory, number: int, exchange_id: UUID | None = None, user_id: str | None = None) -> str:
    turn = Turn(memory, "t", user_id)
    return turn.append(f"q{number}", f"a{number}", exchange_id=exchange_id).durability


def _drain(memory: Memory, queue: InMemoryQueue) -> None:
    memory.cache.merge_stored(memory.archive.store(queue.take()).effective)


def _sweep(memory: Memory) -> None:
    result = Sweep(memory.archive, memory.cache, 3, dead_letter_body=lambda *_: None).run()
    assert result.skipped == []


def _raise_unavailable(*_: object, **__: object) -> Any:
    raise StoreUnavailable("postgres", "injected")


# --- Whole, Read your writes ---


def test_a_full_list_with_a_gap_is_not_complete(real_cache: MakeCache) -> None:
    """A full list does not count as complete if it got exchanges before a reader has refilled it."""
    cache, four_exchanges = real_cache(**SMALL_WINDOW), exchanges(4)
    cache.read("t", None)
    cache.append(four_exchanges[2], is_drained=False)
    cache.merge_stored(four_exchanges[:1])
    cache.append(four_exchanges[3], is_drained=False)
    read = cache.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (contents_of(0, 2, 3), False)


def test_a_full_list_stays_complete(real_cache: MakeCache) -> None:
    """The list keeps its seal when its first entry leaves the window, or an exchange before the window arrives."""
    cache, six_exchanges = real_cache(**SMALL_WINDOW), exchanges(6)
    refill(cache, "t", EMPTY_WINDOW)
    for each in six_exchanges[1:]:
        cache.append(each, is_drained=False)
        cache.merge_stored([each])
    cache.merge_stored(six_exchanges[:1])
    read = cache.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (contents_of(3, 4, 5), True)


def test_a_refill_does_not_seal_after_a_concurrent_append_and_eviction(
    real_cache: MakeCache, redis_client: redis.Redis
) -> None:
    """While a process reads L2, an exchange is appended and its list is evicted. The refill then seals no list."""
    for window in (EMPTY_WINDOW, Window([exchange(0)], is_all=True)):
        redis_client.flushall()
        first, second = real_cache(), real_cache()
        read = first.read("t", None)
        second.append(exchange(1), is_drained=False)
        redis_client.delete(LIST_KEY)
        first.refill("t", window, read)
        first.append(exchange(2), is_drained=False)
        assert not first.read("t", None).is_sealed


def test_a_list_is_not_sealed_if_l2_fails_after_the_window(
    process: MakeMemory, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2 returns the window and fails at the next query. The reader then does not seal the list."""
    memory = process(max_thread_messages=3)
    memory.archive.store(exchanges(4))
    Turn(memory, "t", None).append("q4", "a4", exchange_id=uuid4())
    redis_client.delete(LIST_KEY)
    with monkeypatch.context() as patched:
        patched.setattr(memory.archive, "stored", _raise_unavailable)
        assert _recall(memory).degraded == ["postgres"]
    assert _texts_and_degraded(process(max_thread_messages=3)) == (contents_of(2, 3, 4), [])


def test_an_emptied_redis_that_looks_new_reports_the_queue(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """A Redis that was emptied before its first read looks new, but it may have lost exchanges."""
    queue.is_down = True
    _store(process(), 1)
    queue.is_down = False
    queue.send(exchange(2))
    redis_client.flushall()
    assert _texts_and_degraded(process())[1] == ["queue"]
    assert _texts_and_degraded(process())[1] == ["queue"]


def test_after_an_eviction_reads_report_the_queue_until_the_drain(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """Redis evicts a list and its undrained hash. Responses report `queue` as degraded until the drain."""
    memory = process()
    _store(memory, 0)
    _drain(memory, queue)
    _store(memory, 1)
    assert (_texts_and_degraded(process()), _recall(process(), "other").degraded) == ((contents_of(0, 1), []), [])
    redis_client.config_set("maxmemory-policy", "volatile-random")
    try:
        redis_client.config_set("maxmemory", "1")
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            redis_client.set("one", "more")
    finally:
        redis_client.config_set("maxmemory", "0")
        redis_client.config_set("maxmemory-policy", "noeviction")
    assert (redis_client.exists(LIST_KEY, "thread:t:pending"), redis_client.exists("memory:epoch")) == (0, 1)
    assert _texts_and_degraded(process()) == (contents_of(0), ["queue"])
    _drain(memory, queue)
    assert _texts_and_degraded(process()) == (contents_of(0, 1), [])


def test_reads_work_without_the_permission_for_info(process: MakeMemory, redis_client: redis.Redis) -> None:
    """The Redis user has no permission for INFO. Reads then work as if Redis had evicted no key."""
    process().cache.record_loss()
    redis_client.acl_setuser("default", enabled=True, commands=["-info"])
    try:
        assert _texts_and_degraded(process()) == ([], [])
    finally:
        redis_client.acl_setuser("default", enabled=True, commands=["+info"])


# --- Same, Durable ---


def test_an_exchange_that_no_store_has_is_not_shown(
    cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue, memory: MakeMemory
) -> None:
    """No store accepted an exchange. No reader sees it, even after L1 recovers."""
    writer = memory()
    cache.is_down = archive.is_down = queue.is_down = True
    assert _store(writer, 1) == "none"
    cache.is_down = archive.is_down = queue.is_down = False
    assert _texts_and_degraded(writer) == ([], [])


def test_a_repeated_id_of_an_exchange_outside_the_window_stays_outside(
    process: MakeMemory, queue: InMemoryQueue
) -> None:
    """A caller repeats the id of an old exchange. The exchange keeps its position, so it is not in the window."""
    first, second, exchange_id = process(**SMALL_WINDOW), process(**SMALL_WINDOW), uuid4()
    _store(first, 0, exchange_id)
    for number in range(1, 5):
        _store(first, number)
    _drain(first, queue)
    _store(second, 9, exchange_id)
    _drain(first, queue)
    _sweep(first)
    assert _texts_and_degraded(second) == _texts_and_degraded(first) == (contents_of(2, 3, 4), [])


def test_an_exchange_that_l1_refused_is_not_appended_later(
    real_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L1 refused an exchange that no other store has. The process does not retry this append."""
    cache = real_cache()
    with monkeypatch.context() as patched:
        patched.setattr(cache._connection, "call", _raise_unavailable)
        with pytest.raises(StoreUnavailable):
            cache.append(exchange(1), is_drained=False, in_outbox=True)
    assert (list(cache.read("t", None).messages), cache.outbox(10)) == ([], [])


@pytest.mark.parametrize("what", ["an append", "a replacement"])
def test_a_full_redis_adds_no_exchange_that_no_store_has(
    process: MakeMemory,
    queue: InMemoryQueue,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    """A full Redis refuses the outbox' entry. It would accept the list's entry, because a merge deletes the list first.

    The list gets no text that no store has.
    """
    memory = process()
    ahead = ExchangeIds().new(now=time.time() + 5)
    _store(memory, 1, ahead)
    _drain(memory, queue)
    queue.is_down = True
    for name in ("store", "replace_exchange"):
        monkeypatch.setattr(memory.archive, name, _raise_unavailable)
    redis_client.config_set("maxmemory", 1)
    try:
        if what == "an append":
            # The caller's id is older than the listed exchange.
            assert _store(memory, 2, ExchangeIds().new()) == "none"
        else:
            with pytest.raises(StoreUnavailable):
                Exchanges(memory).replace("t", ahead, ExchangeTexts("q2", "a2"))
    finally:
        redis_client.config_set("maxmemory", 0)
    assert _texts_and_degraded(process()) == (contents_of(1), [])


def test_an_exchange_is_in_the_outbox_if_redis_is_emptied_during_the_append(
    real_cache: MakeCache, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is emptied after it has accepted the outbox' entry and before it gets the list's entry."""
    cache, appended = real_cache(), exchange(1)
    call = cache._connection.call

    def flush_first(fill: Any) -> list[Any]:
        if redis_client.llen("outbox:exchanges"):
            monkeypatch.undo()
            redis_client.flushall()
        return call(fill)

    monkeypatch.setattr(cache._connection, "call", flush_first)
    assert cache.append(appended, is_drained=False, in_outbox=True).is_in_outbox
    assert cache.peek("t").undrained == [appended]
    assert cache.outbox(10) == [appended.to_wire()]


def test_an_exchange_in_the_outbox_is_also_in_the_list(real_cache: MakeCache) -> None:
    """An exchange that only L1 accepted is in the list, in the undrained hash and in the outbox."""
    cache, appended = real_cache(), exchange(1)
    cache.read("t", None)
    cache.append(appended, is_drained=False, in_outbox=True)
    read = cache.read("t", None)
    assert (texts(read.messages), read.undrained, cache.outbox(10)) == (
        contents_of(1),
        [appended],
        [appended.to_wire()],
    )


def test_an_exchange_after_a_deletion_ahead_of_the_clock_stays(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """A deletion's cutoff is ahead of the clock, and L1 has lost the deletion. An exchange stored after it stays."""
    memory = process()
    _store(memory, 1, ExchangeIds().new(now=time.time() + 60), "ana")
    Users(memory).forget("ana")
    _drain(memory, queue)
    redis_client.flushall()
    assert _store(process(), 2, user_id="ana") == "queue"
    _drain(memory, queue)
    assert _texts_and_degraded(process()) == (contents_of(2), [])


# --- Causal ---


def test_an_exchange_of_a_process_with_a_slow_clock_is_the_newest(process: MakeMemory, queue: InMemoryQueue) -> None:
    """A process stores a turn without loading the thread, and its clock is behind. Its exchange is still the newest."""
    ahead = process()
    ahead._clock = lambda: time.time() + 5
    ahead._clock_offset, ahead._monotonic_offset = 0.0, ahead._clock() - time.monotonic()
    ahead.cache.append(ahead.with_new_id(exchange(1)), is_drained=False)
    assert _texts_and_degraded(process())[0] == contents_of(1)
    _store(process(), 2)
    assert _texts_and_degraded(process())[0] == contents_of(1, 2)
    assert len(queue.bodies) == 1


def test_a_turn_sorts_last_although_an_earlier_turn_could_not_confirm_the_clock(
    process: MakeMemory, queue: InMemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process' clock is two days behind, and its previous turn could not read PostgreSQL's clock.

    Redis refuses the read of its next turn, and PostgreSQL has the context. Before the process creates an id, it
    compares the clocks again. So the new exchange sorts after the context.
    """
    memory = process()
    _store(memory, 1, ExchangeIds().new(now=time.time() + 5))
    _drain(memory, queue)
    behind = process()
    behind._clock = lambda: time.time() - _TWO_DAYS
    with monkeypatch.context() as patched:
        patched.setattr(behind.archive, "clock", _raise_unavailable)
        _recall(behind, "other")
    turn = Turn(behind, "t", None)
    with monkeypatch.context() as patched:
        patched.setattr(behind.cache, "read", _raise_unavailable)
        assert texts(turn.recall().messages) == contents_of(1)
    assert turn.append("q2", "a2").durability == "queue"
    assert _texts_and_degraded(process())[0] == contents_of(1, 2)


# --- Erased ---


@pytest.mark.parametrize("what", ["thread", "user"])
@pytest.mark.parametrize("state", ["undrained", "drained", "drained, and Redis emptied"])
def test_a_deletion_includes_exchanges_that_a_wrong_clock_has_dated_ahead(
    process: MakeMemory,
    queue: InMemoryQueue,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    state: str,
) -> None:
    """While PostgreSQL was down, a process with a wrong clock dated an import and a turn two days ahead.

    A deletion includes both, also if they are redelivered. It does not include the next exchange.
    """
    wrong = process()
    wrong._clock = lambda: time.time() + _TWO_DAYS
    with monkeypatch.context() as patched:
        patched.setattr(wrong.archive, "clock", _raise_unavailable)
        imported_at = datetime.now(UTC) - timedelta(hours=1)
        Turn(wrong, "t", "ana").append("q1", "a1", created_at=imported_at)
        Turn(wrong, "t", "ana").append("q2", "a2")
    ahead = queue.take()
    assert min(each.acceptance_time for each in ahead) > datetime.now(UTC) + timedelta(days=1)
    if state != "undrained":
        wrong.cache.merge_stored(wrong.archive.store(ahead).effective)
    if state == "drained, and Redis emptied":
        redis_client.flushall()
    if what == "thread":
        Threads(process()).delete("t")
    else:
        Users(process()).forget("ana")
    assert texts(_recall(process(), user_id="ana").messages) == []
    assert process().archive.store(ahead).tombstoned == 2
    assert _store(process(), 3, user_id="ana") == "queue"
    assert [each.created_at < datetime.now(UTC) for each in ahead] == [True, False]
    for _ in range(2):
        for memory in (process(), wrong):
            assert texts(_recall(memory, user_id="ana").messages) == contents_of(3)
        _drain(memory, queue)
        _sweep(memory)


def test_the_sweep_completes_an_interrupted_deletion(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """L2 has deleted a thread, and the process died before it updated L1. The sweep updates L1."""
    memory = process()
    _store(memory, 1)
    _drain(memory, queue)
    _store(memory, 2)
    memory.archive.forget_thread("t", memory.new_id("t"))
    _sweep(memory)
    assert redis_client.lrange(LIST_KEY, 0, -1) == []
    assert redis_client.hgetall("thread:t:pending") == {}


def test_a_user_deletion_includes_an_id_ahead_of_the_clock(process: MakeMemory, queue: InMemoryQueue) -> None:
    """A user's deletion includes an undrained exchange whose id is ahead of the clock."""
    memory = process()
    _store(memory, 1, ExchangeIds().new(now=time.time() + 60), "ana")
    Users(process()).forget("ana")
    assert memory.archive.store(queue.take()).tombstoned == 1


@pytest.mark.parametrize("deleted", ["thread", "user"])
def test_an_append_retried_after_a_deletion_restores_no_data(
    real_cache: MakeCache, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, deleted: str
) -> None:
    """One process' append failed, and another process deleted the thread. The retried append restores no data."""
    first, second, unsent = real_cache(), real_cache(), exchange(1, user_id="ana")
    with monkeypatch.context() as patched:
        patched.setattr(first._connection, "call", _raise_unavailable)
        with pytest.raises(StoreUnavailable):
            first.append(unsent, is_drained=False)
    cutoff = ExchangeIds().new(after=unsent.order)
    if deleted == "thread":
        second.forget_threads({"t": cutoff})
    else:
        second.forget_user("ana", cutoff)
    first.ping()
    assert redis_client.lrange(LIST_KEY, 0, -1) == []
    assert redis_client.hgetall("thread:t:pending") == {}
    assert first.read("t", None).messages == []


def test_a_retried_append_adds_the_exchange(real_cache: MakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retried append adds the exchange to the list and to the undrained hash."""
    first, second, unsent = real_cache(), real_cache(), exchange(1)
    second.read("t", None)
    with monkeypatch.context() as patched:
        patched.setattr(first._connection, "call", _raise_unavailable)
        with pytest.raises(StoreUnavailable):
            first.append(unsent, is_drained=False)
    first.ping()
    read = second.read("t", None)
    assert (texts(read.messages), read.undrained, read.is_sealed) == (contents_of(1), [unsent], False)


def test_a_refill_with_a_window_from_before_a_deletion_adds_nothing(
    process: MakeMemory, redis_client: redis.Redis
) -> None:
    """A process reads L2 before a deletion and refills L1 after the deletion. The list stays empty."""
    memory = process()
    memory.archive.store([exchange(1)])
    read, window = memory.cache.read("t", None), memory.archive.window("t", 3)
    Threads(process()).delete("t")
    memory.cache.refill("t", window, read)
    assert redis_client.lrange(LIST_KEY, 0, -1) == []


def test_an_id_from_before_a_deletion_is_rejected_if_l1_lost_the_deletion(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """L1 has lost a deletion, and L2 has it. An exchange with an id from before the deletion is rejected."""
    memory, old = process(), ExchangeIds().new()
    _store(memory, 1, old)
    Threads(memory).delete("t")
    redis_client.flushall()
    assert _store(process(), 1, old) == "none"
    assert len(queue.bodies) == 1


def test_the_sweep_removes_exchanges_that_the_drain_dropped_from_l1(
    process: MakeMemory, real_archive: Callable[..., PostgresArchive]
) -> None:
    """A late writer appends a deleted thread's exchange to L1. The drain drops it, and the sweep removes it from L1."""
    memory, late = process(), exchange(1)
    memory.archive.forget_thread("t", ExchangeIds().new(after=late.order))
    memory.cache.append(late, is_drained=False)
    assert real_archive().store([late]).tombstoned == 1
    _sweep(memory)
    assert _texts_and_degraded(memory) == ([], [])


def test_a_user_deletion_also_deletes_the_list_of_a_thread_deleted_only_in_l2(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """L2 has deleted a thread, and L1 still has the thread's list. The user's deletion also deletes the list."""
    memory = process()
    _store(memory, 1, user_id="ana")
    _drain(memory, queue)
    redis_client.flushall()
    assert _texts_and_degraded(process())[0] == contents_of(1)
    memory.archive.forget_thread("t", memory.new_id("t"))
    Users(process()).forget("ana")
    assert redis_client.lrange(LIST_KEY, 0, -1) == []


def test_a_process_does_not_show_remembered_exchanges_of_a_deleted_thread(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process deleted the thread, L1 has lost the deletion, and L2 is down.

    The process does not show the exchanges that it remembers. It reports `postgres` as degraded.
    """
    memory = process()
    _store(memory, 1)
    Threads(process()).delete("t")
    redis_client.flushall()
    monkeypatch.setattr(memory.archive, "window", _raise_unavailable)
    assert _texts_and_degraded(memory) == ([], ["postgres"])
    assert len(queue.bodies) == 1
