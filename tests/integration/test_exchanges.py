"""The tests replace and delete single exchanges on real servers, with outages and concurrent changes."""

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


def _say(memory: Memory, count: int = 3) -> list[UUID]:
    made = [Turn(memory, "t", None).append(f"q{number}", f"a{number}").exchange_id for number in range(count)]
    return [each for each in made if each is not None]


def _drain(memory: Memory, queue: InMemoryQueue) -> None:
    result = memory.archive.store(queue.take())
    memory.cache.merge_stored(result.effective)


def _sweep(memory: Memory) -> None:
    assert Sweep(memory.archive, memory.cache, 50, dead_letter_body=lambda *_: None).run().skipped == []


def _shown(memory: Memory) -> list[str]:
    return texts(Turn(memory, "t", None).recall().messages)


def _listed(client: redis.Redis) -> list[str]:
    return [json.loads(entry)["content"] for entry in client.lrange(LIST, 0, -1)]


def _rows(database: psycopg.Connection) -> list[tuple[str, int]]:
    found = database.execute("select content, revision from messages order by order_key, position").fetchall()
    return [(content, revision) for content, revision in found]


def _revised(made: Exchange, revision: int) -> Exchange:
    return made.revised(ExchangeTexts(f"q r{revision}", f"a r{revision}"), revision)


# - merging revisions ---


@pytest.mark.parametrize("first", [0, 1])
def test_the_highest_revision_wins_in_postgresql(real_archive: MakeArchive, first: int) -> None:
    """The highest revision wins in any order and in any batches. The exchange keeps its position and time."""
    archive, made = real_archive(), exchange(1)
    revised = [made, _revised(made, 1), _revised(made, 2)]
    archive.store(revised[first:])
    archive.store([*revised[:first], made])
    archive.store([made, revised[1]])
    assert archive.window("t", 5).exchanges == [revised[2]]


def test_the_highest_revision_wins_in_redis(real_cache: MakeCache) -> None:
    """The highest revision wins in any order of the merges."""
    cache, made = real_cache(), exchange(1)
    cache.read("t", None)
    cache.append(_revised(made, 2), is_drained=True)
    cache.append(made, is_drained=False)
    cache.merge_stored([_revised(made, 1)])
    refill(cache, "t", Window([made], is_all=True))
    assert texts(cache.read("t", None).messages) == ["q r2", "a r2"]


