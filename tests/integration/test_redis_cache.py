"""The tests run L1 on a real Valkey: keys, expiry, seals, deletions, and other programs' data."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from uuid import UUID

import pytest
import redis

from shared.errors import StoreUnavailable
from shared.ids import ExchangeIds
from shared.models import Exchange
from shared.stores.archive import Window
from shared.stores.cache import CacheRead
from shared.stores.redis.cache import RedisCache
from tests.support.exchanges import contents_of, exchange, exchanges, refill, texts

MakeCache = Callable[..., RedisCache]
LIST, HASH = "thread:t:messages", "user:ana:preferences"
DAY = 86_400
NOTHING = Window([], is_all=True)


def _whole(batch: list[Exchange]) -> Window:
    return Window(batch, is_all=True)


def _read(cache: RedisCache) -> tuple[list[str], bool]:
    read = cache.read("t", None)
    return texts(read.messages), read.is_sealed


def test_the_list_has_the_contracts_format(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """The list under the thread's key has JSON objects, oldest first. It expires after a day."""
    cache = real_cache()
    cache.read("conv_12345", None)
    cache.append(exchange(0, "conv_12345"), is_drained=False)
    cache.append(exchange(1, "conv_12345"), is_drained=False)
    entries = [json.loads(entry) for entry in redis_client.lrange("thread:conv_12345:messages", 0, -1)]
    assert [(entry["role"], entry["content"]) for entry in entries] == [
        ("user", "q0"),
        ("assistant", "a0"),
        ("user", "q1"),
        ("assistant", "a1"),
    ]
    assert DAY - 5 <= redis_client.ttl("thread:conv_12345:messages") <= DAY


