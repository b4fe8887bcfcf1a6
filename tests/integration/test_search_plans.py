"""The search's statements use their indexes, whatever PostgreSQL's statistics say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest

from infra.local.servers import PostgresServer
from infra.migrations.schema import UNINDEXED
from shared.search_keys import query_terms
from shared.search_terms import TERMS_VERSION
from shared.stores.postgres import pgvector, search, vectors
from shared.stores.postgres.archive import PostgresArchive
from tests.support.exchanges import said
from tests.support.servers import add_pgvector

_USERS: Final = 30
_THREADS_OF_A_USER: Final = 5
_EXCHANGES: Final = 6_000
_KEYS: Final = query_terms("common word7 word77 missing").keys
_SCOPE: Final = {"thread_id": None, "exclude_thread_id": None, "since": None, "until": None, "gap": 60}
_STATISTICS: Final = {
    "no statistics": "delete from pg_statistic where starelid = 'messages'::regclass",
    "all indexed": "analyze messages",
    "none indexed": "update messages set terms_version = null; analyze messages",
}


@pytest.fixture(params=_STATISTICS)
def filled(
    request: pytest.FixtureRequest, real_archive: Callable[..., PostgresArchive], database_url: str
) -> Iterator[psycopg.Connection]:
    """Fill a table with many users' exchanges, and return a superuser's connection to it."""
    archive = real_archive(timeout_ms=30_000)
    for start in range(0, _EXCHANGES, 1_000):
        archive.store(
            [
                said(
                    f"common word{number % 100} " + "filler " * 220,
                    "some answer " * 130,
                    f"t{number % (_USERS * _THREADS_OF_A_USER)}",
                    f"user{number % _USERS}",
                )
                for number in range(start, start + 1_000)
            ]
        )
    server = request.getfixturevalue("postgres")
    url = server.admin_url.rpartition("/")[0] + "/" + database_url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table messages set (autovacuum_enabled = off)")
        connection.execute(_STATISTICS[request.param])
        yield connection


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _explain(connection: psycopg.Connection, statement: bytes, values: Mapping[str, Any]) -> Mapping[str, Any]:
    row = connection.execute(b"explain (format json) " + statement, values).fetchone()
    assert row is not None
    plan: Mapping[str, Any] = row[0][0]["Plan"]
    return plan


def _indexes(plan: Mapping[str, Any]) -> list[str]:
    """Return the indexes of a plan, and check that it reads no message without an index."""
    read = [node for node in _nodes(plan) if node.get("Relation Name") == "messages"]
    assert [node for node in read if "Seq Scan" in node["Node Type"]] == []
    return [node["Index Name"] for node in _nodes(plan) if "Index Name" in node]


def test_every_key_is_one_scan_of_the_index(filled: psycopg.Connection) -> None:
    """Each key's exchanges come from the index of keys. No join compares each of them with each thread."""
    keys = {f"key_{number}": key for number, key in enumerate(_KEYS)}
    statement = search._matches_statement(len(_KEYS))
    plan = _explain(filled, statement, {"user_id": "user3", **_SCOPE, **keys})
    indexes = _indexes(plan)
    assert indexes.count("ix_messages_search_keys") == len(_KEYS)
    assert "ix_messages_unindexed" in indexes
    for node in _nodes(plan):
        if node["Node Type"] == "Nested Loop":
            assert "ix_messages_search_keys" not in [each.get("Index Name") for each in _nodes(node)]


def test_every_key_is_read_with_the_users_key(filled: psycopg.Connection) -> None:
    """The index returns only the user's exchanges, not those of all users that have a frequent word."""
    keys = {f"key_{number}": key for number, key in enumerate(_KEYS)}
    statement = b"explain (analyze, format json) " + search._matches_statement(len(_KEYS))
    row = filled.execute(statement, {"user_id": "user3", **_SCOPE, **keys}).fetchone()
    assert row is not None
    scans = [each for each in _nodes(row[0][0]["Plan"]) if each.get("Index Name") == "ix_messages_search_keys"]
    assert len(scans) == len(_KEYS)
    # Each replaced row may be counted once more.
    assert max(each["Actual Rows"] for each in scans) <= 2 * _EXCHANGES / _USERS


def test_unindexed_rows_come_from_their_index(filled: psycopg.Connection) -> None:
    """The sweep reads only the index of unindexed rows, not the rows that are indexed."""
    assert "ix_messages_unindexed" in _indexes(_explain(filled, search._SELECT_UNINDEXED, {"rows": 200}))
    statement = search._COUNT_UNINDEXED.replace(b"%s", b"%(rows)s")
    assert _indexes(_explain(filled, statement, {"rows": 100})) == ["ix_messages_unindexed"]


