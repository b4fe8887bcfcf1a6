"""The key stores in Redis, PostgreSQL and memory have the same contract.

A lease is the time for which a request holds its idempotency key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import redis

from infra.local.servers import ValkeyServer
from shared.errors import IdempotencyConflict
from shared.ids import ExchangeIds
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.settings import DatabaseSettings, RedisSettings
from shared.stores.idempotency import ANSWER_SECONDS, LEASE_SECONDS, KeyStore
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.redis.connection import RedisConnection
from shared.stores.redis.idempotency import RedisKeys
from shared.testing import InMemoryArchive, InMemoryKeys, InMemoryQueue

A, B = ExchangeIds().new(), ExchangeIds().new()


@pytest.fixture
def in_redis(valkey: ValkeyServer) -> Iterator[RedisKeys]:
    """Return the key store in L1."""
    connection = RedisConnection(RedisSettings(host="127.0.0.1", port=valkey.port))
    yield RedisKeys(connection)
    connection.close()


@pytest.fixture
def in_postgres(database_url: str) -> Iterator[PostgresKeys]:
    """Return the key store in L2."""
    connection = PostgresConnection(DatabaseSettings(url=database_url))
    yield PostgresKeys(connection)
    connection.close()


@pytest.fixture
def in_memory() -> InMemoryKeys:
    """Return the in-memory key store."""
    return InMemoryKeys()


@pytest.fixture(params=["in_redis", "in_postgres", "in_memory"])
def keys(request: pytest.FixtureRequest) -> KeyStore:
    """Return one of the three key stores."""
    found: KeyStore = request.getfixturevalue(request.param)
    return found


def test_only_the_first_caller_acquires_a_key(keys: KeyStore) -> None:
    """The first caller acquires the key. The second caller gets the exchange id and body hash of the first caller."""
    first, second = keys.acquire("k", "body", A), keys.acquire("k", "other", B)
    assert (first.is_acquired, first.exchange_id, first.body_hash, first.answer) == (True, A, "body", None)
    assert (second.is_acquired, second.exchange_id, second.body_hash, second.answer) == (False, A, "body", None)


def test_a_response_is_stored(keys: KeyStore) -> None:
    """A store keeps a response of a new key or an acquired key. No caller can acquire a key with a response."""
    keys.answer("k", "body", A, '{"a":1}')
    state = keys.acquire("k", "body", B)
    assert (state.is_acquired, state.exchange_id, state.answer) == (False, A, '{"a":1}')
    keys.acquire("k2", "body", A)
    keys.answer("k2", "body", A, "{}")
    assert keys.acquire("k2", "body", B).answer == "{}"


def test_a_late_response_does_not_replace_a_deleted_response(in_postgres: PostgresKeys) -> None:
    """A deletion has emptied a key's response. A late response of the exchange does not replace the empty response."""
    layers: list[KeyStore] = [in_postgres, InMemoryKeys("postgres")]
    for keys in layers:
        keys.acquire("k", "body", A)
        keys.answer("k", "body", A, "{}")
        keys.answer("k", "body", A, '{"response":"Hi!"}')
        assert keys.acquire("k", "body", B).answer == "{}"


def test_a_released_key_can_be_acquired(keys: KeyStore) -> None:
    """A released key is free for another caller. A second release is no error."""
    lease_id = keys.acquire("k", "body", A).lease_id
    keys.release("k", lease_id)
    keys.release("other", lease_id)
    assert keys.acquire("k", "other", B).is_acquired


def test_leases_and_responses_expire_in_redis(in_redis: RedisKeys, redis_client: redis.Redis) -> None:
    """In Redis, a key without a response expires at the end of its lease, and a response expires after a day."""
    in_redis.acquire("k", "body", A)
    assert LEASE_SECONDS - 5 < redis_client.ttl("idempotency:k") <= LEASE_SECONDS
    in_redis.answer("k", "body", A, "{}")
    assert ANSWER_SECONDS - 5 < redis_client.ttl("idempotency:k") <= ANSWER_SECONDS


def test_redis_keeps_the_exchange_id_after_the_lease(in_redis: RedisKeys, redis_client: redis.Redis) -> None:
    """Redis keeps a key's exchange id and body hash after the lease. The next caller gets this exchange id."""
    in_redis.acquire("k", "body", A)
    assert ANSWER_SECONDS - 5 < redis_client.ttl("idempotency:k:exchange") <= ANSWER_SECONDS
    redis_client.delete("idempotency:k")
    states = [in_redis.acquire("k", "body", B) for _ in range(2)]
    assert [(state.is_acquired, state.exchange_id) for state in states] == [(True, A), (False, A)]
    redis_client.delete("idempotency:k")
    assert in_redis.acquire("k", "other", B).body_hash == "body"


