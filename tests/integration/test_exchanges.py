"""The tests replace and delete single exchanges on real servers, with outages and concurrent changes.

An exchange's revision is the number of its replacements.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
import redis

from functions.sync.sweep import Sweep
from infra.local.servers import PostgresServer, ValkeyServer
from shared.errors import ExchangeNotFound, StoreUnavailable
from shared.memory.backlog import Backlog
from shared.memory.exchanges import Exchanges
from shared.memory.idempotency import Idempotency
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.models import Exchange, ExchangeTexts
from shared.settings import DatabaseSettings
from shared.stores.archive import Window
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.redis.cache import RedisCache
from shared.testing import InMemoryArchive, InMemoryQueue
from tests.support.exchanges import contents_of, exchange, exchanges, refill, texts

MakeProcess = Callable[..., Memory]
MakeCache = Callable[..., RedisCache]
MakeArchive = Callable[..., PostgresArchive]
LIST, PENDING, DELETED = "thread:t:messages", "thread:t:pending", "thread:t:deleted"
NEW = ExchangeTexts("new question", "new answer")


def _append_exchanges(memory: Memory, count: int = 3) -> list[UUID]:
    created = [Turn(memory, "t", None).append(f"q{number}", f"a{number}").exchange_id for number in range(count)]
    return [each for each in created if each is not None]


def _drain(memory: Memory, queue: InMemoryQueue) -> None:
    result = memory.archive.store(queue.take())
    memory.cache.merge_stored(result.effective)


def _sweep(memory: Memory) -> None:
    assert Sweep(memory.archive, memory.cache, 50, dead_letter_body=lambda *_: None).run().skipped == []


def _load(memory: Memory) -> list[str]:
    return texts(Turn(memory, "t", None).recall().messages)


def _listed(client: redis.Redis) -> list[str]:
    return [json.loads(entry)["content"] for entry in client.lrange(LIST, 0, -1)]


def _rows(database: psycopg.Connection) -> list[tuple[str, int]]:
    rows = database.execute("select content, revision from messages order by order_key, position").fetchall()
    return [(content, revision) for content, revision in rows]


def _revised(created: Exchange, revision: int) -> Exchange:
    return created.revised(ExchangeTexts(f"q r{revision}", f"a r{revision}"), revision)


# - merging revisions ---


@pytest.mark.parametrize("first", [0, 1])
def test_the_highest_revision_wins_in_postgresql(real_archive: MakeArchive, first: int) -> None:
    """PostgreSQL keeps the highest revision, for any order and any batches. The exchange's position and time stay."""
    archive, created = real_archive(), exchange(1)
    revised = [created, _revised(created, 1), _revised(created, 2)]
    archive.store(revised[first:])
    archive.store([*revised[:first], created])
    archive.store([created, revised[1]])
    assert archive.window("t", 5).exchanges == [revised[2]]


def test_the_highest_revision_wins_in_redis(real_cache: MakeCache) -> None:
    """Redis keeps the highest revision, in any order of the merges."""
    cache, created = real_cache(), exchange(1)
    cache.read("t", None)
    cache.append(_revised(created, 2), is_drained=True)
    cache.append(created, is_drained=False)
    cache.merge_stored([_revised(created, 1)])
    refill(cache, "t", Window([created], is_all=True))
    assert texts(cache.read("t", None).messages) == ["q r2", "a r2"]


