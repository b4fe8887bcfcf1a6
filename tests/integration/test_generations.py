"""Redis restarts with older data, refuses writes, or is another server. No process uses Redis' lists unchecked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from infra.local.servers import ValkeyServer
from shared.errors import StoreUnavailable
from shared.ids import ExchangeIds
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.settings import MemorySettings, RedisSettings
from shared.stores.archive import Window
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.stores.redis.idempotency import RedisKeys
from shared.stores.redis.read import ReadCommands
from shared.testing import InMemoryArchive, InMemoryKeys, InMemoryQueue
from tests.support.exchanges import contents_of, exchange, refill, texts
from tests.support.proxy import CountingProxy

MakeMemory = Callable[..., Memory]


def _append(memory: Memory, number: int) -> tuple[str, bool]:
    append_result = Turn(memory, "t", "ana").append(f"q{number}", f"a{number}")
    return append_result.durability, append_result.cached


def _load(memory: Memory) -> tuple[list[str], list[str]]:
    recall = Turn(memory, "t", "ana").recall()
    return texts(recall.messages), recall.degraded


def _source(memory: Memory) -> str:
    return Turn(memory, "t", "ana").recall().source


def _drain(memory: Memory, queue: InMemoryQueue) -> None:
    memory.cache.merge_stored(memory.archive.store(queue.take()).effective)


@pytest.fixture(autouse=True)
def _skip_backlog_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.memory.backlog.MAX_WAIT_SECONDS", -1.0)


# - older data ---


@pytest.mark.parametrize("is_new_process", [True, False])
def test_exchanges_that_a_snapshot_lacks_are_served_by_postgresql(
    process: MakeMemory, queue: InMemoryQueue, valkey: ValkeyServer, redis_client: redis.Redis, *, is_new_process: bool
) -> None:
    """Redis restarts with a dump that lacks the newest exchanges and preferences. PostgreSQL serves them."""
    memory = process()
    Users(memory).replace("ana", {"tone": "dry"})
    _append(memory, 0)
    _drain(memory, queue)
    assert _load(memory) == (contents_of(0), [])
    redis_client.save()
    for number in (1, 2):
        _append(memory, number)
    _drain(memory, queue)
    Users(memory).replace("ana", {"tone": "warm"})
    valkey.kill()
    valkey.start()
    reader = process() if is_new_process else memory
    recall = Turn(reader, "t", "ana").recall()
    assert (texts(recall.messages), recall.degraded) == (contents_of(0, 1, 2), [])
    assert recall.preferences == {"tone": "warm"}
    _append(reader, 3)
    assert _load(process()) == (contents_of(0, 1, 2, 3), [])
    assert _source(process()) == "redis"


def _process_with_snapshot(process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis) -> Memory:
    """Return a process whose drained exchange is in Valkey's snapshot."""
    memory = process()
    _append(memory, 0)
    _drain(memory, queue)
    _load(memory)
    redis_client.save()
    return memory


def test_a_queued_exchange_that_the_snapshot_lacks_is_reported(
    process: MakeMemory, queue: InMemoryQueue, valkey: ValkeyServer, redis_client: redis.Redis
) -> None:
    """Only the queue has an exchange that the snapshot lacks. The response reports `queue` as degraded."""
    memory = _process_with_snapshot(process, queue, redis_client)
    _append(memory, 1)
    valkey.kill()
    valkey.start()
    assert _load(process()) == (contents_of(0), ["queue"])
    assert _load(memory) == (contents_of(0, 1), ["queue"])
    _drain(memory, queue)
    assert _load(process()) == (contents_of(0, 1), [])


def test_a_thread_deleted_after_the_snapshot_is_not_shown(
    process: MakeMemory, queue: InMemoryQueue, valkey: ValkeyServer, redis_client: redis.Redis
) -> None:
    """A snapshot has the list of a thread that was deleted later. No reader sees this list."""
    memory = _process_with_snapshot(process, queue, redis_client)
    Threads(memory).delete("t")
    valkey.kill()
    valkey.start()
    assert _load(process()) == ([], [])
    assert "q0" not in "".join(map(str, redis_client.lrange("thread:t:messages", 0, -1)))


def test_one_process_seals_a_list_for_all(
    process: MakeMemory, queue: InMemoryQueue, valkey: ValkeyServer, redis_client: redis.Redis
) -> None:
    """The first reader of a list compares it with PostgreSQL and seals it. The next readers need only Redis."""
    memory = process()
    _append(memory, 0)
    _drain(memory, queue)
    redis_client.save()
    valkey.kill()
    valkey.start()
    assert [_source(process()) for _ in range(3)] == ["redis", "redis", "redis"]
    assert process().cache.read("t", None).is_sealed


