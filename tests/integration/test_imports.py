"""The tests import exchanges on real PostgreSQL and Valkey. The caller of an import gives the exchange's time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import redis

from shared.ids import is_time_ordered, milliseconds_of, order_key
from shared.memory.exchanges import Exchanges
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.models import Exchange, ExchangeTexts
from shared.testing import InMemoryQueue
from tests.support.exchanges import contents_of, texts

MakeMemory = Callable[..., Memory]
PAST = datetime(2020, 5, 6, 7, 8, 9, 123_456, tzinfo=UTC)


def _append(
    memory: Memory,
    number: int | str,
    created_at: datetime | None = None,
    *,
    user: str = "ana",
    exchange_id: UUID | None = None,
) -> UUID:
    appended = Turn(memory, "t", user).append(f"q{number}", f"a{number}", (), exchange_id, None, created_at)
    assert appended.exchange_id is not None
    return appended.exchange_id


def _past(days: int) -> datetime:
    return PAST + timedelta(days=days)


def _drain(memory: Memory, queue: InMemoryQueue) -> list[Exchange]:
    """Store the queued exchanges in both layers, and return these exchanges."""
    queued_exchanges = queue.take()
    _store(memory, queued_exchanges)
    return queued_exchanges


def _store(memory: Memory, queued: list[Exchange]) -> None:
    if queued:
        memory.cache.merge_stored(memory.archive.store(queued).effective)


def _shown(memory: Memory) -> list[str]:
    recall = Turn(memory, "t", "ana").recall()
    assert recall.degraded == []
    return texts(recall.messages)


def _stored(memory: Memory) -> list[str]:
    return [each.user_message for each in memory.archive.window("t", 100).exchanges]


@pytest.mark.parametrize("state", ["sealed", "no list", "drained"])
def test_imports_sort_by_their_times(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis, state: str
) -> None:
    """Imports and turns are in the order of their times.

    This is true with a sealed list, without a list, and after the drain.
    """
    memory = process()
    _append(memory, 2, _past(2))
    _append(memory, 5)
    assert _shown(memory) == contents_of(2, 5)
    if state == "no list":
        redis_client.delete("thread:t:messages")
    for number in (1, 4, 3):
        _append(memory, number, _past(number))
    if state == "drained":
        _drain(memory, queue)
        redis_client.flushall()
    assert _shown(memory) == contents_of(1, 2, 3, 4, 5)
    assert _shown(process()) == contents_of(1, 2, 3, 4, 5)
    _drain(memory, queue)
    assert _shown(process()) == contents_of(1, 2, 3, 4, 5)
    page = Threads(memory).messages("t", 100, None, descending=False)
    assert texts(page.items) == contents_of(1, 2, 3, 4, 5)
    assert page.items[0].created_at == _past(1)


@pytest.mark.parametrize("is_drained", [False, True])
def test_the_window_has_the_newest_exchanges(process: MakeMemory, queue: InMemoryQueue, *, is_drained: bool) -> None:
    """After an import with any time, a full window still has the exchanges with the latest times."""
    memory = process(max_thread_messages=3)
    for number in (3, 5, 7):
        _append(memory, number, _past(number))
    assert _shown(memory) == contents_of(3, 5, 7)
    for number, window in ((1, (3, 5, 7)), (6, (5, 6, 7)), (2, (5, 6, 7)), (9, (6, 7, 9)), (4, (6, 7, 9))):
        _append(memory, number, _past(number))
        if is_drained:
            _drain(memory, queue)
        assert _shown(memory) == contents_of(*window)
        assert _shown(process(max_thread_messages=3)) == contents_of(*window)
    _drain(memory, queue)
    assert _stored(memory) == [f"q{number}" for number in (1, 2, 3, 4, 5, 6, 7, 9)]
    assert _shown(process(max_thread_messages=3)) == contents_of(6, 7, 9)


@pytest.mark.parametrize("what", ["thread", "user"])
@pytest.mark.parametrize("is_drained", [False, True])
def test_a_deletion_includes_what_was_accepted_before_it(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis, what: str, *, is_drained: bool
) -> None:
    """A deletion removes all imports that were accepted before it, also from the queue.

    An import that is accepted after the deletion stays, although its own time is before the deletion.
    """
    memory = process()
    _append(memory, 1, _past(1))
    _append(memory, 2)
    # An import's time may be a few seconds ahead of the clock. This time is after the deletion.
    _append(memory, 3, datetime.now(UTC) + timedelta(seconds=5))
    redelivered = _drain(memory, queue) if is_drained else queue.take()
    if what == "thread":
        Threads(memory).delete("t")
    else:
        Users(memory).forget("ana")
    assert _shown(process()) == []
    _store(memory, redelivered)
    assert (_shown(process()), _stored(memory)) == ([], [])
    _append(process(), 4, _past(0))
    assert _shown(process()) == contents_of(4)
    assert _shown(memory) == contents_of(4)
    _drain(memory, queue)
    _store(memory, redelivered)
    assert (_shown(process()), _stored(memory)) == (contents_of(4), ["q4"])
    redis_client.flushall()
    assert _shown(process()) == contents_of(4)
    # A second deletion includes the import after the first deletion.
    redis_client.flushall()
    if what == "thread":
        Threads(memory).delete("t")
    else:
        Users(memory).forget("ana")
    assert _shown(process()) == []


def test_the_sweep_keeps_an_import_after_a_deletion(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """The sweep repeats a deletion in Redis. It removes no import that was accepted after the first deletion."""
    memory = process()
    _append(memory, 1, _past(1))
    Threads(memory).delete("t")
    cutoff = memory.archive.owner("t").cutoff
    assert cutoff is not None
    _append(memory, 2, _past(2))
    _shown(memory)
    memory.cache.forget_threads({"t": cutoff})
    assert redis_client.llen("thread:t:messages") == 2
    memory.cache.recheck_thread("t", memory.archive.window("t", 50))
    assert _shown(process()) == contents_of(2)
    _drain(memory, queue)
    assert _shown(process()) == contents_of(2)


def test_a_deleted_import_stays_deleted(process: MakeMemory, queue: InMemoryQueue) -> None:
    """After the deletion of an import, no store accepts its id again. The other exchanges stay."""
    memory = process()
    exchange_id = _append(memory, 1, _past(1))
    _append(memory, 2, _past(2))
    queued_exchanges = queue.take()
    Exchanges(memory).delete("t", exchange_id)
    _store(memory, queued_exchanges)
    appended = Turn(memory, "t", "ana").append("q1", "a1", (), exchange_id, None, _past(1))
    assert appended.durability == "none"
    _drain(memory, queue)
    assert (_shown(process()), _stored(memory)) == (contents_of(2), ["q2"])


def test_a_replaced_import_keeps_its_place(process: MakeMemory, queue: InMemoryQueue) -> None:
    """A replaced import keeps its time. A deletion before the import's acceptance does not include the import."""
    memory = process()
    _append(memory, 0)
    Threads(memory).delete("t")
    exchange_id = _append(memory, 1, _past(1))
    _append(memory, 2, _past(2))
    Exchanges(memory).replace("t", exchange_id, ExchangeTexts("q7", "a7"))
    _drain(memory, queue)
    assert (_shown(process()), _stored(memory)) == (contents_of(7, 2), ["q7", "q2"])