def test_the_hash_has_the_contracts_format(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """The hash has the user's preferences. It expires after thirty days."""
    real_cache().set_preferences("ana", {"tone": "dry", "language": "Python"})
    assert redis_client.hgetall(HASH) == {"tone": "dry", "language": "Python"}
    assert 30 * DAY - 5 <= redis_client.ttl(HASH) <= 30 * DAY


def test_expiry_times_are_settings(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """The settings define the time to live. Each turn renews it. A drain does not renew it."""
    cache = real_cache(thread_ttl_hours=2, user_ttl_days=3)
    cache.set_preferences("ana", {"tone": "dry"})
    first = exchange(0, user_id="ana")
    cache.read("t", None)
    cache.append(first, is_drained=False)
    assert 7_195 <= redis_client.ttl(LIST) <= 7_200
    # The undrained exchanges and their index live as long as the queue's messages.
    assert redis_client.ttl("thread:t:pending") > 4 * DAY - 5
    assert redis_client.ttl("user:ana:threads") > 4 * DAY - 5
    redis_client.expire(LIST, 100)
    redis_client.expire(HASH, 100)
    cache.merge_stored([first, exchange(1)])
    assert redis_client.ttl(LIST) <= 100
    cache.append(exchange(2, user_id="ana"), is_drained=False)
    assert redis_client.ttl(LIST) > 7_000
    assert redis_client.ttl(HASH) > 2 * DAY
    redis_client.expire(LIST, 100)
    refill(cache, "t", _whole([first]))
    assert redis_client.ttl(LIST) > 7_000


def test_the_list_has_the_newest_hundred_messages(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """By default a list holds the newest hundred messages."""
    cache = real_cache()
    refill(cache, "t", NOTHING)
    for each in exchanges(53):
        cache.append(each, is_drained=False)
    assert redis_client.llen(LIST) == 100
    assert _read(cache) == (contents_of(*range(3, 53)), True)


def test_a_short_list_is_complete_only_with_a_seal(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """The list has expired. A new exchange is only in the hash of undrained exchanges. It is not the whole thread."""
    cache = real_cache()
    refill(cache, "t", _whole(exchanges(2)))
    assert _read(cache) == (contents_of(0, 1), True)
    cache.append(exchange(2), is_drained=False)
    assert _read(cache) == (contents_of(0, 1, 2), True)
    redis_client.delete(LIST)
    cache.append(exchange(3), is_drained=False)
    assert redis_client.exists(LIST) == 0
    assert _read(cache) == ([], False)
    assert [each.user_message for each in cache.read("t", None).undrained] == ["q2", "q3"]


def test_a_part_of_a_long_thread_is_not_complete(real_cache: MakeCache) -> None:
    """L2's thread is longer than the window. A list of the window's two exchanges is not the complete thread."""
    cache = real_cache()
    refill(cache, "t", Window(exchanges(2), is_all=False))
    assert _read(cache) == (contents_of(0, 1), False)


def test_the_first_exchange_of_a_new_thread_makes_a_complete_list(real_cache: MakeCache) -> None:
    """The list is complete if, before this exchange, any process has found the thread empty in L2."""
    first_cache, second_cache = real_cache(), real_cache()
    refill(first_cache, "t", NOTHING)
    first_cache.append(exchange(0), is_drained=False)
    assert _read(second_cache) == (contents_of(0), True)
    refill(second_cache, "t2", NOTHING)
    first_cache.append(exchange(0, "t2"), is_drained=False)
    assert first_cache.read("t2", None).is_sealed


def test_two_processes_may_write_to_the_same_new_thread(real_cache: MakeCache) -> None:
    """Two processes find the same thread empty, and each appends an exchange. The list has both exchanges."""
    first_cache, second_cache = real_cache(), real_cache()
    refill(first_cache, "t", NOTHING)
    refill(second_cache, "t", NOTHING)
    first_cache.append(exchange(0), is_drained=False)
    second_cache.append(exchange(1), is_drained=False)
    assert _read(first_cache)[0] == contents_of(0, 1)


def test_an_evicted_list_of_a_new_thread_is_not_complete(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A process finds the thread empty. Another process writes to the thread, and the list is evicted.

    The first process' next exchange does not count as the whole thread.
    """
    first_cache, second_cache = real_cache(), real_cache()
    refill(first_cache, "t", NOTHING)
    second_cache.append(exchange(0), is_drained=False)
    redis_client.delete(LIST)
    first_cache.append(exchange(1), is_drained=False)
    assert _read(first_cache) == ([], False)


def test_undrained_exchanges_are_in_a_hash(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """An exchange is in the undrained hash until the drain. If L2 stored it directly, it is never in the hash."""
    cache = real_cache()
    created = exchanges(3)
    for each in created[:2]:
        cache.append(each, is_drained=False)
    cache.append(created[2], is_drained=True)
    redis_client.delete(LIST)
    undrained = cache.read("t", None).undrained
    assert sorted(undrained, key=lambda each: each.order) == created[:2]
    cache.merge_stored(created[:1])
    assert cache.read("t", None).undrained == created[1:2]
    cache.merge_stored(created[1:])
    assert cache.read("t", None).undrained == []


def test_a_drain_creates_no_list(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A drain creates no list. Only a reader creates a list."""
    real_cache().merge_stored(exchanges(3) + exchanges(1, "u"))
    real_cache().merge_stored([])
    assert redis_client.keys("*messages*") == []


def test_a_drain_adds_each_exchange_to_the_list_of_its_thread(real_cache: MakeCache) -> None:
    """A drain of many threads adds to each list the exchanges of its thread."""
    cache = real_cache()
    for thread in ("a", "b"):
        refill(cache, thread, _whole(exchanges(1, thread)))
    cache.merge_stored([exchange(1, "a"), exchange(2, "b"), exchange(3, "c"), exchange(4, "a")])
    assert texts(cache.read("a", None).messages) == contents_of(0, 1, 4)
    assert texts(cache.read("b", None).messages) == contents_of(0, 2)
    assert cache.read("c", None).messages == []


# --- deletions ---


def _cutoff(batch: list[Exchange]) -> UUID:
    return ExchangeIds().new(after=batch[-1].order)


def test_a_deleted_thread_accepts_only_newer_exchanges(real_cache: MakeCache) -> None:
    """After a deletion, appends, drains and refills add only exchanges that are newer than the cutoff."""
    cache = real_cache()
    old_exchanges = exchanges(3)
    cache.append(old_exchanges[0], is_drained=False)
    cutoff = _cutoff(old_exchanges)
    cache.forget_threads({"t": cutoff})
    assert cache.append(old_exchanges[1], is_drained=False).cutoff == cutoff
    refill(cache, "t", Window(old_exchanges, is_all=True, cutoff=cutoff))
    new_exchange = exchange("new", exchange_id=ExchangeIds().new(after=cutoff))
    assert cache.append(new_exchange, is_drained=False).cutoff is None
    cache.merge_stored(old_exchanges)
    cache.recheck_thread("t", Window([*old_exchanges, new_exchange], is_all=True, cutoff=cutoff))
    read = cache.read("t", None)
    assert (texts(read.messages), read.cutoff, cache.peek("t").undrained) == (
        contents_of("new"),
        cutoff,
        [new_exchange],
    )


def test_l2_restores_a_tombstone_in_l1(real_cache: MakeCache) -> None:
    """L1 has lost a tombstone. L2's window contains the cutoff, so a refill restores the tombstone."""
    cache = real_cache()
    old_exchanges = exchanges(1)
    cutoff = _cutoff(old_exchanges)
    window = Window([], is_all=True, cutoff=cutoff)
    for is_repair in (False, True):
        cache.append(old_exchanges[0], is_drained=False)
        if is_repair:
            cache.recheck_thread("t", window)
        else:
            refill(cache, "t", window)
        assert cache.read("t", None).messages == []
        assert cache.append(old_exchanges[0], is_drained=False).cutoff == cutoff


def test_a_users_deletion_deletes_preferences_and_index(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A user's deletion deletes the preferences and the index of threads, and returns these threads.

    L1 rejects exchanges from before the deletion that arrive later.
    """
    cache = real_cache()
    cache.set_preferences("ana", {"tone": "dry"})
    cache.set_preferences("bob", {})
    for each in (exchange(0, "t1", "ana"), exchange(1, "t2", "ana"), exchange(2, "t3", "bob")):
        cache.append(each, is_drained=False)
    assert sorted(cache.threads_of("ana")) == ["t1", "t2"]
    # Wait for the next millisecond. A thread with an exchange of the deletion's millisecond would stay in the index.
    time.sleep(0.002)
    late_exchange = exchange(3, "t1", "ana")
    cutoff = _cutoff([late_exchange])
    time.sleep(0.002)
    assert sorted(cache.forget_user("ana", cutoff)) == sorted(cache.threads_of("ana")) == ["t1", "t2"]
    cache.forget_index("ana", cutoff)
    assert cache.threads_of("ana") == []
    assert (redis_client.exists(HASH), cache.read(None, "ana").has_all_preferences) == (0, False)
    assert cache.append(late_exchange, is_drained=False).cutoff == cutoff
    assert cache.append(exchange(4, "t3", "bob"), is_drained=False).cutoff is None


def test_deleting_a_missing_thread_is_no_error(real_cache: MakeCache) -> None:
    """The deletion of a missing thread is no error."""
    cache = real_cache()
    cache.forget_threads({"t": ExchangeIds().new()})
    assert cache.forget_user("ana", ExchangeIds().new()) == []


# --- preferences ---


def test_the_absence_of_preferences_is_cached(real_cache: MakeCache) -> None:
    """Redis cannot store an empty hash. A separate key records that the user has no preferences."""
    cache = real_cache()
    assert not cache.read(None, "ana").has_all_preferences
    for preferences in ({}, {"tone": "dry"}, {}):
        cache.set_preferences("ana", preferences)
        read = cache.read("t", "ana")
        assert (read.preferences, read.has_all_preferences) == (preferences, True)


def test_a_hash_is_replaced_completely(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """L1 replaces a hash of a thousand fields completely, with any text."""
    cache = real_cache()
    many = {f"key {number} 🎉": "\x01日本語\n" for number in range(1_200)}
    cache.set_preferences("ana", many)
    assert cache.read(None, "ana").preferences == many
    cache.set_preferences("ana", {"one": ""})
    assert redis_client.hgetall(HASH) == {"one": ""}


# - other programs' data ---


def test_entries_of_the_seeds_code_come_first(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """Entries of the specification's own code have no order key. Readers see them before entries with an order key."""
    redis_client.rpush(LIST, json.dumps({"role": "user", "content": "Hi"}), "no json")
    cache = real_cache()
    cache.append(exchange(0), is_drained=False)
    assert _read(cache) == (["Hi", *contents_of(0)], False)


def test_a_key_of_another_type_is_replaced(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """If the list's key has another type, L1 ignores its value and replaces it with the list."""
    redis_client.set(LIST, "x")
    cache = real_cache()
    assert _read(cache) == ([], False)
    assert cache.append(exchange(0), is_drained=False).cutoff is None
    assert _read(cache)[0] == contents_of(0)


def test_a_turn_succeeds_with_preferences_that_are_not_utf_8(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A turn succeeds if another program has written preferences that are not UTF-8."""
    redis_client.hset(HASH, mapping={"tone": b"\xff\xfe", b"\xfe": "x", "language": "Python"})
    read = real_cache().read(None, "ana")
    assert read.preferences["language"] == "Python"


def test_broken_undrained_exchanges_are_skipped(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """L1 skips undrained exchanges that are broken or belong to another thread."""
    redis_client.hset("thread:t:pending", mapping={"a": "no json", "b": exchange(0, "other").to_wire()})
    assert real_cache().read("t", None).undrained == []


def test_a_write_that_a_full_redis_refused_is_retried(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """Redis is out of memory. L1 reports the refused write and answers reads. It retries the write later."""
    cache = real_cache()
    refill(cache, "t", _whole(exchanges(1)))
    redis_client.config_set("maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailable, match="redis"):
            cache.append(exchange(1), is_drained=False)
        assert _read(cache)[0] == contents_of(0)
    finally:
        redis_client.config_set("maxmemory", "0")
    cache.read("t", None)
    assert _read(cache)[0] == contents_of(0, 1)


def test_no_request_is_sent_without_a_thread_and_a_user(real_cache: MakeCache) -> None:
    """Without a thread and a user, L1 sends no request to Redis."""
    assert real_cache(port=1).read(None, None) == CacheRead()


def test_the_outbox_is_first_in_first_out(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """The outbox is first in, first out, and does not expire. L1 removes its entries by value."""
    cache = real_cache()
    created = exchanges(4)
    for each in created:
        cache.append(each, is_drained=False, in_outbox=True)
    bodies = cache.outbox(3)
    assert [Exchange.from_wire(body) for body in bodies] == created[:3]
    assert redis_client.ttl("outbox:exchanges") == -1
    cache.remove_from_outbox([bodies[1], "nonsense"])
    assert [Exchange.from_wire(body) for body in cache.outbox(9)] == [created[0], *created[2:]]


def test_reading_a_list_for_inspection_sets_no_token(real_cache: MakeCache) -> None:
    """A read of a turn sets a token for a refill. A read for inspection sets no token."""
    cache = real_cache()
    assert cache.read("t", None).token is not None
    assert cache.peek("t").token is None


def test_a_loss_is_reported_until_it_is_recorded(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """L1 was emptied or has evicted data. Its reads report this loss until `record_loss` records it."""
    cache = real_cache()
    for _ in range(2):
        read = cache.read("t", None)
        assert (read.state.lost_at, read.state.seconds_since_loss()) == (None, None)
    cache.record_loss(evictions=read.state.evictions)
    redis_client.hset("memory:epoch", "began", f"{time.time() - 100:.6f}")
    # Another process has already recorded this loss.
    cache.record_loss(evictions=read.state.evictions)
    assert cache.read("t", None).state.seconds_since_loss() == pytest.approx(100, abs=30)
    redis_client.hincrby("memory:epoch", "evictions", 1)
    assert cache.read("t", None).state.lost_at is None
    cache.record_loss(evictions=read.state.evictions)
    assert cache.read("t", None).state.seconds_since_loss() == pytest.approx(0, abs=30)
    assert read.state.clock == pytest.approx(cache.clock(), abs=30)


def test_the_first_redis_has_lost_nothing(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A new Redis has lost no data. After an eviction or a `flushall` it reports a loss."""
    cache = real_cache()
    evictions = cache.read("t", None).state.evictions
    cache.record_loss(evictions=evictions, is_first=True)
    cache.record_loss(evictions=evictions)
    assert real_cache().read("t", None).state.seconds_since_loss() == math.inf
    cache._failed_at = time.monotonic()
    assert cache.read("t", None).state.seconds_since_loss() == math.inf
    assert real_cache().read("t", None).state.seconds_since_loss() == math.inf
    redis_client.hincrby("memory:epoch", "evictions", 1)
    assert cache.read("t", None).state.seconds_since_loss() is None
    redis_client.flushall()
    assert cache.read("t", None).state.seconds_since_loss() is None
