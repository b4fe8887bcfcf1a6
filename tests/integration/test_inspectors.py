"""The inspector shows the contents of a real Valkey and a real SQS."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from infra.local.servers import ValkeyServer
from shared.errors import StoreUnavailable
from shared.settings import RedisSettings
from shared.stores.inspectors import ListSnapshot, QueueCounts
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.stores.redis.inspector import RedisInspector
from shared.stores.sqs.client import sqs_client
from shared.stores.sqs.inspector import SqsInspector
from tests.support.exchanges import exchange, exchanges, texts
from tests.support.queues import Queues

MakeCache = Callable[..., RedisCache]


@pytest.fixture
def inspector(valkey: ValkeyServer) -> Iterator[RedisInspector]:
    """Return the inspector of Valkey."""
    connection = RedisConnection(RedisSettings(host="127.0.0.1", port=valkey.port))
    yield RedisInspector(connection)
    connection.close()


def test_a_list_is_shown_without_extending_its_expiry(
    inspector: RedisInspector, real_cache: MakeCache, redis_client: redis.Redis
) -> None:
    """The inspector shows a list's newest messages, length, time to live and undrained exchanges.

    It does not extend the time to live.
    """
    cache = real_cache()
    first, second, third = exchanges(3)
    cache.read("t", None)
    for each in (first, second, third):
        cache.append(each, is_drained=False)
    cache.merge_stored([first])
    redis_client.expire("thread:t:messages", 1_000)
    snapshot = inspector.thread("t", 4)
    assert texts(snapshot.messages) == ["q1", "a1", "q2", "a2"]
    assert snapshot.length == 6
    assert snapshot.ttl_seconds is not None
    assert 900 < snapshot.ttl_seconds <= 1_000
    assert {each.exchange_id for each in snapshot.undrained} == {second.exchange_id, third.exchange_id}
    assert redis_client.ttl("thread:t:messages") <= 1_000


def test_no_list_is_shown_for_a_missing_key_or_another_type(
    inspector: RedisInspector, redis_client: redis.Redis
) -> None:
    """The inspector shows no list if the key is missing or has another type. It shows a list without an expiry."""
    assert inspector.thread("t", 4) == ListSnapshot()
    redis_client.set("thread:t:messages", "not a list")
    assert inspector.thread("t", 4) == ListSnapshot()
    redis_client.delete("thread:t:messages")
    redis_client.rpush("thread:t:messages", '{"role":"user","content":"by hand"}')
    snapshot = inspector.thread("t", 4)
    assert (texts(snapshot.messages), snapshot.length, snapshot.ttl_seconds) == (["by hand"], 1, None)


def test_deleted_exchanges_are_not_shown(
    inspector: RedisInspector, real_cache: MakeCache, redis_client: redis.Redis
) -> None:
    """After a deletion the inspector shows only newer messages."""
    cache = real_cache()
    old_exchange, new_exchange = exchanges(2)
    cache.read("t", None)
    cache.append(old_exchange, is_drained=False)
    cache.append(new_exchange, is_drained=False)
    redis_client.set("thread:t:tombstone", str(old_exchange.order))
    snapshot = inspector.thread("t", 10)
    assert texts(snapshot.messages) == ["q1", "a1"]
    assert [each.exchange_id for each in snapshot.undrained] == [new_exchange.exchange_id]


def test_the_outbox_is_shown_with_its_length_and_age(
    inspector: RedisInspector, real_cache: MakeCache, redis_client: redis.Redis
) -> None:
    """The inspector shows the outbox' length and the age of its oldest exchange."""
    assert inspector.outbox() == QueueCounts(0)
    cache = real_cache()
    first, second = exchange(0), exchange(1)
    cache.append(first, is_drained=False, in_outbox=True)
    cache.append(second, is_drained=False, in_outbox=True)
    assert inspector.outbox() == QueueCounts(2, oldest=first.created_at)
    redis_client.lpush("outbox:exchanges", "not json")
    assert inspector.outbox() == QueueCounts(3)


def test_a_redis_that_is_down_is_reported(inspector: RedisInspector, valkey: ValkeyServer) -> None:
    """If Redis is down, the inspector reports it as unavailable."""
    valkey.kill()
    with pytest.raises(StoreUnavailable, match="redis"):
        inspector.thread("t", 4)
    with pytest.raises(StoreUnavailable, match="redis"):
        inspector.outbox()


def test_messages_are_counted_without_receiving_them(queues: Queues) -> None:
    """The inspector counts messages without receiving them. This SQS does not report the oldest message's age."""
    inspector = SqsInspector(queues.url, sqs_client(), None)
    assert inspector.waiting() == QueueCounts(0)
    queues.client.send_message(QueueUrl=queues.url, MessageBody="{}")
    queues.client.send_message(QueueUrl=queues.url, MessageBody="{}")
    queues.client.receive_message(QueueUrl=queues.url, MaxNumberOfMessages=1, VisibilityTimeout=30)
    assert inspector.waiting() == QueueCounts(1, in_flight=1)


def test_a_missing_queue_is_reported(queues: Queues) -> None:
    """The inspector reports a missing queue as unavailable."""
    with pytest.raises(StoreUnavailable, match="queue"):
        SqsInspector(f"{queues.url}-gone", sqs_client(), None).waiting()