@pytest.mark.parametrize("name", [uuid4(), UUID(int=milliseconds_of(order_key(UUID(int=0), PAST)) << 80 | 7 << 76)])
@pytest.mark.parametrize("first", ["turn", "import"])
@pytest.mark.parametrize("is_drained", [False, True])
def test_an_import_never_replaces_a_stored_exchange(
    process: MakeMemory, queue: InMemoryQueue, name: UUID, first: str, *, is_drained: bool
) -> None:
    """Of two exchanges with one id, both layers have the exchange that was accepted first, for any times."""
    memory = process()
    _append(memory, 1, _past(0) if first == "import" else None, exchange_id=name)
    if is_drained:
        _drain(memory, queue)
    second_time = PAST if is_time_ordered(name) else _past(-3)
    _append(process(), 2, second_time, exchange_id=name)
    assert _shown(process()) == contents_of(1)
    # The queue may deliver the second exchange before the first exchange.
    for each in reversed(queue.take()):
        _store(memory, [each])
    assert (_shown(process()), _stored(memory)) == (contents_of(1), ["q1"])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("is_one_batch", [False, True])
def test_the_first_accepted_exchange_names_the_thread(
    process: MakeMemory, queue: InMemoryQueue, order: tuple[int, ...], *, is_one_batch: bool
) -> None:
    """The exchange that was accepted first sets the thread's owner and title, in any order of the drain."""
    memory = process()
    _append(memory, "first", _past(5), user="ana")
    _append(memory, "turn", user="bob")
    _append(memory, "earlier", _past(1), user="carl")
    queued_exchanges = queue.take()
    batches = [queued_exchanges] if is_one_batch else [[queued_exchanges[number]] for number in order]
    for batch in batches:
        _store(memory, batch)
    thread = memory.archive.thread("t")
    assert thread is not None
    assert (thread.user_id, thread.title, thread.created_at) == ("ana", "qfirst", _past(1))
    assert thread.updated_at == queued_exchanges[1].created_at