def test_postgresqls_text_of_a_revision_stays(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """Two processes gave different texts the same revision while PostgreSQL was down. PostgreSQL's text wins."""
    made = exchange(1)
    one, other = _revised(made, 1), made.revised(NEW, 1)
    for steps in ((True, False), (False, True)):
        cache = real_cache()
        redis_client.flushall()
        cache.read("t", None)
        cache.append(made, is_drained=True)
        for is_stored in steps:
            if is_stored:
                cache.merge_stored([one])
            else:
                cache.append(other, is_drained=False)
        assert texts(cache.read("t", None).messages) == ["q r1", "a r1"]


def test_draining_the_first_text_leaves_the_second_waiting(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """The drain has stored the first text. The replacement is still queued, so Redis keeps it as undrained."""
    cache, made = real_cache(), exchange(1)
    cache.append(made, is_drained=False)
    cache.append(_revised(made, 1), is_drained=False)
    cache.merge_stored([made])
    redis_client.delete(LIST)
    assert cache.read("t", None).undrained == [_revised(made, 1)]
    cache.merge_stored([_revised(made, 1)])
    assert not redis_client.exists(PENDING)


# - replacing ---


def test_a_queued_old_text_is_not_restored(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """The old text stays replaced after deliveries, redrives, refills, and reads by other processes."""
    memory, other = process(), process()
    named = _say(memory)
    letters = list(queue.bodies)
    assert Exchanges(other).replace("t", named[1], NEW).durability == "postgres"
    for _ in range(2):
        _drain(memory, queue)
        redis_client.delete(LIST)
        for each in (memory, other, process()):
            assert _shown(each) == [*contents_of(0), "new question", "new answer", *contents_of(2)]
            assert _listed(redis_client) == _shown(each)
        queue.bodies += letters
    assert [revision for _, revision in _rows(database)] == [0, 0, 1, 1, 0, 0]
    assert redis_client.exists(PENDING) == 0


def test_two_concurrent_replacements(
    process: MakeProcess, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """Each concurrent replacement makes its own revision. Both layers show the same revision."""
    memories = [process() for _ in range(4)]
    named = _say(memories[0], 1)[0]
    _shown(memories[0])

    def replace(number: int) -> None:
        for turn in range(5):
            Exchanges(memories[number]).replace("t", named, ExchangeTexts(f"q{number}.{turn}", f"a{number}.{turn}"))

    workers = [threading.Thread(target=replace, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    stored = _rows(database)
    assert [revision for _, revision in stored] == [20, 20]
    assert _listed(redis_client) == [content for content, _ in stored]


def test_a_stale_window(real_cache: MakeCache) -> None:
    """A process reads a window before a replacement and refills the list after the replacement. The new text stays."""
    cache, made = real_cache(), exchanges(2)
    asked = cache.read("t", None)
    cache.merge_stored([_revised(made[0], 1)])
    cache.refill("t", Window(made, is_all=True), asked)
    read = cache.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (["q r1", "a r1", *contents_of(1)], True)


def test_without_redis(
    process: MakeProcess, queue: InMemoryQueue, valkey: ValkeyServer, redis_client: redis.Redis
) -> None:
    """Redis missed a replacement. Readers see the new text. The sweep replaces the old text in Redis' list."""
    memory, other = process(), process()
    named = _say(memory)
    _drain(memory, queue)
    assert (_shown(memory), _shown(other)) == (contents_of(0, 1, 2), contents_of(0, 1, 2))
    valkey.freeze()
    receipt = Exchanges(memory).replace("t", named[1], NEW)
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("postgres", False, ["redis"])
    valkey.thaw()
    while Turn(memory, "t", None).recall().degraded:
        """Wait for the breaker's probe."""
    for each in (memory, other):
        assert _shown(each) == [*contents_of(0), "new question", "new answer", *contents_of(2)]
    redis_client.delete(LIST)
    refill(memory.cache, "t", Window([], is_all=False))
    _sweep(memory)
    assert _shown(other) == [*contents_of(0), "new question", "new answer", *contents_of(2)]


def test_the_sweep_repairs_missed_changes(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis, real_archive: MakeArchive
) -> None:
    """Two processes replace and delete an exchange and die before they update Redis. The sweep updates the list."""
    memory = process()
    named = _say(memory)
    _drain(memory, queue)
    real_archive().replace_exchange("t", named[0], NEW)
    assert real_archive().delete_exchange("t", named[1]) == "deleted"
    assert _listed(redis_client) == contents_of(0, 1, 2)
    _sweep(memory)
    assert _listed(redis_client) == ["new question", "new answer", *contents_of(2)]


def test_without_postgresql(process: MakeProcess, queue: InMemoryQueue, postgres: PostgresServer) -> None:
    """PostgreSQL is down, so the replacement is queued. The drain stores it in any order of delivery."""
    memory = process()
    named = _say(memory)
    postgres.kill()
    for number in range(2):
        receipt = Exchanges(memory).replace("t", named[1], ExchangeTexts(f"q new{number}", f"a new{number}"))
        assert (receipt.durability, receipt.cached) == ("queue", True)
    assert [json.loads(body)["version"] for body in queue.bodies] == [1, 1, 1, 2, 2]
    with pytest.raises(StoreUnavailable):
        Exchanges(memory).delete("t", named[1])
    postgres.start()
    queue.bodies.reverse()
    while True:
        try:
            _drain(memory, queue)
        except StoreUnavailable:
            continue
        break
    assert _shown(process()) == [*contents_of(0), "q new1", "a new1", *contents_of(2)]


# - deleting ---


def test_a_deleted_exchange_is_never_restored(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """The exchange stays deleted after deliveries, redrives, reads by other processes, and a loss of Redis' data."""
    memory, other = process(), process()
    named = _say(memory)
    letters = list(queue.bodies)
    Exchanges(other).delete("t", named[1])
    for _ in range(2):
        for each in (memory, other, process()):
            assert _shown(each) == contents_of(0, 2)
        _drain(memory, queue)
        _sweep(memory)
        assert "q1" not in str([redis_client.dump(key) for key in redis_client.scan_iter()])
        queue.bodies += letters
        redis_client.flushall()
    assert [content for content, _ in _rows(database)] == contents_of(0, 2)
    for each in (memory, process()):
        with pytest.raises(ExchangeNotFound):
            Exchanges(each).replace("t", named[1], NEW)
        with pytest.raises(ExchangeNotFound):
            Exchanges(each).delete("t", named[1])
        assert Turn(each, "t", None).append("again", "again", exchange_id=named[1]).durability == "none"
    assert _shown(memory) == contents_of(0, 2)


def test_a_late_append_of_a_deleted_exchange(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """The append reads the tombstone in the same round trip and leaves no data of the deleted exchange."""
    cache, made = real_cache(), exchanges(2)
    cache.read("t", None)
    cache.append(made[0], is_drained=False)
    cache.forget_exchanges("t", [made[1].exchange_id])
    assert cache.append(made[1], is_drained=False).cutoff == made[1].order
    assert (_listed(redis_client), redis_client.hkeys(PENDING)) == (contents_of(0), [str(made[0].exchange_id)])


def test_a_merge_beside_the_deletion(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A merge of data from before a deletion adds nothing. If a list has a deleted exchange, readers do not see it."""
    cache, made = real_cache(), exchanges(3)
    asked = cache.read("t", None)
    for each in made:
        cache.append(each, is_drained=True)
    cache.forget_exchanges("t", [made[1].exchange_id])
    cache.merge_stored([made[1]])
    assert _listed(redis_client) == contents_of(0, 2)
    cache.refill("t", Window(made, is_all=True), asked)
    assert _listed(redis_client) == contents_of(0, 2)
    refill(real_cache(), "t", Window([made[0], made[2]], is_all=True))
    redis_client.srem(DELETED, str(made[1].exchange_id))
    cache.merge_stored([made[1]])
    redis_client.sadd(DELETED, str(made[1].exchange_id))
    read = cache.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (contents_of(0, 2), False)


def test_a_deletion_during_a_read_of_postgresql(real_cache: MakeCache) -> None:
    """A deletion happens while a process reads PostgreSQL. The process' refill changes nothing."""
    cache, other, made = real_cache(max_thread_messages=2), real_cache(max_thread_messages=2), exchanges(3)
    asked = cache.read("t", None)
    other.forget_exchanges("t", [made[2].exchange_id])
    cache.refill("t", Window(made[1:], is_all=False), asked)
    read = other.read("t", None)
    assert (texts(read.messages), read.is_sealed) == ([], False)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_the_seal_of_a_list(real_cache: MakeCache, gone: int) -> None:
    """After the deletion of an exchange, a list with a whole thread keeps its seal. Any other list loses its seal."""
    made, kept = exchanges(3), [number for number in range(3) if number != gone]
    whole, window = real_cache(), real_cache(max_thread_messages=3)
    refill(whole, "t", Window(made, is_all=True))
    whole.forget_exchanges("t", [made[gone].exchange_id])
    read = whole.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (contents_of(*kept), True)
    window.forget_threads({"t": made[2].order})
    later = exchanges(3)
    refill(window, "t", Window(later, is_all=False))
    assert window.read("t", None).is_sealed
    window.forget_exchanges("t", [later[gone].exchange_id])
    read = window.read("t", None)
    assert (texts(read.messages), read.is_sealed) == (contents_of(*kept), False)


def test_redis_that_lost_its_tombstones(process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis) -> None:
    """A refill restores the tombstones in Redis, so a late writer cannot restore the exchange."""
    memory = process()
    named = _say(memory)
    _drain(memory, queue)
    Exchanges(memory).delete("t", named[1])
    redis_client.flushall()
    assert _shown(process()) == contents_of(0, 2)
    assert redis_client.smembers(DELETED) == {str(named[1])}


def test_an_older_release_beside_this_one(
    process: MakeProcess, queue: InMemoryQueue, database: psycopg.Connection, redis_client: redis.Redis
) -> None:
    """An older release's drain stores a deleted exchange again. The sweep removes the exchange from both layers."""
    memory = process()
    named = _say(memory)
    _drain(memory, queue)
    kept = memory.archive.window("t", 5).exchanges[1]
    Exchanges(memory).delete("t", named[1])
    for position, (role, content) in enumerate((("user", "q1"), ("assistant", "a1"))):
        database.execute(
            "insert into messages (conversation_id, exchange_id, position, role, content, created_at)"
            " select id, %s, %s, %s, %s, %s from conversations",
            (named[1], position, role, content, kept.created_at),
        )
    _sweep(memory)
    assert [content for content, _ in _rows(database)] == contents_of(0, 2)
    assert _listed(redis_client) == contents_of(0, 2)


def test_the_answer_to_a_key(process: MakeProcess, database: psycopg.Connection, database_url: str) -> None:
    """Two threads have an exchange with the same id. A deletion in one thread keeps the other thread's response."""
    memory, connection = process(), PostgresConnection(DatabaseSettings(url=database_url))
    keys = Idempotency([PostgresKeys(connection)], Backlog(InMemoryQueue(), InMemoryArchive()))
    named = _say(memory, 1)[0]
    Turn(memory, "copy", None).append("q0", "a0", exchange_id=named)
    for thread_id in ("t", "copy"):
        lease = keys.acquire("ana", thread_id, b"{}", UUID(int=7))
        lease.complete({"thread_id": thread_id, "exchange_id": str(named), "response": "a0"})
    Exchanges(memory).delete("t", named)
    told_now = database.execute("select thread_id, answer from idempotency_keys order by thread_id").fetchall()
    assert told_now[1] == ("t", "{}")
    assert json.loads(told_now[0][1])["response"] == "a0"
    connection.close()


def test_concurrent_changes_of_every_kind(
    process: MakeProcess, queue: InMemoryQueue, redis_client: redis.Redis, database: psycopg.Connection
) -> None:
    """Both layers have the same exchanges after concurrent replacements, deletions, drains, refills and losses."""
    memories = [process() for _ in range(4)]
    named, lock = _say(memories[0], 8), threading.Lock()
    chance = random.Random(7)  # noqa: S311 - no secret depends on it
    plans = [[chance.random() for _ in range(25)] for _ in memories]

    def act(memory: Memory, plan: list[float]) -> None:
        for number, value in enumerate(plan):
            target = named[int(value * 1000) % len(named)]
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

    workers = [threading.Thread(target=act, args=pair) for pair in zip(memories, plans, strict=True)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    _drain(memories[0], queue)
    _sweep(memories[0])
    stored = [content for content, _ in _rows(database)]
    assert _shown(memories[1]) == stored
    assert _listed(redis_client) == stored
    page = Threads(memories[2]).messages("t", 50, None, descending=False)
    assert texts(page.items) == stored
