"""A store that hangs (SIGSTOP) delays one request by the store's timeout. Later requests skip the store."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis
from botocore.exceptions import ReadTimeoutError

from infra.local.servers import PostgresServer, ValkeyServer
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.settings import MemorySettings
from shared.stores.breaker import CircuitBreaker
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.stores.sqs.queue import SqsQueue
from shared.testing import InMemoryQueue
from tests.support.exchanges import contents_of, exchange, texts
from tests.support.proxy import CountingProxy
from tests.support.queues import Queues
from tests.support.sqs_server import SqsServer
from tests.support.waiting import until

MakeProcess = Callable[..., Memory]


def _run_turn(memory: Memory, number: int) -> list[str]:
    """Run a turn and return the degraded layers of both of its requests."""
    turn = Turn(memory, "t", None)
    context = turn.recall()
    append_result = turn.append(f"q{number}", f"a{number}")
    return [*context.degraded, *append_result.degraded]


def _attempts(breaker: CircuitBreaker, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets an entry for each failed call to the store from now on."""
    attempts: list[str] = []
    trip = breaker._open_circuit

    def recorded(error: Exception, probe: Callable[[], object] | None = None) -> None:
        attempts.append(type(error).__name__)
        trip(error, probe)

    monkeypatch.setattr(breaker, "_open_circuit", recorded)
    return attempts


