"""A caller has copied a thread with its exchange ids to another thread. Both threads are complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from shared.errors import StoreUnavailable
from shared.memory.accepted import AcceptedExchanges
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.models import Exchange
from shared.stores.redis.cache import RedisCache
from shared.testing import InMemoryCache, InMemoryQueue
from tests.support.exchanges import contents_of, exchange, texts


def _exchanges_with_one_id() -> tuple[Exchange, Exchange]:
    original = exchange(0, "original")
    return original, exchange(1, "copy", exchange_id=original.exchange_id, created_at=original.created_at)


def _raise_unavailable(*_: object) -> Any:
    raise StoreUnavailable("redis", "injected")


def test_a_process_remembers_the_exchanges_of_both_threads() -> None:
    """A process remembers the recent exchanges of both threads. It retries both exchanges that only the outbox has."""
    original, copy = _exchanges_with_one_id()
    accepted, sent = AcceptedExchanges(), list[Exchange]()
    for each in (original, copy):
        accepted.add(each, now=0, is_durable=False)
    assert (accepted.of("original", now=0), accepted.of("copy", now=0)) == ([original], [copy])
    accepted.retry(sent.append)
    assert sent == [original, copy]


def test_two_failed_appends_with_one_id_are_both_retried(
    real_cache: Callable[..., RedisCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two appends with the same exchange id failed. The process retries both once Redis responds."""
    cache, forked = real_cache(), _exchanges_with_one_id()
    for each in forked:
        cache.read(each.thread_id, None)
    with monkeypatch.context() as patch:
        patch.setattr(cache._connection, "call", _raise_unavailable)
        for each in forked:
            with pytest.raises(StoreUnavailable):
                cache.append(each, is_drained=False)
    assert [texts(cache.read(each.thread_id, None).messages) for each in forked] == [contents_of(0), contents_of(1)]


def test_the_in_memory_store_retries_only_appends_that_were_not_deleted(cache: InMemoryCache) -> None:
    """The in-memory cache retries only the append whose exchange was not deleted."""
    original, copy = _exchanges_with_one_id()
    for each in (original, copy):
        cache.read(each.thread_id, None)
    cache.is_down = True
    for each in (original, copy):
        with pytest.raises(StoreUnavailable):
            cache.append(each, is_drained=False)
    with pytest.raises(StoreUnavailable):
        cache.forget_exchanges("copy", [copy.exchange_id])
    cache.is_down = False
    cache.ping()
    assert (len(cache.contents("original")), cache.contents("copy")) == (2, [])


def test_the_drain_stores_each_exchange_in_its_own_thread(
    process: Callable[..., Memory], queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """The drain stores each exchange in its own thread. The deletion of one thread does not delete the other thread."""
    memory, forked = process(), _exchanges_with_one_id()
    for each in forked:
        turn = Turn(memory, each.thread_id, None)
        turn.append(each.user_message, each.assistant_message, exchange_id=each.exchange_id)
    result = memory.archive.store(queue.take())
    assert (result.stored, len(result.effective)) == (2, 2)
    memory.cache.merge_stored(result.effective)
    Threads(memory).delete("original")
    redis_client.delete("thread:copy:messages")
    assert texts(Turn(memory, "copy", None).recall().messages) == contents_of(1)
    assert Turn(memory, "original", None).recall().messages == []
