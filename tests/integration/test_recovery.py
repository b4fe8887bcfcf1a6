"""Redis loses lists by expiry, eviction or a restart. If a response lacks exchanges, `degraded` reports the layer."""

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
    context = Turn(memory, "t", "ana").recall()
    assert context.degraded == []
    return texts(context.messages)


def _run_turn(memory: Memory, *numbers: int) -> None:
    for number in numbers:
        turn = Turn(memory, "t", "ana")
        turn.recall()
        turn.append(f"q{number}", f"a{number}")


def test_an_expired_list_is_refilled_from_l2(
    process: MakeProcess, redis_client: redis.Redis, queue: InMemoryQueue
) -> None:
    """L2 refills an expired list. An exchange that is appended before the refill does not count as the whole thread."""
    memory, other = process(), process()
    _run_turn(memory, 0, 1)
    memory.archive.store(queue.take())
    redis_client.delete(LIST)
    Turn(other, "t", "ana").append("q2", "a2")
    assert _recall(memory) == contents_of(0, 1, 2)
    assert Turn(memory, "t", "ana").recall().source == "redis"
    assert 86_000 < redis_client.ttl(LIST) <= 86_400


def test_exchanges_of_an_evicted_list_are_shown_before_the_drain(
    process: MakeProcess, redis_client: redis.Redis
) -> None:
    """Redis evicts a list before the drain. Each process finds the list's exchanges in Redis' undrained hash."""
    memory = process()
    _run_turn(memory, 0, 1)
    redis_client.delete(LIST)
    assert _recall(process()) == contents_of(0, 1)
    assert _recall(memory) == contents_of(0, 1)


def test_the_accepting_process_shows_its_exchanges_after_an_eviction(
    process: MakeProcess, redis_client: redis.Redis
) -> None:
    """Redis evicts the list and the undrained exchanges. The process that accepted an exchange has it in memory."""
    memory = process()
    _run_turn(memory, 0, 1)
    redis_client.delete(LIST, "thread:t:pending", "thread:t:claim")
    assert _recall(memory) == contents_of(0, 1)


def test_postgresql_serves_the_memory_after_redis_restarted_empty(
    process: MakeProcess, valkey: ValkeyServer, queue: InMemoryQueue
) -> None:
    """Redis restarts empty. PostgreSQL serves history and preferences to old and new processes."""
    memory = process()
    Users(memory).replace("ana", {"tone": "dry"})
    _run_turn(memory, 0, 1)
    memory.archive.store(queue.take())
    valkey.kill()
    valkey.start()
    for each in (memory, process()):
        context = Turn(each, "t", "ana").recall()
        assert (texts(context.messages), context.preferences, context.degraded) == (
            contents_of(0, 1),
            {"tone": "dry"},
            [],
        )
    _run_turn(memory, 2)
    assert _recall(process()) == contents_of(0, 1, 2)


def test_missing_undrained_exchanges_are_reported_after_a_restart(
    process: MakeProcess, valkey: ValkeyServer, queue: InMemoryQueue
) -> None:
    """Redis restarts empty before the drain. Only the process that accepted the exchange shows it.

    The other processes report `queue` as degraded.
    """
    memory = process()
    _run_turn(memory, 0)
    valkey.kill()
    valkey.start()
    context = Turn(memory, "t", "ana").recall()
    assert texts(context.messages) == contents_of(0)
    other_process = Turn(process(), "t", "ana").recall()
    assert texts(other_process.messages) == contents_of(0) or other_process.degraded == ["queue"]
    memory.archive.store(queue.take())
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(0)


def test_a_window_is_loaded_from_postgresql_once(process: MakeProcess) -> None:
    """Only PostgreSQL has the thread. A process loads its window once."""
    memory = process()
    memory.archive.store(exchanges(60))
    assert _recall(memory) == contents_of(*range(10, 60))
    assert Turn(memory, "t", "ana").recall().source == "redis"


def test_lost_preferences_are_copied_from_l2(process: MakeProcess, redis_client: redis.Redis) -> None:
    """L1 has lost a user's preferences. The next read copies them from L2 to L1. They expire after thirty days."""
    memory = process()
    Users(memory).replace("ana", {"tone": "dry"})
    redis_client.delete(HASH)
    first, second = (Turn(memory, None, "ana").recall() for _ in range(2))
    assert (first.preferences, first.source) == ({"tone": "dry"}, "postgres")
    assert (second.preferences, second.source) == ({"tone": "dry"}, "redis")
    assert redis_client.ttl(HASH) > 29 * 86_400


def test_both_layers_have_the_same_preferences(
    process: MakeProcess, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """Both layers have the same preferences after each change by any process."""
    first_users, second_users = Users(process()), Users(process())
    for number in range(6):
        users = (first_users, second_users)[number % 2]
        users.merge("ana", {f"k{number}": "v", f"k{number - 1}": None})
        rows = database.execute("select key, value from user_preferences where user_id = 'ana'").fetchall()
        assert redis_client.hgetall(HASH) == dict(rows) == second_users.preferences("ana") == {f"k{number}": "v"}


def test_a_changed_window_size_hides_no_exchange(process: MakeProcess, queue: InMemoryQueue) -> None:
    """The window's size changes. No reader sees more than its own window.

    A list of a smaller window does not count as complete for a larger window.
    """
    memory = process()
    _run_turn(memory, *range(8))
    memory.archive.store(queue.take())
    assert texts(Turn(process(max_thread_messages=3), "t", "ana").recall().messages) == contents_of(5, 6, 7)
    small = process(max_thread_messages=4)
    _run_turn(small, 8)
    memory.archive.store(queue.take())
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(*range(9))


def test_a_repetition_in_postgresql_keeps_its_first_position(process: MakeProcess) -> None:
    """The queue is down, and a caller repeats an old exchange's id. The exchange keeps its place before the window."""
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
