"""A deletion removes the exchanges up to its cutoff. Exchanges that any process accepts later stay."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from functions.sync.sweep import Sweep
from shared.errors import StoreUnavailable, ThreadNotFound
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.models import ExchangeTexts
from shared.stores.archive import Window
from shared.stores.redis.cache import RedisCache
from shared.testing import InMemoryQueue
from tests.support.exchanges import contents_of, exchange, exchanges, texts

MakeMemory = Callable[..., Memory]
MakeCache = Callable[..., RedisCache]


def _append(memory: Memory, number: int) -> str:
    return Turn(memory, "t", "ana").append(f"q{number}", f"a{number}").durability


def _load(memory: Memory) -> tuple[list[str], list[str]]:
    recall = Turn(memory, "t", "ana").recall()
    return texts(recall.messages), recall.degraded


@pytest.mark.parametrize("what", ["thread", "user"])
def test_an_exchange_accepted_during_a_deletion_stays(
    process: MakeMemory, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """PostgreSQL has deleted a thread, and Redis has not deleted it yet. An exchange that is accepted now stays."""
    deleter, other = process(), process()
    _append(other, 0)
    forget = deleter.cache.forget_threads

    def interrupted(*arguments: Any) -> None:
        assert _append(other, 1) == "queue"
        forget(*arguments)

    monkeypatch.setattr(deleter.cache, "forget_threads", interrupted)
    if what == "thread":
        Threads(deleter).delete("t")
    else:
        Users(deleter).forget("ana")
    assert (redis_client.llen("thread:t:messages"), redis_client.hlen("thread:t:pending")) == (2, 1)
    assert _load(process()) == (contents_of(1), [])
    assert _load(other) == (contents_of(1), [])


def test_the_deleters_own_later_exchange_stays(process: MakeMemory, redis_client: redis.Redis) -> None:
    """A process deletes a thread and then accepts an exchange of the thread. The process remembers this exchange."""
    memory = process()
    _append(memory, 0)
    Threads(memory).delete("t")
    _append(memory, 1)
    redis_client.delete("thread:t:messages")
    assert _load(memory) == (contents_of(1), [])
    assert [each.user_message for each in memory.recent("t")] == ["q1"]


def test_a_thread_written_to_after_the_users_deletion_stays_in_the_index(process: MakeMemory) -> None:
    """The user's next deletion finds the thread in Redis' index, although PostgreSQL does not have the thread yet."""
    memory = process()
    _append(memory, 0)
    # Wait for the next millisecond. A thread with an exchange of the deletion's millisecond would stay in the index.
    time.sleep(0.002)
    Users(memory).forget("ana")
    assert memory.cache.threads_of("ana") == []
    _append(memory, 1)
    assert memory.cache.threads_of("ana") == ["t"]
    Users(process()).forget("ana")
    assert _load(process()) == ([], [])


def test_a_retried_append_before_the_cutoff_is_not_shown(
    real_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two appends failed and are retried after a deletion. Readers see only the exchange after the cutoff."""
    cache, early, late = real_cache(), exchange(0), exchange(1)
    cache.read("t", None)
    with monkeypatch.context() as patched:

        def raise_unavailable(*_: object) -> Any:
            raise StoreUnavailable("redis", "injected")

        patched.setattr(cache._connection, "call", raise_unavailable)
        for each in (early, late):
            with pytest.raises(StoreUnavailable):
                cache.append(each, is_drained=False)
    cache.forget_threads({"t": early.order})
    assert texts(cache.read("t", None).messages) == contents_of(1)


