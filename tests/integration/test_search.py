"""Searches on real servers: from acceptance to deletion, during outages, and while exchanges are not indexed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, cast

import psycopg
import pytest

from functions.agent.agents.runner import AgentRunner
from functions.agent.http.api import create_app
from functions.agent.operations import Operations
from shared.ids import ExchangeIds
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.memory import Memory
from shared.memory.search.results import SearchAnswer
from shared.memory.search.search import Search
from shared.models import Exchange
from shared.search_keys import query_terms
from shared.settings import AgentSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.inspector import RedisInspector
from shared.stores.search import SearchScope
from shared.testing import InMemoryKeys, InMemoryQueue
from shared.testing.inspectors import InMemoryQueueInspector
from tests.support.api import Api
from tests.support.exchanges import said

MakeProcess = Callable[..., Memory]
# The state of a row that a release before the search wrote.
_WITHOUT_TERMS: Final = (
    "update messages set search_keys = null, user_terms = null, assistant_terms = null, terms_version = null,"
    " terms_revision = null, terms_accepted_at = null"
)


@pytest.fixture
def api(process: MakeProcess, queue: InMemoryQueue) -> Api:
    """Return the application on real stores."""
    memory = process()
    memory.cache.record_loss(is_first=True)
    inspector = InMemoryQueueInspector(queue)
    inspection = Inspection(memory, RedisInspector(cast("RedisCache", memory.cache)._connection), inspector, inspector)
    keys = Idempotency([InMemoryKeys("redis"), InMemoryKeys("postgres")], Backlog(memory.queue, memory.archive))
    runner = AgentRunner(AgentSettings(model="offline"), Search(memory).conversations)
    return Api(create_app(Operations(memory, runner, keys, inspection)), cast("Any", None), cast("Any", None), queue)


@pytest.fixture
def memory(process: MakeProcess) -> Memory:
    """Return a process whose Redis has lost nothing."""
    made: Memory = process()
    made.cache.record_loss(is_first=True)
    return made


def _search(memory: Memory, query: str, user_id: str = "ana", **scope: Any) -> SearchAnswer:
    return Search(memory).search(SearchScope(user_id, **scope), query, 100)


def _texts(memory: Memory, query: str, user_id: str = "ana", **scope: Any) -> list[str]:
    """Return the texts that a search finds. It looked at everything."""
    answer = _search(memory, query, user_id, **scope)
    assert answer.degraded == []
    return [each.exchange.user_message for each in answer.items]


def test_an_exchange_is_found_through_the_api(api: Api, memory: Memory, queue: InMemoryQueue) -> None:
    """`POST /search` finds an exchange before and after its drain, once, with its thread, title and highlights."""
    body = {"thread_id": "t", "user_id": "ana", "user_message": "My cat is Miso", "assistant_message": "Nice name"}
    stored = api.ask("POST", "/invoked", body).json()
    question = {"user_id": "ana", "query": "what is the name of my cat?"}
    for is_drained in (False, True):
        if is_drained:
            memory.archive.store(queue.take())
        answer = api.ask("POST", "/search", question).json()
        (item,) = answer["items"]
        assert (answer["degraded"], answer["arms"]) == ([], ["text"])
        assert answer["searched_up_to"] is not None
        assert {name: item[name] for name in ("kind", "thread_id", "title", "exchange_id", "score")} == {
            "kind": "exchange",
            "thread_id": "t",
            "title": "My cat is Miso",
            "exchange_id": stored["exchange_id"],
            "score": 1,
        }
        assert [item[each["field"]][each["start"] : each["end"]] for each in item["highlights"]] == ["cat", "name"]
    for changed in ({"user_id": "bob"}, {"query": "dog"}, {"kinds": ["memory"]}, {"thread_id": "other"}):
        assert api.ask("POST", "/search", question | changed).json()["items"] == []


# --- deletion ---


@pytest.mark.parametrize("is_drained", [True, False], ids=["drained", "undrained"])
@pytest.mark.parametrize("deleted", ["exchange", "thread", "user"])
def test_deleted_is_gone_at_once(
    api: Api, memory: Memory, queue: InMemoryQueue, deleted: str, *, is_drained: bool
) -> None:
    """After the response to a deletion, no search finds the exchange, also if its message is drained later."""
    body = {"thread_id": "t", "user_id": "ana", "user_message": "My cat is Miso", "assistant_message": "Nice name"}
    exchange_id = api.ask("POST", "/invoked", body).json()["exchange_id"]
    queued = queue.take()
    if is_drained:
        memory.archive.store(queued)
    question = {"user_id": "ana", "query": "cat"}
    assert len(api.ask("POST", "/search", question).json()["items"]) == 1
    path = {"exchange": f"/threads/t/exchanges/{exchange_id}", "thread": "/threads/t", "user": "/users/ana"}[deleted]
    assert api.ask("DELETE", path).status_code == 204
    for _ in range(2):
        assert api.ask("POST", "/search", question).json()["items"] == []
        assert _texts(memory, "cat") == []
        memory.archive.store(queued)


def test_rows_of_a_large_deletion_are_not_found(memory: Memory, database: psycopg.Connection) -> None:
    """A deleted user's rows that the sweep has not deleted yet are not found."""
    archive = memory.archive
    for number in range(3):
        archive.store([said(f"cat {each}", thread_id=f"t{number}") for each in range(1_000)])
    archive.store([said("cat", thread_id="bobs", user_id="bob")])
    archive.forget_user("ana", ExchangeIds().new(), [])
    remaining = database.execute("select count(*) from messages").fetchone()
    assert remaining is not None
    assert remaining[0] > 2
    assert _texts(memory, "cat") == []
    archive.store([said("cat again", thread_id="new")])
    assert _texts(memory, "cat") == ["cat again"]
    assert _texts(memory, "cat", "bob") == ["cat"]


