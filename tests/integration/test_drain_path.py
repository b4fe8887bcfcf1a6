"""The tests drain a real queue into PostgreSQL and the cached lists, with failures of each server."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from functions.sync.drain import Drain
from infra.local.servers import PostgresServer, ValkeyServer
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.stores.sqs.queue import SqsQueue
from shared.stores.sqs.received import SqsQueues
from tests.support.exchanges import contents_of, exchange, exchanges, texts
from tests.support.queues import Queues

MakeProcess = Callable[..., Memory]


@pytest.fixture
def drain(
    real_archive: Callable[..., PostgresArchive], real_cache: Callable[..., RedisCache], queues: Queues
) -> Callable[[], list[str]]:
    """Return a function that acts as the event source mapping and returns the ids of the failed messages."""
    drained = Drain(real_archive(), real_cache(), SqsQueues(queues.settings()))

    def once() -> list[str]:
        records = queues.receive()
        failed = drained.run(records).failed
        for record in records:
            if record["messageId"] not in failed:
                queues.client.delete_message(QueueUrl=queues.url, ReceiptHandle=record["receiptHandle"])
        return failed

    return once


def test_the_drain_stores_the_exchanges_of_turns_in_order(
    process: MakeProcess, real_queue: SqsQueue, drain: Callable[[], list[str]], database: psycopg.Connection
) -> None:
    """After the drain, both layers have equal texts in the same order."""
    memory = process(real_queue)
    for number in range(12):
        Turn(memory, "t", "ana").append(f"q{number}", f"a{number}", ["d1"])
    assert drain() == []
    rows = database.execute("select role, content from messages order by order_key, position").fetchall()
    assert [content for _, content in rows] == contents_of(*range(12))
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(*range(12))


def test_the_drain_dead_letters_only_the_invalid_records_of_a_batch(
    process: MakeProcess, real_queue: SqsQueue, drain: Callable[[], list[str]], queues: Queues
) -> None:
    """The drain dead-letters an invalid record of a batch and stores the other records. The queue is then empty."""
    memory = process(real_queue)
    bodies = [
        "no json",
        exchange().to_wire().replace('"version":1', '"version":9'),
        exchange().to_wire().replace('"user_message"', '"message"'),
        exchange().to_wire().replace('"created_at":"2', '"created_at":"0'),
    ]
    for number, body in enumerate(bodies):
        Turn(memory, "t", "ana").append(f"q{number}", f"a{number}")
        queues.client.send_message(QueueUrl=queues.url, MessageBody=body)
    assert drain() == []
    reasons = {body: attributes["reason"] for body, attributes in queues.dead()}
    assert reasons == dict(zip(bodies, ["not_json", "unknown_version", "missing_field", "invalid_field"], strict=True))
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(0, 1, 2, 3)
    assert queues.waiting() == (0, 0, 0)


def test_messages_stay_in_the_queue_while_postgresql_is_down(
    process: MakeProcess,
    real_queue: SqsQueue,
    drain: Callable[[], list[str]],
    queues: Queues,
    postgres: PostgresServer,
) -> None:
    """PostgreSQL is down. The drain hides the messages for a while and does not delete them from the queue."""
    memory = process(real_queue)
    for number in range(3):
        Turn(memory, "t", None).append(f"q{number}", f"a{number}")
    postgres.kill()
    assert len(drain()) == 3
    assert queues.waiting() == (0, 3, 0)
    postgres.start()
    assert texts(Turn(process(), "t", None).recall().messages) == contents_of(0, 1, 2)
    assert queues.dead() == []


def test_the_drain_records_invalidations_while_redis_is_down(
    process: MakeProcess, real_queue: SqsQueue, drain: Callable[[], list[str]], valkey: ValkeyServer
) -> None:
    """Redis is down. The drain stores the batch and records invalidations of the lists for the sweep."""
    memory = process(real_queue)
    Turn(memory, "t", None).append("q0", "a0")
    valkey.kill()
    assert drain() == []
    assert [(repair.kind, repair.id) for repair in memory.archive.invalidations(9)] == [("thread", "t")]


def test_a_redelivery_after_a_deletion_stores_nothing(
    process: MakeProcess, real_queue: SqsQueue, drain: Callable[[], list[str]], queues: Queues
) -> None:
    """SQS delivers a deleted thread's message again. The drain never stores it, even if the thread's id is reused."""
    memory = process(real_queue)
    Turn(memory, "t", "ana").append("q0", "a0")
    (record,) = queues.receive(0)
    Threads(memory).delete("t")
    queues.client.send_message(QueueUrl=queues.url, MessageBody=record["body"])
    assert drain() == []
    assert Turn(process(), "t", "ana").recall().messages == []
    Turn(memory, "t", "ana").append("q1", "a1")
    queues.client.send_message(QueueUrl=queues.url, MessageBody=record["body"])
    assert drain() == []
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(1)


def test_a_batch_in_any_order_with_duplicates_is_drained(
    real_queue: SqsQueue, queues: Queues, drain: Callable[[], list[str]]
) -> None:
    """The drain stores a thousand exchanges in any order and with duplicates."""
    created = exchanges(120)
    for each in [*created[60:], *created[:60], *created[:5]]:
        real_queue.send(each)
    assert drain() == []
    assert queues.waiting() == (0, 0, 0)