def test_deleting_many_threads_takes_two_round_trips(real_cache: MakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion of many threads takes two round trips."""
    cache = real_cache()
    created = [exchange(number, f"t{number}", "ana") for number in range(20)]
    for each in created:
        cache.append(each, is_drained=False)
    calls: list[None] = []
    call = cache._connection.call

    def counted(fill: Any) -> list[Any]:
        calls.append(None)
        return call(fill)

    monkeypatch.setattr(cache._connection, "call", counted)
    cache.forget_threads({each.thread_id: each.order for each in created})
    assert len(calls) == 2
    assert all(cache.peek(each.thread_id).undrained == [] for each in created)


def _changes(client: redis.Redis) -> int:
    return int(client.info("persistence")["rdb_changes_since_last_save"])


def test_a_read_only_request_writes_nothing(
    process: MakeMemory, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only request for a missing or a stored thread sends no write to Redis, not even a test write."""
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_INTERVAL_SECONDS", 0.0)
    memory = process()
    threads = Threads(memory)
    _append(memory, 0)
    redis_client.delete("thread:t:messages")
    before, changes = sorted(redis_client.keys()), _changes(redis_client)
    with pytest.raises(ThreadNotFound):
        threads.get("x")
    with pytest.raises(ThreadNotFound):
        threads.messages("x", 10, None, descending=False)
    threads.get("t")
    threads.messages("t", 10, None, descending=False)
    assert Users(memory).preferences("ana") == {}
    assert sorted(redis_client.keys()) == before
    assert _changes(redis_client) == changes


def test_an_append_after_the_drain_adds_no_undrained_exchange(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain stores an exchange before the append reaches Redis. The append does not mark it as undrained."""
    memory, drainer = process(), process()
    send = queue.send

    def sent_and_drained(*arguments: Any) -> None:
        send(*arguments)
        drainer.cache.merge_stored(drainer.archive.store(queue.take()).effective)

    for has_list in (False, True):
        with monkeypatch.context() as patched:
            patched.setattr(queue, "send", sent_and_drained)
            assert _append(memory, int(has_list)) == "queue"
        assert redis_client.hgetall("thread:t:pending") == {}
    assert _load(process()) == (contents_of(0, 1), [])


def test_an_exchange_that_is_only_in_the_outbox_has_durability_redis(
    process: MakeMemory, queue: InMemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis accepts the outbox' entry and refuses the list's entry. The response reports `durability: redis`."""
    memory = process()
    Turn(memory, "t", "ana").recall()
    call = memory.cache._connection.call  # type: ignore[attr-defined]
    queue.is_down = True

    def raise_unavailable(*_: object) -> Any:
        raise StoreUnavailable("postgres", "injected")

    def refuse_list(fill: Any) -> list[Any]:
        names: list[str] = []

        def fill_and_record(pipe: Any) -> None:
            fill(pipe)
            names[:] = [arguments[0] for arguments, _ in pipe.command_stack]
            if "EVAL" in names:
                del pipe.command_stack[:]

        replies = call(fill_and_record)
        return [redis.ResponseError("OOM injected")] * len(names) if "EVAL" in names else replies

    with monkeypatch.context() as patched:
        patched.setattr(memory.archive, "store", raise_unavailable)
        patched.setattr(memory.cache._connection, "call", refuse_list)  # type: ignore[attr-defined]
        append_result = Turn(memory, "t", "ana").append("q1", "a1")
    assert (append_result.durability, append_result.cached) == ("redis", False)
    assert "redis" in append_result.degraded
    assert len(memory.cache.outbox(10)) == 1
    queue.is_down = False
    assert _load(memory) == (contents_of(1), [])


def _refuse(client: redis.Redis, *, is_refusing: bool) -> None:
    client.config_set("maxmemory", int(is_refusing))


def test_a_users_deletion_that_redis_refused_is_completed_by_repeating_it(
    process: MakeMemory, redis_client: redis.Redis
) -> None:
    """A full Redis executes deletions of keys and refuses writes.

    The index of the user's threads must therefore list a thread until Redis has deleted the thread. Otherwise the
    repeated deletion would not find it.
    """
    first_process, second_process = process(), process()
    _append(first_process, 0)
    first_process.archive.store(list(first_process.recent("t")))
    assert _load(first_process) == (contents_of(0), [])
    _refuse(redis_client, is_refusing=True)
    try:
        with pytest.raises(StoreUnavailable):
            Users(second_process).forget("ana")
    finally:
        _refuse(redis_client, is_refusing=False)
    Users(process()).forget("ana")
    assert _load(process()) == ([], [])
    assert redis_client.exists("thread:t:pending", "user:ana:threads") == 0
    assert "q0" not in "".join(map(str, redis_client.lrange("thread:t:messages", 0, -1)))


def test_the_sweep_completes_a_users_deletion_in_threads_that_only_redis_has(
    process: MakeMemory, redis_client: redis.Redis
) -> None:
    """PostgreSQL has deleted a user. The sweep removes the user's listed and undrained exchanges from Redis."""
    memory = process()
    _append(memory, 0)
    cutoff = memory.new_id("t")
    memory.archive.forget_user("ana", cutoff, [])
    sweep = Sweep(memory.archive, memory.cache, 50, lambda *_: None)
    sweep.run()
    assert redis_client.exists("thread:t:messages") == 0
    assert redis_client.hlen("thread:t:pending") == 0
    assert _append(memory, 1) == "queue"
    assert _load(process()) == (contents_of(1), [])


def test_restored_exchanges_are_removed_by_the_next_turn(process: MakeMemory, redis_client: redis.Redis) -> None:
    """Redis restores the old text of a drained and replaced exchange as undrained. A turn removes this text."""
    memory = process()
    _append(memory, 0)
    (stored,) = memory.recent("t")
    old_hash = redis_client.dump("thread:t:pending") or b""
    memory.archive.store([stored])
    memory.archive.replace_exchange("t", stored.exchange_id, ExchangeTexts("q9", "a9"), above=0, owner=None)
    redis_client.flushall()
    redis_client.restore("thread:t:pending", 0, old_hash)
    # This process' queue is empty.
    assert texts(Turn(process(InMemoryQueue()), "t", "ana").recall().messages) == contents_of(9)
    assert redis_client.hlen("thread:t:pending") == 0


@pytest.mark.parametrize("variant", ["refill", "repair", "deletion"])
def test_a_late_response_to_an_earlier_deletion_changes_no_later_one(
    real_cache: MakeCache, redis_client: redis.Redis, variant: str
) -> None:
    """PostgreSQL's response to the first deletion reaches Redis after the second deletion. The second cutoff stays."""
    cache = real_cache()
    first, second, third = exchanges(3)
    read = cache.read("t", None)
    cache.forget_threads({"t": second.order})
    if variant == "refill":
        cache.refill("t", Window([], is_all=True, cutoff=first.order), read)
    elif variant == "repair":
        cache.recheck_thread("t", Window([], is_all=True, cutoff=first.order))
    else:
        cache.forget_threads({"t": first.order})
    assert redis_client.get("thread:t:tombstone") == str(second.order)
    assert cache.append(second, is_drained=False).cutoff == second.order
    assert cache.append(third, is_drained=False).cutoff is None


def test_an_earlier_deletion_of_a_user_changes_no_later_one(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """Two deletions of a user reach Redis in reverse order. The later cutoff stays."""
    cache = real_cache()
    first, second = exchanges(2)
    cache.forget_user("ana", second.order)
    cache.forget_user("ana", first.order)
    assert redis_client.get("user:ana:tombstone") == str(second.order)


@pytest.mark.parametrize("foreign", [b"", b"zzz", b"\xff" * 36, None])
def test_another_programs_value_is_replaced_by_a_tombstone(
    real_cache: MakeCache, redis_client: redis.Redis, foreign: bytes | None
) -> None:
    """The tombstone replaces another program's value, even a value of another type."""
    cache, (deleted, *_) = real_cache(), exchanges(1)
    if foreign is None:
        redis_client.rpush("thread:t:tombstone", "x")
    else:
        redis_client.set("thread:t:tombstone", foreign)
    cache.forget_threads({"t": deleted.order})
    assert redis_client.get("thread:t:tombstone") == str(deleted.order)
    assert 0 < redis_client.ttl("thread:t:tombstone") <= 4 * 86_400