def test_postgresqls_text_of_a_revision_stays(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """While PostgreSQL was down, two processes made two texts of one revision. The text that PostgreSQL stored wins."""
    created = exchange(1)
    one, other = _revised(created, 1), created.revised(NEW, 1)
    for steps in ((True, False), (False, True)):
        cache = real_cache()
        redis_client.flushall()
        cache.read("t", None)
        cache.append(created, is_drained=True)
        for is_stored in steps:
            if is_stored:
                cache.merge_stored([one])
            else:
                cache.append(other, is_drained=False)
        assert texts(cache.read("t", None).messages) == ["q r1", "a r1"]


def test_a_replacement_stays_undrained_after_the_drain_of_the_first_text(
    real_cache: MakeCache, redis_client: redis.Redis
) -> None:
    """The drain has stored the first text. The replacement is still queued, so Redis keeps it as undrained."""
    cache, created = real_cache(), exchange(1)
    cache.append(created, is_drained=False)
    cache.append(_revised(created, 1), is_drained=False)
    cache.merge_stored([created])
    redis_client.delete(LIST)
    assert cache.read("t", None).undrained == [_revised(created, 1)]
    cache.merge_stored([_revised(created, 1)])
    assert not redis_client.exists(PENDING)


# - replacing ---


def test_a_queued_old_text_is_not_restored(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """The old text does not return after deliveries, redrives, refills, and reads by other processes."""
    memory, other = process(), process()
    ids = _append_exchanges(memory)
    letters = list(queue.bodies)
    assert Exchanges(other).replace("t", ids[1], NEW).durability == "postgres"
    for _ in range(2):
        _drain(memory, queue)
        redis_client.delete(LIST)
        for each in (memory, other, process()):
            assert _load(each) == [*contents_of(0), "new question", "new answer", *contents_of(2)]
            assert _listed(redis_client) == _load(each)
        queue.bodies += letters
    assert [revision for _, revision in _rows(database)] == [0, 0, 1, 1, 0, 0]
    assert redis_client.exists(PENDING) == 0


def test_each_concurrent_replacement_has_its_own_revision(
    process: MakeProcess, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """Each concurrent replacement makes its own revision. Both layers show the same revision."""
    memories = [process() for _ in range(4)]
    exchange_id = _append_exchanges(memories[0], 1)[0]
    _load(memories[0])

    def replace(number: int) -> None:
        for turn in range(5):
            Exchanges(memories[number]).replace(
                "t", exchange_id, ExchangeTexts(f"q{number}.{turn}", f"a{number}.{turn}")
            )

    workers = [threading.Thread(target=replace, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    stored = _rows(database)
    assert [revision for _, revision in stored] == [20, 20]
    assert _listed(redis_client) == [content for content, _ in stored]


def test_a_refill_with_a_stale_window_keeps_the_new_text(real_cache: MakeCache) -> None:
    """A process reads a window before a replacement and refills the list after the replacement. The new text stays."""
    cache, created = real_cache(), exchanges(2)
    first_read = cache.read("t", None)
    cache.merge_stored([_revised(created[0], 1)])
    cache.refill("t", Window(created, is_all=True), first_read)
    read = cache.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (["q r1", "a r1", *contents_of(1)], True)


def test_a_replacement_that_redis_missed_is_shown(
    process: MakeProcess, queue: InMemoryQueue, valkey: ValkeyServer, redis_client: redis.Redis
) -> None:
    """Redis missed a replacement and lists the old text. Readers see the new text. The sweep updates the list."""
    memory, other = process(), process()
    ids = _append_exchanges(memory)
    _drain(memory, queue)
    assert (_load(memory), _load(other)) == (contents_of(0, 1, 2), contents_of(0, 1, 2))
    valkey.freeze()
    append_result = Exchanges(memory).replace("t", ids[1], NEW)
    assert (append_result.durability, append_result.cached, append_result.degraded) == ("postgres", False, ["redis"])
    valkey.thaw()
    while Turn(memory, "t", None).recall().degraded:
        """Wait for the breaker's probe."""
    for each in (memory, other):
        assert _load(each) == [*contents_of(0), "new question", "new answer", *contents_of(2)]
    redis_client.delete(LIST)
    refill(memory.cache, "t", Window([], is_all=False))
    _sweep(memory)
    assert _load(other) == [*contents_of(0), "new question", "new answer", *contents_of(2)]


def test_the_sweep_updates_lists_that_missed_a_change(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis, real_archive: MakeArchive
) -> None:
    """Two processes replace and delete exchanges, and end before they update Redis. The sweep updates the list."""
    memory = process()
    ids = _append_exchanges(memory)
    _drain(memory, queue)
    real_archive().replace_exchange("t", ids[0], NEW)
    assert real_archive().delete_exchange("t", ids[1]) == "deleted"
    assert _listed(redis_client) == contents_of(0, 1, 2)
    _sweep(memory)
    assert _listed(redis_client) == ["new question", "new answer", *contents_of(2)]


def test_a_replacement_is_queued_while_postgresql_is_down(
    process: MakeProcess, queue: InMemoryQueue, postgres: PostgresServer
) -> None:
    """PostgreSQL is down, so the replacement is queued. The drain stores it in any order of delivery."""
    memory = process()
    ids = _append_exchanges(memory)
    postgres.kill()
    for number in range(2):
        append_result = Exchanges(memory).replace("t", ids[1], ExchangeTexts(f"q new{number}", f"a new{number}"))
        assert (append_result.durability, append_result.cached) == ("queue", True)
    assert [json.loads(body)["version"] for body in queue.bodies] == [1, 1, 1, 2, 2]
    with pytest.raises(StoreUnavailable):
        Exchanges(memory).delete("t", ids[1])
    postgres.start()
    queue.bodies.reverse()
    while True:
        try:
            _drain(memory, queue)
        except StoreUnavailable:
            continue
        break
    assert _load(process()) == [*contents_of(0), "q new1", "a new1", *contents_of(2)]


# - deleting ---


def test_a_deleted_exchange_is_never_restored(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """The exchange stays deleted after deliveries, redrives, reads by other processes, and a loss of Redis' data."""
    memory, other = process(), process()
    ids = _append_exchanges(memory)
    letters = list(queue.bodies)
    Exchanges(other).delete("t", ids[1])
    for _ in range(2):
        for each in (memory, other, process()):
            assert _load(each) == contents_of(0, 2)
        _drain(memory, queue)
        _sweep(memory)
        assert "q1" not in str([redis_client.dump(key) for key in redis_client.scan_iter()])
        queue.bodies += letters
        redis_client.flushall()
    assert [content for content, _ in _rows(database)] == contents_of(0, 2)
    for each in (memory, process()):
        with pytest.raises(ExchangeNotFound):
            Exchanges(each).replace("t", ids[1], NEW)
        with pytest.raises(ExchangeNotFound):
            Exchanges(each).delete("t", ids[1])
        assert Turn(each, "t", None).append("again", "again", exchange_id=ids[1]).durability == "none"
    assert _load(memory) == contents_of(0, 2)


def test_a_late_append_of_a_deleted_exchange_leaves_no_data(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A late append reads the tombstone in its own round trip, and leaves no data of the deleted exchange."""
    cache, created = real_cache(), exchanges(2)
    cache.read("t", None)
    cache.append(created[0], is_drained=False)
    cache.forget_exchanges("t", [created[1].exchange_id])
    assert cache.append(created[1], is_drained=False).cutoff == created[1].order
    assert (_listed(redis_client), redis_client.hkeys(PENDING)) == (contents_of(0), [str(created[0].exchange_id)])


def test_a_merge_during_a_deletion_adds_no_deleted_exchange(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A merge adds no deleted exchange to a list. If a list still has a deleted exchange, readers do not see it."""
    cache, created = real_cache(), exchanges(3)
    first_read = cache.read("t", None)
    for each in created:
        cache.append(each, is_drained=True)
    cache.forget_exchanges("t", [created[1].exchange_id])
    cache.merge_stored([created[1]])
    assert _listed(redis_client) == contents_of(0, 2)
    cache.refill("t", Window(created, is_all=True), first_read)
    assert _listed(redis_client) == contents_of(0, 2)
    refill(real_cache(), "t", Window([created[0], created[2]], is_all=True))
    redis_client.srem(DELETED, str(created[1].exchange_id))
    cache.merge_stored([created[1]])
    redis_client.sadd(DELETED, str(created[1].exchange_id))
    read = cache.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (contents_of(0, 2), False)


def test_a_refill_after_a_concurrent_deletion_changes_nothing(real_cache: MakeCache) -> None:
    """A deletion happens while a process reads PostgreSQL. The process' refill changes nothing."""
    cache, other, created = real_cache(max_thread_messages=2), real_cache(max_thread_messages=2), exchanges(3)
    first_read = cache.read("t", None)
    other.forget_exchanges("t", [created[2].exchange_id])
    cache.refill("t", Window(created[1:], is_all=False), first_read)
    read = other.read("t", None)
    assert (texts(read.messages), read.is_sealed) == ([], False)


@pytest.mark.parametrize("deleted_number", [0, 1, 2])
def test_only_a_list_with_the_whole_thread_keeps_its_seal(real_cache: MakeCache, deleted_number: int) -> None:
    """After the deletion of an exchange, only a list with the whole thread keeps its seal."""
    created, kept = exchanges(3), [number for number in range(3) if number != deleted_number]
    whole, window = real_cache(), real_cache(max_thread_messages=3)
    refill(whole, "t", Window(created, is_all=True))
    whole.forget_exchanges("t", [created[deleted_number].exchange_id])
    read = whole.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (contents_of(*kept), True)
    window.forget_threads({"t": created[2].order})
    later = exchanges(3)
    refill(window, "t", Window(later, is_all=False))
    assert window.read("t", None).is_sealed
    window.forget_exchanges("t", [later[deleted_number].exchange_id])
    read = window.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (contents_of(*kept), False)


def test_a_refill_restores_lost_tombstones(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis
) -> None:
    """A refill restores the tombstones in Redis, so a late writer cannot restore the exchange."""
    memory = process()
    ids = _append_exchanges(memory)
    _drain(memory, queue)
    Exchanges(memory).delete("t", ids[1])
    redis_client.flushall()
    assert _load(process()) == contents_of(0, 2)
    assert redis_client.smembers(DELETED) == {str(ids[1])}


def test_the_sweep_removes_an_exchange_that_an_older_release_stored_again(
    process: MakeProcess, queue: InMemoryQueue, database: psycopg.Connection, redis_client: redis.Redis
) -> None:
    """An older release's drain stores a deleted exchange again. The sweep removes the exchange from both layers."""
    memory = process()
    ids = _append_exchanges(memory)
    _drain(memory, queue)
    exchange_before = memory.archive.window("t", 5).exchanges[1]
    Exchanges(memory).delete("t", ids[1])
    for position, (role, content) in enumerate((("user", "q1"), ("assistant", "a1"))):
        database.execute(
            "insert into messages (conversation_id, exchange_id, position, role, content, created_at)"
            " select id, %s, %s, %s, %s, %s from conversations",
            (ids[1], position, role, content, exchange_before.created_at),
        )
    _sweep(memory)
    assert [content for content, _ in _rows(database)] == contents_of(0, 2)
    assert _listed(redis_client) == contents_of(0, 2)


def test_a_deletion_deletes_only_its_own_threads_response(
    process: MakeProcess, database: psycopg.Connection, database_url: str
) -> None:
    """Two threads have an exchange with one id. Its deletion in one thread keeps the other thread's stored response."""
    memory, connection = process(), PostgresConnection(DatabaseSettings(url=database_url))
    keys = Idempotency([PostgresKeys(connection)], Backlog(InMemoryQueue(), InMemoryArchive()))
    exchange_id = _append_exchanges(memory, 1)[0]
    Turn(memory, "copy", None).append("q0", "a0", exchange_id=exchange_id)
    for thread_id in ("t", "copy"):
        lease = keys.acquire("ana", thread_id, b"{}", UUID(int=7))
        lease.complete({"thread_id": thread_id, "exchange_id": str(exchange_id), "response": "a0"})
    Exchanges(memory).delete("t", exchange_id)
    stored_answers = database.execute("select thread_id, answer from idempotency_keys order by thread_id").fetchall()
    assert stored_answers[1] == ("t", "{}")
    assert json.loads(stored_answers[0][1])["response"] == "a0"
    connection.close()


def test_both_layers_are_equal_after_concurrent_changes(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """After concurrent replacements, deletions, drains, refills and losses, both layers have the same exchanges."""
    memories = [process() for _ in range(4)]
    ids, lock = _append_exchanges(memories[0], 8), threading.Lock()
    random_generator = random.Random(7)  # noqa: S311 - no secret depends on it
    plans = [[random_generator.random() for _ in range(25)] for _ in memories]

    def change(memory: Memory, plan: list[float]) -> None:
        for number, value in enumerate(plan):
            target = ids[int(value * 1000) % len(ids)]
            try:
                if value < 0.4:
                    Exchanges(memory).replace("t", target, ExchangeTexts(f"q{value}", f"a{value}"))
                elif value < 0.5 and number > 12:
                    Exchanges(memory).delete("t", target)
                elif value < 0.6:
                    redis_client.delete(LIST)
                elif value < 0.8:
                    with lock:
                        letters = queue.take()
                    memory.cache.merge_stored(memory.archive.store(letters).effective)
                else:
                    Turn(memory, "t", None).recall()
            except ExchangeNotFound:
                continue

    workers = [threading.Thread(target=change, args=pair) for pair in zip(memories, plans, strict=True)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    _drain(memories[0], queue)
    _sweep(memories[0])
    stored = [content for content, _ in _rows(database)]
    assert _load(memories[1]) == stored
    assert _listed(redis_client) == stored
    page = Threads(memories[2]).messages("t", 50, None, descending=False)
    assert texts(page.items) == stored
