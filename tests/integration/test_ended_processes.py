"""A record kills the process of the drain (SIGKILL). The tests use real processes and servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
import redis

from infra.local.servers import ValkeyServer
from shared.errors import StoreUnavailable
from shared.settings import RedisSettings
from shared.stores.attempts import Attempts
from shared.stores.redis.attempts import RedisAttempts
from shared.stores.redis.connection import RedisConnection
from shared.stores.redis.names import ATTEMPTS
from shared.testing import InMemoryAttempts
from tests.support.exchanges import exchange
from tests.support.queues import Queues

_PROCESS: Final = """
import json, os, signal, sys, types
import functions.sync.handler as sync
from shared.stores.postgres.archive import PostgresArchive
store = PostgresArchive.store
def fragile(self, exchanges):
    if any(each.user_message == "q-ends" for each in exchanges):
        os.kill(os.getpid(), signal.SIGKILL)
    return store(self, exchanges)
PostgresArchive.store = fragile
context = types.SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="i",
                                get_remaining_time_in_millis=lambda: 15_000)
answer = sync.handler(json.load(sys.stdin), context)
print(json.dumps({"answer": answer}))
"""


def _invoke(records: list[dict[str, Any]]) -> list[str] | None:
    """Run an invocation in a new process. Return the failed messages' ids, or None if the process was killed."""
    command = [sys.executable, "-c", _PROCESS]
    completed = subprocess.run(
        command, input=json.dumps({"Records": records}), capture_output=True, text=True, check=False
    )
    if completed.returncode < 0:
        return None
    assert completed.returncode == 0, completed.stderr
    (answer,) = (json.loads(line)["answer"] for line in completed.stdout.splitlines() if line.startswith('{"answer"'))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.mark.usefixtures("load")
def test_the_other_records_of_a_crashing_batch_are_stored(
    queues: Queues, database: psycopg.Connection, redis_client: redis.Redis
) -> None:
    """A batch has a record that kills the process. The drain has stored the other records after the fourth receive.

    At the sixth receive it dead-letters the record that kills the process, with the reason.
    """
    for name in (0, 1, "-ends", 2, 3):
        queues.client.send_message(QueueUrl=queues.url, MessageBody=exchange(name).to_wire())
    stored = "select count(*) from messages where position = 0"
    ended = 0
    while (failed := _invoke(records := queues.receive(visibility=0))) is None:
        ended += 1
        assert len(records) == 5
        assert database.execute(stored).fetchone() == ((4,) if ended >= 4 else (2,) if ended == 3 else (0,))
    assert (ended, failed) == (5, [])
    assert database.execute(stored).fetchone() == (4,)
    ((body, attributes),) = queues.dead()
    assert json.loads(body)["user_message"] == "q-ends"
    assert attributes["reason"] == "process_ended"
    assert attributes["detail"] == "the process ended three times while this record alone was stored"
    assert redis_client.exists(ATTEMPTS) == 0


@pytest.fixture
def real_redis(valkey: ValkeyServer, redis_client: redis.Redis) -> Iterator[RedisConnection]:  # noqa: ARG001 - empties the server
    """Return a function's Redis connection."""
    created = RedisConnection(RedisSettings(host="127.0.0.1", port=valkey.port))
    yield created
    created.close()


@pytest.fixture(params=["memory", "redis"])
def attempts(request: pytest.FixtureRequest, real_redis: RedisConnection) -> Attempts:
    """Return the attempt counter in memory or in Redis."""
    return InMemoryAttempts() if request.param == "memory" else RedisAttempts(real_redis)


_UNUSUAL_IDS: Final = ["m-1", "", "\x00", "\ud800", "x" * 10_000, "\N{SNOWMAN}"]


def test_redis_and_memory_count_attempts_equally(attempts: Attempts) -> None:
    """Redis and memory count attempts equally, with any text as an id."""
    assert attempts.note(_UNUSUAL_IDS) == [None] * len(_UNUSUAL_IDS)
    assert attempts.note(_UNUSUAL_IDS) == [0] * len(_UNUSUAL_IDS)
    for name in _UNUSUAL_IDS:
        attempts.note_alone(name)
    attempts.note_alone("m-1")
    assert attempts.note([*_UNUSUAL_IDS, "other"]) == [2, *[1] * (len(_UNUSUAL_IDS) - 1), None]
    attempts.forget(_UNUSUAL_IDS)
    assert attempts.note(["m-1", "other"]) == [None, 0]
    attempts.note_alone("never noted")
    assert attempts.note(["never noted"]) == [1]


def test_attempt_counters_expire(real_redis: RedisConnection, redis_client: redis.Redis) -> None:
    """The counters of records that SQS no longer delivers expire after a day."""
    RedisAttempts(real_redis).note(["m-1"])
    assert 0 < int(redis_client.ttl(ATTEMPTS)) <= 86_400


def test_a_refused_counter_write_raises_store_unavailable(
    real_redis: RedisConnection, redis_client: redis.Redis
) -> None:
    """If Redis refuses the counter's write, the call raises `StoreUnavailable`."""
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable):
            RedisAttempts(real_redis).note(["m-1"])
    finally:
        redis_client.config_set("maxmemory", 0)


def test_a_counter_of_another_type_raises_store_unavailable(
    real_redis: RedisConnection, redis_client: redis.Redis
) -> None:
    """If another program uses the counter's key, the call raises `StoreUnavailable`."""
    redis_client.set(ATTEMPTS, "x")
    with pytest.raises(StoreUnavailable):
        RedisAttempts(real_redis).note(["m-1"])
