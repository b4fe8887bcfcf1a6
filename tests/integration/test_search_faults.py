"""A search during a fault reports what it did not look at. It neither fails nor finds nothing without a report."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg
import pytest
import redis

from functions.sync.cache_update import CacheUpdate
from infra.local.servers import PostgresServer, ValkeyServer
from shared.memory.memory import Memory
from shared.memory.search.results import SEARCH, SearchAnswer
from shared.memory.search.search import Search
from shared.memory.turn import Turn
from shared.stores.search import Matches, SearchScope
from shared.testing import InMemoryQueue
from tests.support.waiting import until

MakeProcess = Callable[..., Memory]
DRAINED, QUEUED = "drained cat", "queued cat"
_CANCEL_WAITING: Final = (
    "select pg_cancel_backend(pid) from pg_stat_activity"
    " where wait_event_type = 'Lock' and datname = current_database()"
)


@pytest.fixture
def memory(process: MakeProcess, queue: InMemoryQueue) -> Memory:
    """Return a process with a drained and an undrained exchange."""
    made: Memory = process()
    made.cache.record_loss(is_first=True)
    Turn(made, "t", "ana").append(DRAINED, "ok")
    _drain(made, queue)
    Turn(made, "t", "ana").append(QUEUED, "ok")
    return made


def _drain(memory: Memory, queue: InMemoryQueue) -> None:
    """Drain the queue into PostgreSQL, and update Redis."""
    CacheUpdate(memory.archive, memory.cache).merge(memory.archive.store(queue.take()))


def _search(memory: Memory, query: str = "cat") -> SearchAnswer:
    return Search(memory).search(SearchScope("ana"), query, 10)


def _texts(answer: SearchAnswer) -> list[str]:
    return sorted(each.exchange.user_message for each in answer.items)


@pytest.mark.parametrize("fault", ["killed", "frozen"])
@pytest.mark.parametrize("layers", [("postgres",), ("redis",), ("postgres", "redis")], ids=" and ".join)
def test_a_search_without_a_layer_is_degraded(
    memory: Memory,
    process: MakeProcess,
    postgres: PostgresServer,
    valkey: ValkeyServer,
    layers: tuple[str, ...],
    fault: str,
) -> None:
    """The search names each layer that does not respond, and finds what the other layer has."""
    other = process()
    servers = {"postgres": postgres, "redis": valkey}
    for layer in layers:
        servers[layer].kill() if fault == "killed" else servers[layer].freeze()
    # Without Redis, a process finds only those undrained exchanges that it has accepted itself.
    for each, without_redis in ((memory, [DRAINED, QUEUED]), (other, [DRAINED])):
        answer = _search(each)
        assert {*layers, SEARCH} == set(answer.degraded)
        expected = [] if len(layers) > 1 else without_redis if "redis" in layers else [QUEUED]
        assert (_texts(answer), answer.searched_up_to) == (expected, None)
    postgres.thaw()
    valkey.thaw()


def test_a_locked_table_is_reported(memory: Memory, database_url: str) -> None:
    """While another transaction locks the table of messages, the search finds only what Redis has, and says so."""
    with psycopg.connect(database_url) as other:
        other.execute("lock table messages in access exclusive mode")
        answer = _search(memory)
        assert (_texts(answer), answer.degraded) == ([QUEUED], ["postgres", SEARCH])
    assert _texts(_search(memory)) == [DRAINED, QUEUED]


@contextmanager
def _cancels_the_next_statement(database_url: str) -> Iterator[None]:
    """Lock the table of messages, and cancel the first statement that waits for it."""

    def cancel() -> None:
        with psycopg.connect(database_url, autocommit=True) as admin:
            until(lambda: admin.execute(_CANCEL_WAITING).rowcount > 0)

    with psycopg.connect(database_url) as other:
        other.execute("lock table messages in access exclusive mode")
        canceller = threading.Thread(target=cancel)
        canceller.start()
        yield
        canceller.join()


@pytest.mark.parametrize("method", ["matches", "beside", "found", "unstored"])
def test_a_cancelled_statement_is_reported(
    memory: Memory, database_url: str, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """An administrator cancels one of the search's statements. The search finds only what Redis has, and says so."""
    run = getattr(memory.archive, method)

    def run_cancelled(*arguments: object) -> object:
        with _cancels_the_next_statement(database_url):
            return run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(memory.archive, method, run_cancelled)
        answer = _search(memory)
    assert (_texts(answer), answer.degraded, answer.searched_up_to) == ([QUEUED], ["postgres", SEARCH], None)
    assert _texts(_search(memory)) == [DRAINED, QUEUED]


