"""The tests kill servers and check each row of the seed's degradation table, and the recovery without a restart."""

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
def warm(process: MakeProcess, real_queue: SqsQueue, queues: Queues, real_archive: MakeArchive) -> Memory:
    """Create a process whose thread has one drained exchange and whose user has a preference, both in both layers."""
    made = process(real_queue)
    Users(made).replace("ana", {"tone": "dry"})
    _recall(made)
    _keep(made, 0)
    _drain(queues, real_archive())
    return made


def _recall(memory: Memory) -> Recall:
    return Turn(memory, "t", "ana").recall()


def _keep(memory: Memory, number: int) -> AppendResult:
    return Turn(memory, "t", "ana").keep(f"q{number}", f"a{number}")


def _drain(queues: Queues, archive: PostgresArchive) -> int:
    return archive.store(queues.exchanges()).stored


def test_redis_is_down(warm: Memory, valkey: ValkeyServer, queues: Queues, real_archive: MakeArchive) -> None:
    """PostgreSQL serves history and preferences. Exchanges stored meanwhile are there when Redis returns empty."""
    valkey.kill()
    recalled, receipt = _recall(warm), _keep(warm, 1)
    assert (texts(recalled.messages), recalled.preferences) == (contents_of(0), {"tone": "dry"})
    assert (recalled.source, recalled.degraded) == ("postgres", ["redis"])
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("queue", False, ["redis"])
    assert _drain(queues, real_archive()) == 1
    assert texts(_recall(warm).messages) == contents_of(0, 1)
    valkey.start()
    until(lambda: "redis" not in _recall(warm).degraded)
    assert (texts(_recall(warm).messages), _recall(warm).source) == (contents_of(0, 1), "redis")
    assert _keep(warm, 2).cached


def test_postgresql_is_down(warm: Memory, postgres: PostgresServer, process: MakeProcess) -> None:
    """L1 serves its part. Other requests report that PostgreSQL did not respond."""
    postgres.kill()
    recalled, receipt = _recall(warm), _keep(warm, 1)
    assert (texts(recalled.messages), recalled.source, recalled.degraded) == (contents_of(0), "redis", [])
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("queue", True, [])
    assert texts(_recall(warm).messages) == contents_of(0, 1)
    other = Turn(warm, "other", "bob").recall()
    assert (other.messages, other.preferences, other.source, other.degraded) == ([], {}, "none", ["postgres"])
    postgres.start()
    until(lambda: Turn(warm, "other", "bob").recall().degraded == [])
    assert texts(_recall(process()).messages) == contents_of(0, 1)


def test_redis_and_postgresql_are_down(warm: Memory, valkey: ValkeyServer, postgres: PostgresServer) -> None:
    """The agent runs without memory. Exchanges wait in the queue."""
    valkey.kill()
    postgres.kill()
    recalled, receipt = _recall(warm), _keep(warm, 1)
    assert recalled == Recall([], {}, "none", ["redis", "postgres"])
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("queue", False, ["redis"])


def test_sqs_is_down(warm: Memory, sqs: SqsServer) -> None:
    """PostgreSQL stores the exchange directly. The queue is used again when it is back."""
    sqs.stop()
    receipt = _keep(warm, 1)
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("postgres", True, ["queue"])
    assert [each.user_message for each in warm.archive.window("t", 9).exchanges] == ["q0", "q1"]
    sqs.start()
    numbers = iter(range(2, 1_000))
    until(lambda: _keep(warm, next(numbers)).durability == "queue")


def test_sqs_and_postgresql_are_down(warm: Memory, sqs: SqsServer, postgres: PostgresServer) -> None:
    """The exchange is in L1's outbox and list."""
    sqs.stop()
    postgres.kill()
    receipt = _keep(warm, 1)
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("redis", True, ["queue", "postgres"])
    assert len(warm.cache.outbox(9)) == 1
    assert texts(_recall(warm).messages) == contents_of(0, 1)


def test_all_stores_down(warm: Memory, sqs: SqsServer, postgres: PostgresServer, valkey: ValkeyServer) -> None:
    """No store has the exchange, no exception is raised, and the result says so."""
    sqs.stop()
    postgres.kill()
    valkey.kill()
    assert _recall(warm).messages == []
    receipt = _keep(warm, 1)
    assert (receipt.durability, receipt.cached) == ("none", False)
    assert receipt.degraded == ["queue", "postgres", "redis"]


def test_no_thread_and_no_user(warm: Memory) -> None:
    """A missing thread or user is no error, and nothing is degraded."""
    assert Turn(warm, None, None).recall() == Recall([], {}, "none", [])
    assert Turn(warm, None, "ana").recall() == Recall([], {"tone": "dry"}, "redis", [])
    assert Turn(warm, None, "ana").keep("q", "a") == AppendResult(None, "none", cached=False)
    assert texts(Turn(warm, "t", None).recall().messages) == contents_of(0)


def test_redis_is_down_while_preferences_change(warm: Memory, valkey: ValkeyServer, process: MakeProcess) -> None:
    """PostgreSQL has the change. Redis returns with old data, which no reader sees."""
    valkey.freeze()
    assert Users(warm).merge("ana", {"tone": "kind"}) == {"tone": "kind"}
    valkey.thaw()
    until(lambda: "redis" not in _recall(warm).degraded)
    assert _recall(warm).preferences == {"tone": "kind"}
    assert _recall(process()).preferences == {"tone": "kind"}