@pytest.mark.parametrize("count", [1, 40, 200])
def test_few_rows_are_read_by_their_ids(filled: psycopg.Connection, count: int) -> None:
    """The neighbours, the texts, and the check of undrained exchanges need no scan of the table."""
    ids = [row[0] for row in filled.execute("select id from messages where position = 0 limit %s", (count,))]
    _indexes(_explain(filled, search._BESIDE, {"row_ids": ids, "since": None, "until": None}))
    _indexes(_explain(filled, search._FOUND, {"user_id": "user3", "row_ids": ids}))
    undrained = {
        "numbers": list(range(count)),
        "thread_ids": [f"t{number % 150}" for number in range(count)],
        "user_ids": ["user3"] * count,
        "exchange_ids": [uuid4() for _ in range(count)],
        "acceptances": [uuid4() for _ in range(count)],
        "revisions": [0] * count,
    }
    _indexes(_explain(filled, search._UNSTORED, undrained))


_VECTORS: Final = """\
insert into exchange_vectors (
    message_id, model, conversation_id, created_at, revision, accepted_at, dimensions, vector, signs
)
select id, 'm', conversation_id, created_at, revision, created_at, 4, '\\x01010101',
    (abs(hashtext(id::text)) % 16)::bit(4)::varbit
from messages where position = 0"""


_NEAREST: Final = {
    "in PostgreSQL": pgvector.nearest_statement("public"),
    "in Python": vectors._COMPARED,
    "valid": vectors._VALID,
}


@pytest.mark.parametrize("compared", _NEAREST)
def test_the_vectors_are_read_by_their_threads(
    filled: psycopg.Connection, postgres: PostgresServer, database_url: str, compared: str
) -> None:
    """A search by meaning reads the vectors of the user's threads only, and no table as a whole."""
    if compared == "in PostgreSQL":
        add_pgvector(postgres, database_url)
    filled.execute(_VECTORS)
    filled.execute("analyze exchange_vectors")
    scope: dict[str, Any] = {
        **_SCOPE,
        "user_id": "user3",
        "model": "m",
        "signs": "1010",
        "values": "[0.5,-0.5,0.5,-0.5]",
        "dimensions": 4,
        "rows": 20,
        "by_signs": 20,
        "row_ids": [],
    }
    plan = _explain(filled, _NEAREST[compared], scope)
    expected = "exchange_vectors_pkey" if compared == "valid" else "ix_exchange_vectors_conversation_id"
    assert expected in _indexes(plan)
    _assert_no_table_of_vectors(plan)


def _assert_no_table_of_vectors(plan: Mapping[str, Any]) -> None:
    read = [node for node in _nodes(plan) if node.get("Relation Name") == "exchange_vectors"]
    assert [node for node in read if "Seq Scan" in node["Node Type"]] == []


def test_vectors_to_convert_come_from_their_index(
    filled: psycopg.Connection, postgres: PostgresServer, database_url: str
) -> None:
    """The sweep reads only the index of the vectors that pgvector's column lacks."""
    filled.execute(_VECTORS)
    add_pgvector(postgres, database_url)
    filled.execute("analyze exchange_vectors")
    plan = _explain(filled, pgvector.CONVERT, {"rows": 20})
    assert "ix_exchange_vectors_unconverted" in [node.get("Index Name") for node in _nodes(plan)]
    filled.execute(pgvector.CONVERT, {"rows": _EXCHANGES})
    filled.execute("analyze exchange_vectors")
    plan = _explain(filled, pgvector.CONVERT, {"rows": 20})
    assert "ix_exchange_vectors_unconverted" in [node.get("Index Name") for node in _nodes(plan)]


def test_the_vectors_of_other_models_are_read_by_their_index(filled: psycopg.Connection) -> None:
    """While all vectors are of one model, the sweep and the searches do not read them to find others."""
    filled.execute(_VECTORS)
    filled.execute("analyze exchange_vectors")
    for statement in (vectors._MODEL, vectors._REMOVE_OTHERS):
        plan = _explain(filled, statement.encode(), {"model": "m", "kind": "vectors", "rows": 20})
        _assert_no_table_of_vectors(plan)


def test_the_schema_the_migration_and_the_statements_have_one_condition(database: psycopg.Connection) -> None:
    """The condition of the index is the one that the statements use, with the version of the terms."""
    assert search._UNINDEXED.replace("m.", "") == UNINDEXED
    assert f"terms_version is distinct from {TERMS_VERSION} " in UNINDEXED
    (definition,) = database.execute("select pg_get_indexdef('ix_messages_unindexed'::regclass)").fetchone() or ("",)
    assert f"terms_version IS DISTINCT FROM {TERMS_VERSION})" in definition