# --- isolation ---


def test_users_with_the_same_key_do_not_find_each_others_exchanges(
    memory: Memory, database: psycopg.Connection
) -> None:
    """The keys of two users are equal by chance. Each user finds only their own exchanges."""
    memory.archive.store([said("cat", thread_id="anas"), said("cat of bob", thread_id="bobs", user_id="bob")])
    database.execute(
        "update messages set search_keys = array_replace(search_keys, search_user_key('bob'), search_user_key('ana'))"
    )
    matches = memory.archive.matches(SearchScope("ana"), _keys("cat bob"))
    assert (len(matches.keys), matches.total) == (1, 1)
    assert _texts(memory, "cat bob") == ["cat"]


def test_the_texts_of_another_users_match_are_not_read(memory: Memory) -> None:
    """A thread belongs to another user since its match was found. The search does not read its texts."""
    memory.archive.store([said("cat", thread_id="t", user_id="bob")])
    matches = memory.archive.matches(SearchScope("bob"), _keys("cat"))
    assert list(memory.archive.found("bob", [matches.row_id(0)])) == [matches.row_id(0)]
    assert memory.archive.found("ana", [matches.row_id(0)]) == {}


# --- rows without current terms ---


def test_the_sweep_indexes_rows_in_steps(memory: Memory, database: psycopg.Connection) -> None:
    """Rows without terms are reported only to their user, and the sweep indexes them in bounded steps."""
    archive = memory.archive
    archive.store([said(f"cat {number}", thread_id=f"t{number % 3}") for number in range(450)])
    archive.store([said("cat", thread_id="bobs", user_id="bob")])
    database.execute(f"{_WITHOUT_TERMS} from conversations c where c.id = conversation_id and c.user_id = 'ana'")
    assert (archive.unindexed(10_000), archive.unindexed(100)) == (450, 100)
    assert (_search(memory, "cat").degraded, _search(memory, "cat").searched_up_to) == (["search"], None)
    assert _texts(memory, "cat", "bob") == ["cat"]
    steps = [archive.index_exchanges() for _ in range(4)]
    assert (sum(steps), max(steps), steps[-1], archive.unindexed(10_000)) == (450, 200, 0, 0)
    assert len(_texts(memory, "cat")) == 100
    assert _texts(memory, "449")[0] == "cat 449"


