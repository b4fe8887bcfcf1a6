"""The bytes of metadata do not change in the queue, in lists, in rows and in refilled lists, on real servers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
import redis
from hypothesis import HealthCheck, given, settings

from functions.sync.drain import Drain
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.metadata import encode_metadata
from shared.models import Exchange
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.entries import decode, without_seal_or_token
from shared.stores.sqs.queue import SqsQueue
from shared.stores.sqs.received import SqsQueues
from tests.support import strategies
from tests.support.exchanges import exchange
from tests.support.queues import Queues

MakeProcess = Callable[..., Memory]
LIST = "thread:t:messages"
# PostgreSQL's `jsonb` would change the order of these keys, these numbers and these escapes.
TEXT = '{"b":1.0,"a":[1e+22,5e-324,"\\u0001\\n\\"",null],"B":{"":18446744073709551615},"ü":"🎉\ufffe"}'


def _stored(database: psycopg.Connection) -> list[str | None]:
    rows = database.execute("select metadata::text from messages order by order_key, position").fetchall()
    return [text for (text,) in rows]


def _listed(client: redis.Redis) -> list[str | None]:
    entries = [decode(str(entry).encode()) for entry in client.lrange(LIST, 0, -1)]
    return [entry.metadata if entry else "unreadable" for entry in entries]


def _without_seal_or_token(entry: bytes | str) -> bytes:
    return without_seal_or_token(entry.encode() if isinstance(entry, str) else entry)


def test_metadata_is_equal_in_lists_rows_and_refilled_lists(
    process: MakeProcess,
    real_queue: SqsQueue,
    queues: Queues,
    redis_client: redis.Redis,
    database: psycopg.Connection,
) -> None:
    """The metadata is equal in the appended list, in the rows, and in the refilled list."""
    memory = process(real_queue)
    for metadata in (TEXT, None):
        Turn(memory, "t", "ana").append("q", "a", metadata=metadata)
    expected = [TEXT, None, None, None]
    assert _listed(redis_client) == expected
    outcome = Drain(memory.archive, memory.cache, SqsQueues(queues.settings())).run(queues.receive())
    assert (outcome.stored, outcome.dead) == (2, {})
    assert _stored(database) == _listed(redis_client) == expected
    appended = redis_client.lrange(LIST, 0, -1)
    redis_client.flushall()
    assert [each.metadata for each in Turn(process(), "t", None).recall().messages] == expected
    refilled = redis_client.lrange(LIST, 0, -1)
    assert list(map(_without_seal_or_token, refilled)) == list(map(_without_seal_or_token, appended))
    assert _listed(redis_client) == expected


def test_updated_lists_and_pages_have_the_metadata(
    process: MakeProcess, redis_client: redis.Redis, real_archive: Callable[..., PostgresArchive]
) -> None:
    """A list that was updated from PostgreSQL has the metadata. Pages from either layer show the metadata."""
    memory, archive = process(), real_archive()
    Turn(memory, "t", None).append("q0", "a0", metadata=TEXT)
    only_stored = exchange(1)
    archive.store([Exchange(only_stored.exchange_id, "t", None, "q1", "a1", only_stored.created_at, (), TEXT)])
    memory.cache.recheck_thread("t", archive.window("t", 50))
    assert _listed(redis_client) == [TEXT, None, TEXT, None]
    for descending in (False, True):
        page = Threads(memory).messages("t", 10, None, descending=descending)
        assert [each.metadata for each in page.items if each.role == "user"] == [TEXT, TEXT]


def test_the_metadata_of_the_earliest_version_wins(
    real_archive: Callable[..., PostgresArchive],
    real_cache: Callable[..., RedisCache],
    redis_client: redis.Redis,
    database: psycopg.Connection,
) -> None:
    """The layers keep the earliest version of an exchange and its metadata, even if this version has no metadata."""
    archive, cache = real_archive(), real_cache()
    exchange_a, exchange_b = exchange(), exchange()
    cache.read("t", None)
    for created, earlier_metadata, later_metadata in ((exchange_a, None, TEXT), (exchange_b, TEXT, None)):
        versions = [
            Exchange(created.exchange_id, "t", None, "q", "a", created.created_at - timedelta(seconds=age), (), text)
            for age, text in ((0, later_metadata), (9, earlier_metadata))
        ]
        for version in versions:
            archive.store([version])
            cache.append(version, is_drained=True)
    assert _stored(database) == _listed(redis_client) == [None, None, TEXT, None]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(strategies.objects)
def test_any_object_is_returned_unchanged(
    real_archive: Callable[..., PostgresArchive], database: psycopg.Connection, value: dict[str, object]
) -> None:
    """PostgreSQL returns any JSON object of metadata with equal bytes."""
    database.execute("truncate conversations cascade")
    created = exchange()
    with_metadata = Exchange(created.exchange_id, "t", None, "q", "a", created.created_at, (), encode_metadata(value))
    archive = real_archive()
    archive.store([with_metadata])
    assert archive.window("t", 1).exchanges == [with_metadata]
    assert archive.exchange("t", with_metadata.exchange_id) == with_metadata
    assert archive.store([with_metadata]).effective == [with_metadata]
