"""The search by meaning with pgvector, which a database has, gets later, or loses."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from alembic import command

from infra import migrations
from infra.local.servers import PostgresServer
from shared.embeddings.compact import to_bits, to_bytes
from shared.embeddings.embedder import to_unit_vectors
from shared.stores.derivations import VECTORS
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.pgvector import CONVERT
from shared.stores.search import QueryVector, SearchScope
from shared.stores.vectors import NewVector
from tests.support.exchanges import said
from tests.support.servers import add_pgvector, superuser_of

_ANA: Final = SearchScope("ana")
_DIMENSIONS: Final = 24
_EXCHANGES: Final = 60
_NEAREST: Final = 7

Archives = Callable[..., PostgresArchive]


def _vectors(seed: int, number: int) -> list[list[float]]:
    numbers = random.Random(seed)  # noqa: S311 - reproducible, not for security
    return to_unit_vectors("m", [[numbers.gauss() for _ in range(_DIMENSIONS)] for _ in range(number)], number)


def _query(seed: int = 0) -> QueryVector:
    (values,) = _vectors(seed, 1)
    return QueryVector("m", values, to_bits(values))


def _fill(archive: PostgresArchive, thread_id: str = "t") -> None:
    archive.store([said(f"{thread_id}{number}", thread_id=thread_id) for number in range(_EXCHANGES)])
    missing = archive.unembedded(thread_id, "m", _EXCHANGES).exchanges
    vectors = _vectors(len(thread_id), _EXCHANGES)
    new = [NewVector(each, to_bytes(one), to_bits(one)) for each, one in zip(missing, vectors, strict=True)]
    archive.store_vectors("m", new)


def _ask(archive: PostgresArchive, query: QueryVector, limit: int = _NEAREST) -> dict[UUID, float]:
    """Return the greatest cosines, greatest first."""
    stored = archive.vectors(_ANA, query, limit, [])
    found = sorted(zip(stored.cosines, stored.row_ids, strict=True), reverse=True)
    return {row_id: cosine for cosine, row_id in found}


def _uses_pgvector(archive: PostgresArchive) -> bool:
    """Read the model, as a search does once a minute."""
    archive.vector_model("m")
    return archive._pgvector_schema is not None


@pytest.mark.parametrize("schema", ["public", 'the "%s":x {schema}'])
def test_both_ways_find_the_same(
    real_archive: Archives, postgres: PostgresServer, database_url: str, schema: str
) -> None:
    """PostgreSQL and Python find the same nearest vectors with the same cosines, whatever pgvector's schema is."""
    archive = real_archive()
    _fill(archive)
    queries = [_query(seed) for seed in range(5)]
    assert not _uses_pgvector(archive)
    in_python = [_ask(archive, query) for query in queries]
    add_pgvector(postgres, database_url, schema)
    assert archive.convert_vectors() == _EXCHANGES
    assert _uses_pgvector(archive)
    for query, expected in zip(queries, in_python, strict=True):
        found = _ask(archive, query)
        assert list(found) == list(expected)
        assert len(found) == _NEAREST
        assert found == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("by_signs", [_NEAREST, _EXCHANGES])
def test_of_many_vectors_those_with_like_signs_are_compared(
    real_archive: Archives, monkeypatch: pytest.MonkeyPatch, by_signs: int
) -> None:
    """Of more vectors than Python compares, it compares those with like signs, and those that are asked for."""
    archive, query = real_archive(), _query()
    _fill(archive)
    exact = _ask(archive, query, _EXCHANGES)
    monkeypatch.setattr("shared.stores.postgres.vectors.max_compared", lambda _: _EXCHANGES - 1)
    monkeypatch.setattr("shared.stores.postgres.vectors._BY_SIGNS", by_signs)
    found = _ask(archive, query)
    assert len(found) == _NEAREST
    assert all(exact[row_id] == pytest.approx(cosine) for row_id, cosine in found.items())
    assert (found == pytest.approx({row_id: exact[row_id] for row_id in list(exact)[:_NEAREST]})) == (
        by_signs == _EXCHANGES
    )
    farthest = list(exact)[-1]
    assert farthest in archive.vectors(_ANA, query, _NEAREST, [farthest]).row_ids


def test_a_database_that_gets_pgvector_later_loses_no_vector(
    real_archive: Archives, postgres: PostgresServer, database_url: str, database: psycopg.Connection
) -> None:
    """Vectors are found while the sweep has still to convert some, and the sweep converts each once."""
    archive = real_archive()
    assert archive.convert_vectors() == 0
    _fill(archive)
    before = _ask(archive, _query())
    add_pgvector(postgres, database_url)
    assert database.execute(CONVERT, {"rows": 30}).rowcount == 30
    # This process has not noticed the column yet.
    assert _ask(archive, _query()) == before
    assert _uses_pgvector(archive)
    partly = _ask(archive, _query(), _EXCHANGES)
    assert len(partly) == _EXCHANGES
    assert {row_id: partly[row_id] for row_id in before} == pytest.approx(before, abs=0.001)
    assert archive.convert_vectors() == 30
    assert archive.convert_vectors() == 0
    _fill(archive, "second")
    assert archive.convert_vectors() == 0
    assert len(_ask(archive, _query(), 1_000)) == 2 * _EXCHANGES


