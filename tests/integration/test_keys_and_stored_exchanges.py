"""Only Redis has an idempotency key. The exchange contains the key, so PostgreSQL also has the key after the drain.

A lease is the time for which a request holds its key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
import redis

from functions.agent.agents.runner import AgentRunner
from functions.agent.operations import Operations
from functions.agent.results import RunResult
from functions.agent.schemas import RunRequest
from functions.sync.drain import Drain
from functions.sync.sweep import Sweep
from shared.errors import IdempotencyConflict, StoreUnavailable
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.memory import Memory
from shared.memory.search.search import Search
from shared.settings import AgentSettings
from shared.stores.idempotency import KeyStore
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.idempotency import RedisKeys
from shared.testing import InMemoryQueue

UNREACHABLE_URL = "postgresql://memory@127.0.0.1:1/memory"
REQUEST = RunRequest(prompt="Hello", thread_id="t", user_id="ana")


class World:
    """Processes of the agent function on real stores. The test controls the queue."""

    def __init__(
        self,
        real_cache: Callable[..., RedisCache],
        real_archive: Callable[..., PostgresArchive],
        queue: InMemoryQueue,
        redis_client: redis.Redis,
    ) -> None:
        self.cache, self.archive, self.queue, self.redis = real_cache, real_archive, queue, redis_client

    def process(self, url: str | None = None) -> Operations:
        """Create a process. With another `url`, its PostgreSQL is down."""
        cache, archive = self.cache(), self.archive(url)
        memory = Memory(cache, archive, self.queue, cache._memory)
        keys: list[KeyStore] = [RedisKeys(cache._connection), PostgresKeys(archive._connection)]
        runner = AgentRunner(AgentSettings(model="offline"), Search(memory).conversations)
        none = cast("Any", SimpleNamespace())
        idempotency = Idempotency(keys, Backlog(self.queue, archive))
        return Operations(memory, runner, idempotency, Inspection(memory, none, none, none))

    def make_redis_new(self) -> None:
        """Record that this Redis is new and has lost no data."""
        cache = self.cache()
        cache.read("other", None)
        cache.record_loss(is_first=True)

    def drain(self) -> None:
        """Drain the queue."""
        bodies, self.queue.bodies = self.queue.bodies, []
        Drain(self.archive(), self.cache(), cast("Any", self.queue)).run(
            [{"messageId": str(n), "receiptHandle": "r", "body": body} for n, body in enumerate(bodies)]
        )


@pytest.fixture
def world(
    real_cache: Callable[..., RedisCache],
    real_archive: Callable[..., PostgresArchive],
    queue: InMemoryQueue,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """Create empty stores."""
    monkeypatch.setattr("shared.memory.backlog.MAX_WAIT_SECONDS", 0.0)
    created = World(real_cache, real_archive, queue, redis_client)
    created.make_redis_new()
    return created


def _run(process: Operations, request: RunRequest = REQUEST, key: str = "k") -> RunResult:
    return asyncio.run(process.run(request, key))


def test_a_repeated_request_fails_until_the_drain_has_stored_a_lost_key(world: World) -> None:
    """Redis loses a key before the drain. Repeated requests fail until the drain has stored the key in PostgreSQL."""
    first = _run(world.process(UNREACHABLE_URL)).answer
    assert first["memory"]["durability"] == "queue"
    world.redis.flushall()
    process = world.process()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            _run(process)
    assert len(world.queue.bodies) == 1
    world.drain()
    for _ in range(3):
        # The failed requests released their keys, so each request gets its answer without waiting.
        repeated = _run(process)
        assert repeated.is_replayed
        assert {**repeated.answer, "memory": first["memory"]} == first
        assert repeated.answer["memory"].keys() == first["memory"].keys()
        assert repeated.answer["memory"]["durability"] == "postgres"
    assert len(world.archive().window("t", 9).exchanges) == 1
    assert not _run(process, key="other").is_replayed


def test_a_repeated_request_fails_while_redis_is_down_until_the_drain(world: World) -> None:
    """Redis is down, so its keys are unknown. A repeated request fails until the queue is drained."""
    _run(world.process(UNREACHABLE_URL))
    process = world.process()
    cast("RedisKeys", process._idempotency._stores[0])._connection.close()
    process._idempotency._stores = [
        RedisKeys(world.cache(1)._connection),
        process._idempotency._stores[1],
    ]
    with pytest.raises(StoreUnavailable):
        _run(process)
    world.drain()
    assert _run(process).is_replayed


def test_a_request_with_another_body_leaves_no_lease(world: World) -> None:
    """Redis has lost the key. PostgreSQL refuses another body, and this request leaves no lease in Redis."""
    _run(world.process(UNREACHABLE_URL))
    world.drain()
    world.redis.flushall()
    process = world.process()
    with pytest.raises(IdempotencyConflict) as caught:
        _run(process, RunRequest(prompt="Other", thread_id="t", user_id="ana"))
    assert caught.value.status == 422
    assert _run(process).is_replayed


@pytest.mark.parametrize(
    ("deleted", "is_drained"),
    # `("exchange", False)` is left out: an exchange that no layer has cannot be deleted.
    [("thread", True), ("thread", False), ("user", True), ("user", False), ("exchange", True)],
)
def test_a_repeated_request_whose_exchange_was_deleted_returns_422(
    world: World, deleted: str, *, is_drained: bool
) -> None:
    """A repeated request returns a 422, because its exchange was deleted. The stored response has no text of it."""
    first = _run(world.process(UNREACHABLE_URL)).answer
    world.redis.flushall()
    if is_drained:
        world.drain()
    process = world.process()
    if deleted == "thread":
        process.threads.delete("t") if is_drained else world.archive().forget_thread("t", UUID(first["exchange_id"]))
    elif deleted == "user":
        process.users.forget("ana")
    else:
        process.exchanges.delete("t", UUID(first["exchange_id"]))
    world.drain()
    archive = world.archive()
    Sweep(archive, world.cache(), 50, lambda *_: None).run()
    row = archive._connection.run(lambda c: c.execute("select answer from idempotency_keys").fetchone())
    assert row is not None
    assert "Hello" not in row["answer"]
    with pytest.raises(IdempotencyConflict) as caught:
        _run(process)
    assert caught.value.status == 422


def test_redis_that_refuses_writes_still_has_its_keys(world: World) -> None:
    """PostgreSQL does not have the key, and Redis refuses writes. Redis still replays the response."""
    process = world.process(UNREACHABLE_URL)
    first = _run(process).answer
    world.redis.config_set("maxmemory", 1)
    try:
        repeated = _run(world.process())
    finally:
        world.redis.config_set("maxmemory", 0)
    assert repeated.is_replayed
    assert repeated.answer["exchange_id"] == first["exchange_id"]


def test_a_repeated_request_fails_until_the_sweep_stores_its_exchange(world: World) -> None:
    """The outbox has the exchange, and Redis has lost its key. A repeated request fails until the sweep stores it."""
    world.queue.is_down = True
    first = _run(world.process(UNREACHABLE_URL)).answer
    assert first["memory"]["durability"] == "redis"
    world.redis.delete(*world.redis.keys("idempotency:*"), "memory:epoch")
    world.queue.is_down = False
    process = world.process()
    with pytest.raises(StoreUnavailable):
        _run(process)
    Sweep(world.archive(), world.cache(), 50, lambda *_: None).run()
    assert _run(process).answer["exchange_id"] == first["exchange_id"]


def test_a_lost_key_in_the_outbox_does_not_stop_other_keys(world: World) -> None:
    """The outbox has an exchange with a lost key. A request with another key is answered."""
    world.queue.is_down = True
    first = _run(world.process(UNREACHABLE_URL)).answer
    world.redis.delete(*world.redis.keys("idempotency:*"), "memory:epoch")
    world.queue.is_down = False
    process = world.process()
    assert not _run(process, RunRequest(prompt="Hello", thread_id="u", user_id="ana"), key="other").is_replayed
    with pytest.raises(StoreUnavailable):
        _run(process)
    Sweep(world.archive(), world.cache(), 50, lambda *_: None).run()
    assert _run(process).answer["exchange_id"] == first["exchange_id"]


def test_a_repeated_request_fails_if_its_response_is_in_no_reachable_layer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis missed a response. PostgreSQL has it, but is down when the request is repeated. The request fails."""
    process, broken = world.process(), world.process()
    cache = cast("RedisCache", broken._memory.cache)

    def raise_unavailable(*_: Any) -> Any:
        raise StoreUnavailable("redis", "injected")

    with monkeypatch.context() as patched:
        patched.setattr(cache._connection, "call", raise_unavailable)
        assert _run(broken).answer["memory"]["degraded"] == ["redis"]
    cache.read("t", "ana")
    with pytest.raises(StoreUnavailable):
        _run(world.process(UNREACHABLE_URL))
    assert _run(process).is_replayed