def test_a_frozen_redis_delays_one_request(
    process: MakeProcess, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen Redis delays one request by its timeout of 250 ms. Later requests skip Redis."""
    memory = process()
    _run_turn(memory, 0)
    assert isinstance(memory.cache, RedisCache)
    attempts = _attempts(memory.cache.breaker, monkeypatch)
    valkey.freeze()
    began = time.monotonic()
    assert _run_turn(memory, 1) == ["redis", "redis"]
    assert time.monotonic() - began < 2
    assert len(attempts) == 1
    for number in range(2, 22):
        assert "redis" in _run_turn(memory, number)
    assert len(attempts) == 1


def test_after_a_freeze_the_history_is_complete(
    process: MakeProcess, valkey: ValkeyServer, queue: InMemoryQueue
) -> None:
    """After a freeze, Redis' list lacks some exchanges. Every turn still gets the complete history."""
    memory, other = process(), process()
    for number in range(3):
        _run_turn(memory, number)
    assert texts(Turn(other, "t", None).recall().messages) == contents_of(0, 1, 2)
    valkey.freeze()
    for number in range(3, 6):
        _run_turn(memory, number)
    memory.archive.store(queue.take())
    valkey.thaw()
    until(lambda: not {"redis"} & set(Turn(memory, "t", None).recall().degraded))
    assert texts(Turn(memory, "t", None).recall().messages) == contents_of(*range(6))
    assert texts(Turn(process(), "t", None).recall().messages) == contents_of(*range(6))
    assert texts(Turn(other, "t", None).recall().messages) == contents_of(*range(6))


def test_missed_appends_are_retried_before_the_drain(process: MakeProcess, valkey: ValkeyServer) -> None:
    """The process retries its failed append before its next call, so that other processes see the exchange."""
    memory, other = process(), process()
    _run_turn(memory, 0)
    valkey.freeze()
    _run_turn(memory, 1)
    valkey.thaw()
    until(lambda: Turn(memory, "t", None).recall().degraded == [])
    assert texts(Turn(memory, "t", None).recall().messages) == contents_of(0, 1)
    assert texts(Turn(other, "t", None).recall().messages) == contents_of(0, 1)


def test_a_frozen_postgres_delays_one_request(
    process: MakeProcess, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen PostgreSQL delays one request by its timeout.

    Redis serves the turns meanwhile. Requests use PostgreSQL again without a restart of the process.
    """
    memory = process()
    _run_turn(memory, 0)
    archive = memory.archive
    assert isinstance(archive, PostgresArchive)
    attempts = _attempts(archive._connection.breaker, monkeypatch)
    postgres.freeze()
    began = time.monotonic()
    assert Turn(memory, "miss", "ana").recall().degraded == ["postgres"]
    assert time.monotonic() - began < 20
    assert len(attempts) == 1
    for _ in range(10):
        assert Turn(memory, "miss", "ana").recall().degraded == ["postgres"]
    assert _run_turn(memory, 1) == []
    assert len(attempts) == 1
    postgres.thaw()
    until(lambda: Turn(memory, "miss", "ana").recall().degraded == [])


def test_a_frozen_sqs_delays_one_request(
    process: MakeProcess, sqs: SqsServer, queues: Queues, real_queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen SQS delays one request. PostgreSQL stores exchanges directly until SQS is back."""
    memory = process(real_queue)
    _run_turn(memory, 0)
    attempts = _attempts(real_queue.breaker, monkeypatch)
    sqs.freeze()
    began = time.monotonic()
    assert _run_turn(memory, 1) == ["queue"]
    assert time.monotonic() - began < 30
    for number in range(2, 6):
        assert _run_turn(memory, number) == ["queue"]
    assert len(attempts) == 1
    assert len(memory.archive.window("t", 9).exchanges) == 5
    sqs.thaw()
    numbers = iter(range(6, 10_000))
    until(lambda: _run_turn(memory, next(numbers)) == [])
    assert queues.waiting()[0] >= 2


def test_one_probe_of_a_frozen_redis_runs_at_a_time(
    valkey: ValkeyServer, real_cache: Callable[..., RedisCache], real_archive: Callable[..., PostgresArchive]
) -> None:
    """At most one probe connection to a frozen Redis is open at a time, for any number of requests."""
    with CountingProxy(valkey.port) as proxy:
        memory = Memory(real_cache(proxy.port), real_archive(), InMemoryQueue(), MemorySettings())
        _run_turn(memory, 0)
        proxy.reset()
        valkey.freeze()
        began = time.monotonic()
        for number in range(1, 60):
            _run_turn(memory, number)
        seconds = time.monotonic() - began
        # The first failure and each probe hang for 250 ms before the next probe may start.
        assert proxy.connections <= 2 + seconds / 0.2
        valkey.thaw()
        until(lambda: Turn(memory, "t", None).recall().degraded == [])


def test_a_late_reply_is_not_used(valkey: ValkeyServer, postgres: PostgresServer, process: MakeProcess) -> None:
    """After a freeze, a server replies to an old request. The process does not use this reply for its next request."""
    memory = process()
    memory.archive.store([exchange("one", "one"), exchange("two", "two")])
    for thread in ("one", "two"):
        Turn(memory, thread, None).recall()
    valkey.freeze()
    postgres.freeze()
    assert Turn(memory, "one", None).recall().messages == []
    valkey.thaw()
    postgres.thaw()
    until(lambda: Turn(memory, "two", None).recall().degraded == [])
    assert texts(Turn(memory, "two", None).recall().messages) == contents_of("two")
    assert texts(Turn(memory, "one", None).recall().messages) == contents_of("one")


def test_a_redis_that_refuses_writes_delays_one_request(
    process: MakeProcess, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Redis answers reads and refuses writes. Only a probe that writes detects the recovery."""
    memory = process()
    _run_turn(memory, 0)
    assert isinstance(memory.cache, RedisCache)
    attempts = _attempts(memory.cache.breaker, monkeypatch)
    with redis.Redis(host="127.0.0.1", port=valkey.port) as client:
        client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
        try:
            for number in range(1, 9):
                assert "redis" in _run_turn(memory, number)
            assert len(attempts) == 1
        finally:
            client.execute_command("CLIENT", "UNPAUSE")
    until(lambda: Turn(memory, "t", None).recall().degraded == [])


def test_a_queue_that_refuses_messages_delays_one_request(
    process: MakeProcess, real_queue: SqsQueue, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue answers attribute requests and refuses messages. Only a message that it accepts shows the recovery."""
    memory = process(real_queue)
    attempts = _attempts(real_queue.breaker, monkeypatch)
    send = real_queue._client.send_message

    def fail(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="sqs")

    monkeypatch.setattr(real_queue._client, "send_message", fail)
    for number in range(8):
        assert _run_turn(memory, number) == ["queue"]
    assert len(attempts) == 1
    monkeypatch.setattr(real_queue._client, "send_message", send)
    numbers = iter(range(8, 10_000))
    until(lambda: _run_turn(memory, next(numbers)) == [])
    assert queues.exchanges()[0].user_message == "q0"