def test_a_turn_accepted_before_an_import_names_the_thread(process: MakeMemory, queue: InMemoryQueue) -> None:
    """A turn is accepted before an import and drained after it. The turn sets the thread's owner and title."""
    memory = process()
    _append(memory, "turn", user="ana")
    _append(memory, "import", _past(1), user="bob")
    turn, imported = queue.take()
    _store(memory, [imported])
    before = memory.archive.thread("t")
    _store(memory, [turn])
    after = memory.archive.thread("t")
    assert before is not None
    assert after is not None
    assert (before.user_id, before.title) == ("bob", "qimport")
    assert (after.user_id, after.title, after.created_at) == ("ana", "qturn", _past(1))


def test_equal_times_keep_the_order_of_acceptance(process: MakeMemory, queue: InMemoryQueue) -> None:
    """Imports with the same time are in the order of their acceptance, even from several processes."""
    memories = [process(), process()]
    for number in range(20):
        exchange_id = _append(memories[number % 2], number, PAST)
        assert (exchange_id.version, milliseconds_of(exchange_id)) == (7, int(PAST.timestamp() * 1000))
    assert _shown(process()) == contents_of(*range(20))
    queue.bodies.reverse()
    _drain(memories[0], queue)
    assert _shown(process()) == contents_of(*range(20))


def test_imports_do_not_affect_the_order_of_turns(process: MakeMemory) -> None:
    """An import's time may be slightly ahead of the clock. A later turn still gets the current time."""
    memory = process()
    ahead = datetime.now(UTC) + timedelta(seconds=9)
    _append(memory, 2, ahead)
    assert _shown(memory) == contents_of(2)
    exchange_id = _append(memory, 1)
    assert milliseconds_of(exchange_id) < int(ahead.timestamp() * 1000)
    assert _shown(process()) == contents_of(1, 2)


def test_an_import_while_the_queue_is_down(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """PostgreSQL stores an import directly, even if the thread's cutoff is later than the import's time."""
    memory = process()
    _append(memory, 0)
    Threads(memory).delete("t")
    queue.is_down = True
    appended = Turn(memory, "t", "ana").append("q1", "a1", (), None, None, _past(1))
    assert appended.durability == "postgres"
    redis_client.flushall()
    queue.is_down = False
    assert _stored(memory) == ["q1"]
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(1)