def test_new_keys_run_after_an_eviction_that_postgresql_covers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL was up long enough to have all evicted keys. Requests with new keys run while messages are queued."""
    monkeypatch.setattr(PostgresArchive, "uptime_seconds", lambda _: 1e6)
    _run(world.process(UNREACHABLE_URL))
    long_ago = int(time.time()) - 200
    world.redis.hset("memory:epoch", mapping={"doubt": long_ago, "began": long_ago})
    evictions = world.redis.info("stats")["evicted_keys"]
    for key in ("one", "two"):
        # Simulate an eviction: Redis' counter differs from the recorded value.
        world.redis.hset("memory:epoch", "evictions", evictions - 1)
        assert not _run(world.process(), key=key).is_replayed
        world.cache().record_loss(evictions=evictions)
        assert not _run(world.process(), key=f"{key}, recorded").is_replayed
    world.redis.flushall()
    world.cache().read("other", None)
    world.cache().record_loss(evictions=evictions)
    with pytest.raises(StoreUnavailable):
        _run(world.process(), key="three")


def test_a_repeated_request_gets_the_exchange_id_of_an_ended_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process ends before it stores its response. The repeated request gets the same exchange id."""
    with monkeypatch.context() as patched:
        patched.setattr("shared.memory.idempotency.KeyLease.complete", lambda *_: None)
        first = _run(world.process()).answer
    # Simulate the end of the lease.
    world.redis.delete(*world.redis.keys("idempotency:*[0-9a-f][0-9a-f]"))
    repeated = _run(world.process(UNREACHABLE_URL)).answer
    assert repeated["exchange_id"] == first["exchange_id"]
