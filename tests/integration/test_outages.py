"""The tests kill servers and check the answers during each outage, and the recovery without a restart."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.local.servers import PostgresServer, ValkeyServer
from shared.memory.memory import Memory
from shared.memory.recall import Recall
from shared.memory.turn import AppendResult, Turn
from shared.memory.users import Users
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.sqs.queue import SqsQueue
from tests.support.exchanges import contents_of, texts
from tests.support.queues import Queues
from tests.support.sqs_server import SqsServer
from tests.support.waiting import until

MakeProcess = Callable[..., Memory]
MakeArchive = Callable[..., PostgresArchive]


@pytest.fixture
def process_with_history(
    process: MakeProcess, real_queue: SqsQueue, queues: Queues, real_archive: MakeArchive
) -> Memory:
    """Create a process. Both layers have a drained exchange of its thread and a preference of its user."""
    created = process(real_queue)
    Users(created).replace("ana", {"tone": "dry"})
    _recall(created)
    _append(created, 0)
    _drain(queues, real_archive())
    return created


def _recall(memory: Memory) -> Recall:
    return Turn(memory, "t", "ana").recall()


def _append(memory: Memory, number: int) -> AppendResult:
    return Turn(memory, "t", "ana").append(f"q{number}", f"a{number}")


def _drain(queues: Queues, archive: PostgresArchive) -> int:
    return archive.store(queues.exchanges()).stored


def test_postgresql_serves_the_memory_while_redis_is_down(
    process_with_history: Memory, valkey: ValkeyServer, queues: Queues, real_archive: MakeArchive
) -> None:
    """PostgreSQL serves history and preferences while Redis is down, and fills the list when Redis returns empty."""
    valkey.kill()
    context, append_result = _recall(process_with_history), _append(process_with_history, 1)
    assert (texts(context.messages), context.preferences) == (contents_of(0), {"tone": "dry"})
    assert (context.source, context.degraded) == ("postgres", ["redis"])
    assert (append_result.durability, append_result.cached, append_result.degraded) == ("queue", False, ["redis"])
    assert _drain(queues, real_archive()) == 1
    assert texts(_recall(process_with_history).messages) == contents_of(0, 1)
    valkey.start()
    until(lambda: "redis" not in _recall(process_with_history).degraded)
    assert (texts(_recall(process_with_history).messages), _recall(process_with_history).source) == (
        contents_of(0, 1),
        "redis",
    )
    assert _append(process_with_history, 2).cached


def test_redis_serves_cached_threads_while_postgresql_is_down(
    process_with_history: Memory, postgres: PostgresServer, process: MakeProcess
) -> None:
    """L1 serves cached threads. Requests for other threads report `postgres` as degraded."""
    postgres.kill()
    context, append_result = _recall(process_with_history), _append(process_with_history, 1)
    assert (texts(context.messages), context.source, context.degraded) == (contents_of(0), "redis", [])
    assert (append_result.durability, append_result.cached, append_result.degraded) == ("queue", True, [])
    assert texts(_recall(process_with_history).messages) == contents_of(0, 1)
    other = Turn(process_with_history, "other", "bob").recall()
    assert (other.messages, other.preferences, other.source, other.degraded) == ([], {}, "none", ["postgres"])
    postgres.start()
    until(lambda: Turn(process_with_history, "other", "bob").recall().degraded == [])
    assert texts(_recall(process()).messages) == contents_of(0, 1)


def test_the_queue_stores_exchanges_while_redis_and_postgresql_are_down(
    process_with_history: Memory, valkey: ValkeyServer, postgres: PostgresServer
) -> None:
    """Redis and PostgreSQL are down. The agent runs without memory, and the queue stores its exchanges."""
    valkey.kill()
    postgres.kill()
    context, append_result = _recall(process_with_history), _append(process_with_history, 1)
    assert context == Recall([], {}, "none", ["redis", "postgres"])
    assert (append_result.durability, append_result.cached, append_result.degraded) == ("queue", False, ["redis"])


def test_postgresql_stores_exchanges_while_sqs_is_down(process_with_history: Memory, sqs: SqsServer) -> None:
    """SQS is down. PostgreSQL stores the exchange directly. Later turns use the queue again."""
    sqs.stop()
    append_result = _append(process_with_history, 1)
    assert (append_result.durability, append_result.cached, append_result.degraded) == ("postgres", True, ["queue"])
    assert [each.user_message for each in process_with_history.archive.window("t", 9).exchanges] == ["q0", "q1"]
    sqs.start()
    numbers = iter(range(2, 1_000))
    until(lambda: _append(process_with_history, next(numbers)).durability == "queue")


def test_redis_stores_exchanges_while_sqs_and_postgresql_are_down(
    process_with_history: Memory, sqs: SqsServer, postgres: PostgresServer
) -> None:
    """SQS and PostgreSQL are down. L1 stores the exchange in its outbox and its list."""
    sqs.stop()
    postgres.kill()
    append_result = _append(process_with_history, 1)
    assert (append_result.durability, append_result.cached, append_result.degraded) == (
        "redis",
        True,
        ["queue", "postgres"],
    )
    assert len(process_with_history.cache.outbox(9)) == 1
    assert texts(_recall(process_with_history).messages) == contents_of(0, 1)


def test_no_exception_is_raised_while_all_stores_are_down(
    process_with_history: Memory, sqs: SqsServer, postgres: PostgresServer, valkey: ValkeyServer
) -> None:
    """No store accepts the exchange. The call raises no exception, and its result has `durability: none`."""
    sqs.stop()
    postgres.kill()
    valkey.kill()
    assert _recall(process_with_history).messages == []
    append_result = _append(process_with_history, 1)
    assert (append_result.durability, append_result.cached) == ("none", False)
    assert append_result.degraded == ["queue", "postgres", "redis"]


def test_a_turn_without_a_thread_or_a_user_is_no_error(process_with_history: Memory) -> None:
    """A turn without a thread or without a user is no error. No layer is degraded."""
    assert Turn(process_with_history, None, None).recall() == Recall([], {}, "none", [])
    assert Turn(process_with_history, None, "ana").recall() == Recall([], {"tone": "dry"}, "redis", [])
    assert Turn(process_with_history, None, "ana").append("q", "a") == AppendResult(None, "none", cached=False)
    assert texts(Turn(process_with_history, "t", None).recall().messages) == contents_of(0)


def test_preferences_that_redis_missed_are_not_stale(
    process_with_history: Memory, valkey: ValkeyServer, process: MakeProcess
) -> None:
    """Redis misses a change of preferences. After the outage, Redis has the old preferences, which no reader sees."""
    valkey.freeze()
    assert Users(process_with_history).merge("ana", {"tone": "kind"}) == {"tone": "kind"}
    valkey.thaw()
    until(lambda: "redis" not in _recall(process_with_history).degraded)
    assert _recall(process_with_history).preferences == {"tone": "kind"}
    assert _recall(process()).preferences == {"tone": "kind"}