# - refused writes ---


@pytest.fixture(params=["maxmemory", "min-replicas-to-write", "acl"])
def refuse(request: pytest.FixtureRequest, redis_client: redis.Redis) -> Iterator[Callable[[bool], None]]:
    """Make Redis refuse writes while it answers reads, or accept them again."""

    def switch(is_refusing: bool) -> None:  # noqa: FBT001 - a switch
        if request.param == "acl":
            categories = ["-@write"] if is_refusing else ["+@all"]
            redis_client.acl_setuser("default", enabled=True, categories=categories)
        else:
            redis_client.config_set(request.param, int(is_refusing))

    yield switch
    switch(False)


def test_lists_are_checked_while_redis_refuses_writes(
    process: MakeMemory, queue: InMemoryQueue, refuse: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis refuses writes, no process uses Redis' lists without a check."""
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_INTERVAL_SECONDS", 0.0)
    memory, other = process(), process()
    _append(memory, 0)
    _drain(memory, queue)
    assert _load(other) == (contents_of(0), [])
    refuse(True)
    assert _append(memory, 1) == ("queue", False)
    assert _load(memory) == (contents_of(0, 1), ["redis"])
    assert _load(other)[1] == ["redis"]
    with pytest.raises(StoreUnavailable, match="redis"):
        memory.cache.ping()
    memory.archive.store(queue.take())
    for reader in (memory, other, process()):
        assert _load(reader) == (contents_of(0, 1), ["redis"])
    refuse(False)
    for reader in (other, memory, process()):
        assert _load(reader) == (contents_of(0, 1), [])
    memory.cache.ping()


def test_a_thread_whose_deletion_redis_refused_is_not_shown(
    process: MakeMemory, queue: InMemoryQueue, refuse: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis refuses a deletion, so the request fails.

    No reader sees the thread, even after Redis accepts writes again.
    """
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_INTERVAL_SECONDS", 0.0)
    memory, other = process(), process()
    _append(memory, 0)
    _drain(memory, queue)
    _load(other)
    refuse(True)
    with pytest.raises(StoreUnavailable, match="redis"):
        Threads(memory).delete("t")
    assert _load(memory) == ([], ["redis"])
    assert _load(other) == ([], ["redis"])
    refuse(False)
    assert _load(memory) == ([], [])
    assert _load(other) == ([], [])


def test_threads_of_a_user_whose_deletion_redis_refused_are_not_shown(
    process: MakeMemory, refuse: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis refuses a user's deletion. No reader sees the user's undrained thread, even before a retry."""
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_INTERVAL_SECONDS", 0.0)
    memory, other = process(), process()
    _append(memory, 0)
    assert _load(other) == (contents_of(0), [])
    refuse(True)
    with pytest.raises(StoreUnavailable, match="redis"):
        Users(memory).forget("ana")
    assert _load(other)[0] == []
    refuse(False)
    for reader in (memory, other, process()):
        assert _load(reader)[0] == []


def test_older_preferences_are_not_shown_after_redis_refused_new_ones(
    process: MakeMemory, refuse: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis refuses new preferences. No reader sees Redis' older preferences."""
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_INTERVAL_SECONDS", 0.0)
    memory, other = process(), process()
    Users(memory).replace("ana", {"tone": "dry"})
    refuse(True)
    Users(memory).replace("ana", {"tone": "warm"})
    for reader in (memory, other):
        assert Turn(reader, None, "ana").recall().preferences == {"tone": "warm"}
    refuse(False)
    for reader in (memory, other):
        assert Turn(reader, None, "ana").recall().preferences == {"tone": "warm"}


# - another server ---


@pytest.fixture
def second_valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Start another server."""
    server = ValkeyServer(tmp_path / "second")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def processes_behind_proxy(
    valkey: ValkeyServer, queue: InMemoryQueue, real_archive: Callable[..., PostgresArchive]
) -> Iterator[tuple[CountingProxy, Callable[[], Memory]]]:
    """Return a proxy to the first server, and a factory of processes that connect to this proxy."""
    connections: list[RedisConnection] = []
    with CountingProxy(valkey.port) as proxy:

        def create_process() -> Memory:
            connections.append(RedisConnection(RedisSettings(host="127.0.0.1", port=proxy.port)))
            return Memory(RedisCache(connections[-1], MemorySettings()), real_archive(), queue, MemorySettings())

        yield proxy, create_process
        for connection in connections:
            connection.close()


def test_no_exchange_is_missing_after_a_failover_to_a_lagging_replica(
    processes_behind_proxy: tuple[CountingProxy, Callable[[], Memory]],
    queue: InMemoryQueue,
    valkey: ValkeyServer,
    second_valkey: ValkeyServer,
    redis_client: redis.Redis,
) -> None:
    """A replica that lags becomes the primary. The old connection leads to a server that is now a replica."""
    proxy, create_process = processes_behind_proxy
    memory = create_process()
    with redis.Redis(host="127.0.0.1", port=second_valkey.port) as replica:
        _append(memory, 0)
        _drain(memory, queue)
        _load(memory)
        replica.replicaof("127.0.0.1", str(valkey.port))
        _until(lambda: bool(replica.exists("thread:t:messages")))
        replica.replicaof("NO", "ONE")
        _append(memory, 1)
        _drain(memory, queue)
        redis_client.replicaof("127.0.0.1", str(second_valkey.port))
        try:
            proxy.redirect_to(second_valkey.port)
            assert _append(memory, 2) == ("queue", True)
            assert _load(memory) == (contents_of(0, 1, 2), ["queue"])
            _drain(memory, queue)
            for reader in (memory, create_process()):
                assert _load(reader) == (contents_of(0, 1, 2), [])
            assert replica.llen("thread:t:messages") == 6
        finally:
            redis_client.replicaof("NO", "ONE")


def test_a_reader_detects_that_its_server_was_demoted(
    processes_behind_proxy: tuple[CountingProxy, Callable[[], Memory]],
    queue: InMemoryQueue,
    second_valkey: ValkeyServer,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that only reads detects that its server was demoted, because its reads include a test write."""
    monkeypatch.setattr("shared.stores.redis.reader._PROBE_INTERVAL_SECONDS", 0.0)
    proxy, create_process = processes_behind_proxy
    reader, writer = create_process(), create_process()
    _append(writer, 0)
    _drain(writer, queue)
    assert _load(reader) == (contents_of(0), [])
    redis_client.replicaof("127.0.0.1", str(second_valkey.port))
    try:
        proxy.redirect_to(second_valkey.port)
        _append(writer, 1)
        _drain(writer, queue)
        assert _load(reader) == (contents_of(0, 1), [])
    finally:
        redis_client.replicaof("NO", "ONE")


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# - a server without an identity ---


def test_a_new_connection_to_an_unknown_server_starts_a_generation(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """Redis hides its identity. A new connection may lead to another server, so it starts a new generation."""
    redis_client.acl_setuser("default", enabled=True, commands=["-info"])
    try:
        memory = process()
        _append(memory, 0)
        _drain(memory, queue)
        assert _load(memory)[0] == contents_of(0)
        generation = memory.cache.read("t", None).state.generation
        assert process().cache.read("t", None).state.generation == generation
        redis_client.client_kill_filter(_type="normal", skipme=True)
        assert _load(memory)[0] == contents_of(0)
        assert memory.cache.read("t", None).state.generation != generation
    finally:
        redis_client.acl_setuser("default", enabled=True, commands=["+info"])


# - idempotency keys ---


def test_a_key_is_refused_if_no_layer_knows_whether_it_is_new(
    redis_client: redis.Redis, real_cache: Callable[..., RedisCache]
) -> None:
    """Redis was emptied and PostgreSQL is down. No layer knows whether the key is new."""
    cache, in_postgres = real_cache(), InMemoryKeys("postgres")
    keys = Idempotency([RedisKeys(cache._connection), in_postgres], Backlog(InMemoryQueue(), InMemoryArchive()))

    def record_loss(*, is_first: bool) -> None:
        cache.read("t", None)
        cache.record_loss(is_first=is_first)

    record_loss(is_first=True)
    in_postgres.is_down = True
    first = _acquire(keys, "new")
    first.complete({"response": "Hi!"})
    redis_client.flushall()
    record_loss(is_first=False)
    with pytest.raises(StoreUnavailable):
        _acquire(keys, "new")
    in_postgres.is_down = False
    assert _acquire(keys, "other").replayed is None


def _acquire(keys: Idempotency, key: str) -> Any:
    return keys.acquire("ana", key, b"{}", ExchangeIds().new())


def test_a_seal_of_the_previous_generation_is_rejected(
    real_cache: Callable[..., RedisCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed call of one process starts a new generation. All processes then reject the previous seals."""
    first_cache, second_cache, created = real_cache(), real_cache(), exchange(0)
    refill(first_cache, "t", Window([created], is_all=True))
    assert first_cache.read("t", None).is_sealed

    def raise_unavailable(*_: object) -> Any:
        raise StoreUnavailable("redis", "injected")

    with monkeypatch.context() as patched:
        patched.setattr(second_cache._connection, "call", raise_unavailable)
        with pytest.raises(StoreUnavailable):
            second_cache.ping()
    second_cache.ping()
    assert not first_cache.read("t", None).is_sealed


@pytest.mark.parametrize("days", [2, -2])
def test_a_new_generation_is_later_although_redis_clock_was_set(
    redis_client: redis.Redis, real_cache: Callable[..., RedisCache], days: int
) -> None:
    """A failed write starts a generation that is later than the previous generation, even if Redis' clock was set."""
    cache = real_cache()
    refill(cache, "t", Window([exchange(0)], is_all=True))
    before = f"{time.time() + days * 86_400:.6f}"
    redis_client.hset("memory:epoch", "doubt", before)
    assert cache.read("t", None).state.generation == before
    refill(cache, "t", Window([exchange(0)], is_all=True))
    cache._failed_at = time.monotonic()
    cached = cache.read("t", None)
    assert cached.state.generation is not None
    assert float(cached.state.generation) > float(before)
    assert not cached.is_sealed
    assert cached.token is not None


def test_readers_detect_keys_that_expired_by_a_wrong_clock(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """Redis' clock is set forward, so keys expire, including the keys of undrained exchanges.

    After the clock is corrected, readers detect the loss.
    """
    memory = process()
    Turn(memory, "other", "ana").recall()
    memory.cache.record_loss(is_first=True)
    for number, days in enumerate((-5, 5)):
        _append(memory, number)
        redis_client.delete("thread:t:messages", "thread:t:pending")
        # Simulate that Redis' clock was set by days. `offset` is how far the clock was ahead when it was last compared.
        redis_client.hset("memory:epoch", "offset", days * 86_400)
        reader = process()
        for _ in range(2):
            listed_texts, degraded = _load(reader)
            assert (f"q{number}" in listed_texts, degraded) == (False, ["queue"])
        age = reader.cache.read("t", None).state.seconds_since_loss()
        assert age is not None
        assert 0 <= age < 60
        _drain(memory, queue)
        assert _load(process()) == (contents_of(*range(number + 1)), [])


def test_a_generation_of_a_server_with_a_slow_clock_is_later(
    redis_client: redis.Redis, real_cache: Callable[..., RedisCache]
) -> None:
    """A new server's clock is behind. Its generation is still later than the previous server's generation.

    Redis may lack the deletions of exchanges that were accepted before `suspect_until`, here about the current time.
    """
    redis_client.hset("memory:epoch", mapping={"doubt": f"{time.time() + 2 * 86_400:.6f}", "identity": "another"})
    cached = real_cache().read("t", None)
    assert cached.state.generation is not None
    assert float(cached.state.generation) > time.time() + 86_400
    assert cached.state.suspect_until is not None
    assert time.time() < cached.state.suspect_until < time.time() + 60


# - a loss between the two round trips of a read ---


@pytest.fixture(params=["emptied", "older"])
def lose_between_round_trips(
    request: pytest.FixtureRequest, valkey: ValkeyServer, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Make Redis lose data directly before the next request for undrained exchanges.

    Redis is emptied while its connections stay open, or it restarts with older data of the same generation.
    """
    original = ReadCommands.add_undrained

    def lose(commands: ReadCommands, thread_id: str) -> None:
        monkeypatch.setattr(ReadCommands, "add_undrained", original)
        if request.param == "emptied":
            redis_client.flushall()
        else:
            valkey.kill()
            valkey.start()
        original(commands, thread_id)

    return lambda: monkeypatch.setattr(ReadCommands, "add_undrained", lose)


def test_a_read_reports_a_loss_between_its_round_trips(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis, lose_between_round_trips: Callable[[], None]
) -> None:
    """Redis has lost the undrained exchanges. The read reports `queue` as degraded."""
    memory = process()
    Turn(memory, "other", "ana").recall()
    memory.cache.record_loss(is_first=True)
    redis_client.save()
    _append(process(), 0)
    redis_client.delete("thread:t:messages")
    lose_between_round_trips()
    assert _load(memory) == ([], ["queue"])
    _drain(memory, queue)
    assert _load(memory) == (contents_of(0), [])


def test_a_sealed_list_is_discarded_after_a_loss_in_the_second_round_trip(
    process: MakeMemory, redis_client: redis.Redis, lose_between_round_trips: Callable[[], None]
) -> None:
    """The reader discards the list of its first round trip. The next reader compares the list with PostgreSQL."""
    memory = process()
    Turn(memory, "t", "ana").recall()
    redis_client.save()
    _append(memory, 0)
    assert memory.cache.read("t", "ana").is_sealed
    lose_between_round_trips()
    cached = memory.cache.peek("t")
    assert (cached.is_sealed, list(cached.messages), cached.undrained) == (False, [], [])
    assert (cached.token, cached.state.lost_at) == (None, None)
    assert _load(process()) == ([], ["queue"])
