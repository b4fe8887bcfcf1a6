"""Redis loses lists by expiry, by eviction or by a restart. If a response lacks exchanges, it says so in `degraded`."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import psycopg
import redis

from infra.local.servers import ValkeyServer
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.testing import InMemoryQueue
from tests.support.exchanges import contents_of, exchanges, texts

MakeProcess = Callable[..., Memory]
LIST, HASH = "thread:t:messages", "user:ana:preferences"


def _recall(memory: Memory) -> list[str]:
    recalled = Turn(memory, "t", "ana").recall()
    assert recalled.degraded == []
    return texts(recalled.messages)


def _tell(memory: Memory, *numbers: int) -> None:
    for number in numbers:
        turn = Turn(memory, "t", "ana")
        turn.recall()
        turn.append(f"q{number}", f"a{number}")


def test_an_expired_list(process: MakeProcess, redis_client: redis.Redis, queue: InMemoryQueue) -> None:
    """L2 refills an expired list. An exchange that was appended before does not count as the whole thread."""
    memory, other = process(), process()
    _tell(memory, 0, 1)
    memory.archive.store(queue.take())
    redis_client.delete(LIST)
    Turn(other, "t", "ana").append("q2", "a2")
    assert _recall(memory) == contents_of(0, 1, 2)
    assert Turn(memory, "t", "ana").recall().source == "redis"
    assert 86_000 < redis_client.ttl(LIST) <= 86_400


def test_an_evicted_list_before_the_drain(process: MakeProcess, redis_client: redis.Redis) -> None:
    """Redis evicts a list before the drain. Every process still sees its exchanges in the undrained hash."""
    memory = process()
    _tell(memory, 0, 1)
    redis_client.delete(LIST)
    assert _recall(process()) == contents_of(0, 1)
    assert _recall(memory) == contents_of(0, 1)


def test_a_list_evicted_with_all_related_keys(process: MakeProcess, redis_client: redis.Redis) -> None:
    """Redis evicts the list and the undrained hash. The process that accepted the exchange has it in memory."""
    memory = process()
    _tell(memory, 0, 1)
    redis_client.delete(LIST, "thread:t:pending", "thread:t:claim")
    assert _recall(memory) == contents_of(0, 1)


def test_redis_restarted_empty(process: MakeProcess, valkey: ValkeyServer, queue: InMemoryQueue) -> None:
    """Redis restarts empty. PostgreSQL serves history and preferences to old and new processes."""
    memory = process()
    Users(memory).replace("ana", {"tone": "dry"})
    _tell(memory, 0, 1)
    memory.archive.store(queue.take())
    valkey.kill()
    valkey.start()
    for each in (memory, process()):
        recalled = Turn(each, "t", "ana").recall()
        assert (texts(recalled.messages), recalled.preferences, recalled.degraded) == (
            contents_of(0, 1),
            {"tone": "dry"},
            [],
        )
    _tell(memory, 2)
    assert _recall(process()) == contents_of(0, 1, 2)


def test_redis_restarted_empty_before_the_drain(
    process: MakeProcess, valkey: ValkeyServer, queue: InMemoryQueue
) -> None:
    """Redis restarts empty before the drain. Only the process that accepted the exchange shows it.

    The other processes report `queue` as degraded.
    """
    memory = process()
    _tell(memory, 0)
    valkey.kill()
    valkey.start()
    recalled = Turn(memory, "t", "ana").recall()
    assert texts(recalled.messages) == contents_of(0)
    other_process = Turn(process(), "t", "ana").recall()
    assert texts(other_process.messages) == contents_of(0) or other_process.degraded == ["queue"]
    memory.archive.store(queue.take())
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(0)


def test_exchanges_that_only_postgresql_has(process: MakeProcess) -> None:
    """Only PostgreSQL has the thread. A process loads its window once."""
    memory = process()
    memory.archive.store(exchanges(60))
    assert _recall(memory) == contents_of(*range(10, 60))
    assert Turn(memory, "t", "ana").recall().source == "redis"


def test_a_lost_hash(process: MakeProcess, redis_client: redis.Redis) -> None:
    """L1 has lost a user's preferences. The next read copies them from L2 to L1. They expire after thirty days."""
    memory = process()
    Users(memory).replace("ana", {"tone": "dry"})
    redis_client.delete(HASH)
    first, second = (Turn(memory, None, "ana").recall() for _ in range(2))
    assert (first.preferences, first.source) == ({"tone": "dry"}, "postgres")
    assert (second.preferences, second.source) == ({"tone": "dry"}, "redis")
    assert redis_client.ttl(HASH) > 29 * 86_400


def test_both_layers_hold_the_same_preferences(
    process: MakeProcess, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """Both layers have the same preferences after each change by any process."""
    one, other = Users(process()), Users(process())
    for number in range(6):
        users = (one, other)[number % 2]
        users.merge("ana", {f"k{number}": "v", f"k{number - 1}": None})
        rows = database.execute("select key, value from user_preferences where user_id = 'ana'").fetchall()
        assert redis_client.hgetall(HASH) == dict(rows) == other.preferences("ana") == {f"k{number}": "v"}


def test_a_smaller_and_a_larger_window(process: MakeProcess, queue: InMemoryQueue) -> None:
    """The window's size changes. No reader sees more than its window, and a shorter list does not count as complete."""
    memory = process()
    _tell(memory, *range(8))
    memory.archive.store(queue.take())
    assert texts(Turn(process(max_thread_messages=3), "t", "ana").recall().messages) == contents_of(5, 6, 7)
    small = process(max_thread_messages=4)
    _tell(small, 8)
    memory.archive.store(queue.take())
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(*range(9))


def test_a_repetition_in_postgresql_keeps_its_first_position(process: MakeProcess) -> None:
    """The queue is down and a caller repeats an id. Redis gets the text that PostgreSQL has under this id."""
    queue, name = InMemoryQueue(), uuid4()
    memory = process(queue, max_thread_messages=2)
    Turn(memory, "t", None).append("q0", "a0", exchange_id=name)
    for number in (1, 2):
        Turn(memory, "t", None).append(f"q{number}", f"a{number}")
    memory.archive.store(queue.take())
    queue.is_down = True
    assert Turn(memory, "t", None).append("q9", "a9", exchange_id=name).durability == "postgres"
    for reader in (memory, process(queue, max_thread_messages=2)):
        assert texts(Turn(reader, "t", None).recall().messages) == contents_of(1, 2)