@pytest.mark.parametrize(
    "change",
    [
        # The statements of the release before the search, for a replacement and for an earlier acceptance.
        "update messages set content = 'dog', revision = revision + 1",
        "update messages set content = 'dog', accepted_at = created_at - interval '1 day'",
        "update messages set content = 'dog', terms_version = 0",
        "update messages set content = 'dog', terms_version = 2",
    ],
)
def test_old_terms_do_not_match_new_texts(memory: Memory, database: psycopg.Connection, change: str) -> None:
    """A row whose texts changed without its terms, or with terms of another version, is unindexed until the sweep."""
    memory.archive.store([said("cat", "a cat", thread_id="t")])
    database.execute(change)
    for query in ("cat", "dog"):
        answer = _search(memory, query)
        assert (answer.items, answer.degraded) == ([], ["search"])
    assert memory.archive.index_exchanges() == 1
    assert (_texts(memory, "cat"), _texts(memory, "dog")) == ([], ["dog"])


def test_concurrent_sweeps_index_different_rows(
    real_archive: Callable[..., PostgresArchive], database: psycopg.Connection
) -> None:
    """Two sweeps and a drain work at the same time. Afterwards every row has its terms."""
    archives = [real_archive(timeout_ms=20_000) for _ in range(3)]
    created = [said(f"cat {number}", thread_id=f"t{number % 5}") for number in range(900)]
    archives[0].store(created)
    database.execute(_WITHOUT_TERMS + " where position = 0")
    indexed = [0, 0]

    def sweep(number: int) -> None:
        while archives[number].unindexed(1):
            indexed[number] += archives[number].index_exchanges()

    def drain() -> None:
        for number in range(10):
            archives[2].store([said(f"cat new {number}", thread_id=f"t{each % 5}") for each in range(20)])
            archives[2].store(created[:50])

    workers = [*(threading.Thread(target=sweep, args=(number,)) for number in range(2)), threading.Thread(target=drain)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (sum(indexed), archives[0].unindexed(1)) == (900, 0)
    assert archives[0].matches(SearchScope("ana"), _keys("cat")).total == 1_100
    assert len(archives[0].matches(SearchScope("ana"), _keys("cat")).keys) == 1_100


def test_a_row_that_is_indexed_while_its_owner_changes_has_the_new_owner(
    memory: Memory, database: psycopg.Connection, database_url: str
) -> None:
    """The sweep holds a row while a drain changes the thread's user. The row is found by the new user."""
    late = said("first", thread_id="t", user_id="eve")
    memory.archive.store([said("cat", thread_id="t", user_id="bob")])
    database.execute(_WITHOUT_TERMS + " where position = 0")
    with psycopg.connect(database_url) as sweep:
        sweep.execute("select from messages where position = 0 for update")
        drain = threading.Thread(target=memory.archive.store, args=([_earlier(late)],))
        drain.start()
        _wait_for_lock(database)
        sweep.execute(
            "update messages m set search_keys = %s || search_user_key(c.user_id), user_terms = 1, assistant_terms = 1,"
            " terms_version = 1, terms_revision = m.revision, terms_accepted_at = coalesce(accepted_at, m.created_at)"
            " from conversations c where c.id = m.conversation_id and position = 0",
            (list(_keys("cat")),),
        )
        sweep.commit()
        drain.join()
    assert sorted(_texts(memory, "cat first", "eve")) == ["cat", "first"]
    assert _texts(memory, "cat first", "bob") == []


def _earlier(exchange: Exchange) -> Exchange:
    return Exchange(
        ExchangeIds().new(now=exchange.created_at.timestamp() - 3600),
        exchange.thread_id,
        exchange.user_id,
        exchange.user_message,
        exchange.assistant_message,
        exchange.created_at - timedelta(hours=1),
    )


def _wait_for_lock(database: psycopg.Connection) -> None:
    deadline = time.monotonic() + 20
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    while database.execute(waiting).fetchone() == (0,):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _keys(text: str) -> tuple[int, ...]:
    return query_terms(text).keys