def test_a_vector_is_converted_whenever_it_is_stored(
    real_archive: Archives, postgres: PostgresServer, database_url: str, database: psycopg.Connection
) -> None:
    """The trigger converts new and replaced vectors, also those of processes of an earlier release."""
    add_pgvector(postgres, database_url)
    archive = real_archive()
    archive.store([said("first"), said("refused")])
    rows = archive.unembedded("t", "m", 9).exchanges
    extremes = bytes([127, 0, 1, 255, 128, 129])
    archive.store_vectors("m", [NewVector(rows[0], extremes, "101000"), NewVector(rows[1], b"", "")])
    select = "select embedding::text from exchange_vectors order by dimensions desc"
    assert database.execute(select).fetchall() == [("[127,0,1,-1,-128,-127]",), (None,)]
    archive.store_vectors("m", [NewVector(rows[0], b"\x02\xfe", "10")])
    assert database.execute(select).fetchall() == [("[2,-2]",), (None,)]
    assert archive.convert_vectors() == 0


def test_a_dropped_extension_stops_no_search(
    real_archive: Archives, postgres: PostgresServer, database_url: str
) -> None:
    """A process that knew of pgvector compares without it, and vectors are stored without it."""
    add_pgvector(postgres, database_url)
    archive = real_archive(derives=[VECTORS])
    _fill(archive)
    assert _uses_pgvector(archive)
    before = _ask(archive, _query())
    with superuser_of(postgres, database_url) as connection:
        connection.execute("drop extension vector cascade")
    assert _ask(archive, _query()) == pytest.approx(before, abs=0.001)
    _fill(archive, "second")
    assert not _uses_pgvector(archive)
    assert len(_ask(archive, _query(), 1_000)) == 2 * _EXCHANGES
    # The next run of the migrations adds it again.
    add_pgvector(postgres, database_url)
    assert archive.convert_vectors() == 2 * _EXCHANGES
    assert _uses_pgvector(archive)
    assert len(_ask(archive, _query(), 1_000)) == 2 * _EXCHANGES


def test_a_moved_extension_stops_no_search(real_archive: Archives, postgres: PostgresServer, database_url: str) -> None:
    """After `alter extension … set schema`, vectors are stored, and the next look at the model finds the schema."""
    add_pgvector(postgres, database_url)
    archive = real_archive()
    _fill(archive)
    assert _uses_pgvector(archive)
    before = _ask(archive, _query())
    with superuser_of(postgres, database_url) as connection:
        connection.execute("create schema extensions")
        connection.execute("grant usage on schema extensions to memory")
        connection.execute("alter extension vector set schema extensions")
    assert _ask(archive, _query()) == pytest.approx(before, abs=0.001)
    _fill(archive, "second")
    assert _uses_pgvector(archive)
    assert len(_ask(archive, _query(), 1_000)) == 2 * _EXCHANGES
    assert archive.convert_vectors() == 0


def test_a_deletion_deletes_both_forms(
    real_archive: Archives, postgres: PostgresServer, database_url: str, database: psycopg.Connection
) -> None:
    """Both forms of a vector are in one row, which is deleted with its message."""
    add_pgvector(postgres, database_url)
    archive = real_archive()
    deleted = said("first")
    archive.store([deleted, said("second")])
    new = [NewVector(each, b"\x01\x02", "11") for each in archive.unembedded("t", "m", 9).exchanges]
    archive.store_vectors("m", new)
    count = "select count(vector), count(embedding) from exchange_vectors"
    assert database.execute(count).fetchone() == (2, 2)
    archive.delete_exchange("t", deleted.exchange_id)
    assert database.execute(count).fetchone() == (1, 1)


def test_a_role_that_may_not_create_the_extension_migrates(new_database: Callable[..., str]) -> None:
    """The migrations of an owner who is no superuser end without pgvector, and without an error."""
    url = new_database()
    for _ in range(2):
        migrations.upgrade(url)
    with psycopg.connect(url) as connection:
        available = connection.execute("select installed_version from pg_available_extensions where name = 'vector'")
        assert available.fetchone() == (None,)
        columns = "select count(*) from pg_attribute where attrelid = 'exchange_vectors'::regclass and attname = %s"
        assert connection.execute(columns, ("embedding",)).fetchone() == (0,)


def test_a_role_that_may_create_the_extension_needs_no_operator(
    new_database: Callable[..., str], postgres: PostgresServer
) -> None:
    """The migrations create the extension if the role may, add the column once, and can be reverted."""
    url = new_database()
    superuser = urlsplit(postgres.admin_url)._replace(path=urlsplit(url).path).geturl()
    with psycopg.connect(superuser, autocommit=True) as connection:
        for _ in range(2):
            migrations.upgrade(superuser)
        assert _definitions(connection) == [True, True, True]
        command.downgrade(migrations.config(superuser), "0014")
        assert _definitions(connection) == [False, False, False]
        migrations.upgrade(superuser)
        assert _definitions(connection) == [True, True, True]


def _definitions(connection: psycopg.Connection[Any]) -> list[bool]:
    """Return whether the trigger, the index and the function are there."""
    row = connection.execute(
        "select exists (select from pg_trigger where tgname = 'fill_embedding'),"
        " to_regclass('ix_exchange_vectors_unconverted') is not null,"
        " to_regprocedure('exchange_embedding(bytea)') is not null"
    ).fetchone()
    return list(row or ())


def test_an_old_pgvector_is_not_used(new_database: Callable[..., str], postgres: PostgresServer) -> None:
    """A version before 0.7 has no type `halfvec`."""
    url = new_database()
    with superuser_of(postgres, url) as connection:
        connection.execute("create extension vector")
        connection.execute("alter extension vector drop type halfvec")
        connection.execute("alter type halfvec rename to other")
    migrations.upgrade(url)
    assert migrations.status(url).pending == []