def test_a_redis_that_lost_everything_is_reported(
    memory: Memory, process: MakeProcess, redis_client: redis.Redis, queue: InMemoryQueue
) -> None:
    """Redis is empty. Other processes do not find the queued exchange, and say so, until it is drained."""
    redis_client.flushall()
    other = process()
    answer = _search(other)
    assert (_texts(answer), SEARCH in answer.degraded, answer.searched_up_to) == ([DRAINED], True, None)
    assert _texts(_search(memory)) == [DRAINED, QUEUED]
    other.archive.store(queue.take())
    assert _texts(_search(other)) == [DRAINED, QUEUED]
    assert _search(other).degraded == []


def test_an_older_copy_of_redis_restores_nothing_that_was_deleted(
    memory: Memory, redis_client: redis.Redis, queue: InMemoryQueue
) -> None:
    """Redis is restored from a copy from before a deletion and a drain. Neither is undone."""
    copy = {key: redis_client.dump(key) or b"" for key in redis_client.scan_iter()}
    queued = queue.take()
    memory.archive.store(queued)
    memory.archive.delete_exchange("t", queued[0].exchange_id)
    redis_client.flushall()
    for key, value in copy.items():
        redis_client.restore(key, 0, value)
    assert _texts(_search(memory)) == [DRAINED]


def test_an_exchange_that_is_drained_between_the_two_reads_is_found_once(
    memory: Memory, queue: InMemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain stores an exchange after the read of Redis and before the read of PostgreSQL."""
    matches = memory.archive.matches

    def drain_first(scope: SearchScope, keys: Sequence[int]) -> Matches:
        memory.archive.store(queue.take())
        return matches(scope, keys)

    monkeypatch.setattr(memory.archive, "matches", drain_first)
    answer = _search(memory)
    assert (_texts(answer), answer.degraded) == ([DRAINED, QUEUED], [])


_TEXTS: Final = {
    "thai": ("ฉันชอบกินข้าวผัด", "ข้าวผัด"),
    "hindi": ("मुझे हिन्दी पसंद है", "हिन्दी"),
    "korean": ("저는 김치찌개를 좋아해요", "김치찌개"),
    "korean, decomposed": (unicodedata.normalize("NFD", "저는 김치찌개를 좋아해요"), "김치찌개"),
    "arabic": ("أنا أحب القهوة كثيرًا", "القهوة"),
    "chinese": ("我喜欢吃北京烤鸭", "北京烤鸭"),
    "emoji": ("we ate 🍕 today", "🍕"),
    "composed": ("un caf\u00e9 noir", "cafe\u0301"),
    "decomposed": ("un cafe\u0301 noir", "caf\u00e9"),
    "quoting": ("100% of it's {here} \\ %(key_0)s", "it's {here}"),
}


@pytest.mark.parametrize(("text", "query"), _TEXTS.values(), ids=_TEXTS)
def test_every_script_is_found_in_both_layers(memory: Memory, queue: InMemoryQueue, text: str, query: str) -> None:
    """A word of any script is found before and after the drain, however its characters are composed."""
    Turn(memory, "scripts", "ana").append(text, "ok")
    for _ in range(2):
        assert text in _texts(_search(memory, query))
        _drain(memory, queue)


@pytest.mark.parametrize("query", ["the of and", "?!... ---", "\u200d\ufe0f\u0301", "zzz", " "])
def test_a_query_without_a_match_finds_nothing(memory: Memory, query: str) -> None:
    """A query of stop words or of no words is answered without items and without a report."""
    answer = _search(memory, query)
    assert (answer.items, answer.degraded) == ([], [])


def test_a_huge_query_takes_a_bounded_time(memory: Memory) -> None:
    """A query of 200,000 characters is answered within seconds."""
    for query in ("cat " * 50_000, "北京烤鸭" * 50_000, "a" * 200_000, "🍕" * 200_000, "\u0301" * 200_000):
        began = time.monotonic()
        assert _search(memory, query).degraded == []
        assert time.monotonic() - began < 20