def test_a_release_after_the_lease_changes_nothing(
    keys: KeyStore, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """After the lease, another request has acquired the key. The release by the first request changes nothing."""
    lease_id = keys.acquire("k", "body", A).lease_id
    redis_client.delete("idempotency:k")
    database.execute("update idempotency_keys set claimed_at = now() - interval '41 s'")
    if isinstance(keys, InMemoryKeys):
        keys._acquired_at["k"] -= LEASE_SECONDS + 1
    assert keys.acquire("k", "body", B).is_acquired
    keys.release("k", lease_id)
    state = keys.acquire("k", "body", B)
    assert (state.is_acquired, state.exchange_id) == (False, A)


def test_a_late_release_does_not_remove_a_response(keys: KeyStore) -> None:
    """A late release does not remove a stored response."""
    lease_id = keys.acquire("k", "body", A).lease_id
    keys.answer("k", "body", A, "{}")
    keys.release("k", lease_id)
    assert keys.acquire("k", "body", B).answer == "{}"


def test_one_caller_acquires_a_key_after_its_lease_in_postgres(
    in_postgres: PostgresKeys, database: psycopg.Connection
) -> None:
    """After the lease, exactly one caller acquires the key in PostgreSQL, with the same exchange id."""
    in_postgres.acquire("k", "body", A)
    database.execute("update idempotency_keys set claimed_at = now() - interval '41 s'")
    states = [in_postgres.acquire("k", "body", B) for _ in range(2)]
    assert [(state.is_acquired, state.exchange_id) for state in states] == [(True, A), (False, A)]


def test_a_lease_from_the_future_can_be_acquired(in_postgres: PostgresKeys, database: psycopg.Connection) -> None:
    """PostgreSQL's clock was ahead when a key was acquired. Another request may acquire the key immediately."""
    in_postgres.acquire("k", "body", A)
    database.execute("update idempotency_keys set claimed_at = now() + interval '2 d'")
    states = [in_postgres.acquire("k", "body", B) for _ in range(2)]
    assert [(state.is_acquired, state.exchange_id) for state in states] == [(True, A), (False, A)]


def test_an_emptied_redis_may_have_lost_keys(in_redis: RedisKeys, redis_client: redis.Redis) -> None:
    """An emptied Redis may have lost keys of requests that clients repeat. A new Redis has lost no keys."""
    assert not in_redis.acquire("k", "body", A).has_all_keys
    now = time.time()
    epoch: dict[Any, Any] = {"began": f"{now:.6f}", "identity": in_redis._connection.identity or "", "doubt": "1.5"}
    redis_client.hset("memory:epoch", mapping=epoch)
    assert not in_redis.acquire("k", "body", A).has_all_keys
    redis_client.hset("memory:epoch", "doubt", f"{now:.6f}")
    assert in_redis.acquire("k", "body", A).has_all_keys
    long_ago = now - 86_500
    complete_epoch = {**epoch, "began": f"{long_ago:.6f}"}
    redis_client.hset("memory:epoch", mapping=complete_epoch)
    assert in_redis.acquire("k", "body", A).has_all_keys
    losses: list[dict[Any, Any]] = [
        {"began": f"{now:.6f}"},
        {"identity": "another"},
        {"evictions": "3"},
        {"offset": "99999"},
    ]
    for lost in losses:
        redis_client.hset("memory:epoch", mapping={**complete_epoch, **lost})
        assert not in_redis.acquire("k", "body", A).has_all_keys


def test_ten_concurrent_runs_with_one_key_are_one_run(in_redis: RedisKeys, database_url: str) -> None:
    """Ten concurrent requests have the same key. Only one of them runs."""

    def acquire(_: int) -> int:
        connection = PostgresConnection(DatabaseSettings(url=database_url))
        try:
            layers: list[KeyStore] = [in_redis, PostgresKeys(connection)]
            keys = Idempotency(layers, Backlog(InMemoryQueue(), InMemoryArchive()))
            keys.acquire("ana", "k", b"{}", ExchangeIds().new())
        except IdempotencyConflict as conflict:
            return conflict.status
        finally:
            connection.close()
        return 200

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(acquire, range(10))) == [200] + [409] * 9
