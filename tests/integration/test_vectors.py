"""Vectors in L2 with and without pgvector, and in the in-memory L2. Each test runs on all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import psycopg
import pytest

from shared.ids import ExchangeIds
from shared.models import ExchangeTexts
from shared.stores.archive import Archive
from shared.stores.derivations import VECTORS
from shared.stores.search import QueryVector, SearchScope
from shared.stores.vectors import NewVector, UnembeddedExchange, VectorModel
from shared.testing import InMemoryArchive
from tests.support.exchanges import said
from tests.support.servers import add_pgvector

_ANA = SearchScope("ana")


@pytest.fixture(params=["real", "with pgvector", "in memory"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """Return L2 or the in-memory L2, from whose exchanges vectors are derived."""
    if request.param == "in memory":
        in_memory = InMemoryArchive()
        in_memory.derives = [VECTORS]
        return in_memory
    if request.param == "with pgvector":
        add_pgvector(request.getfixturevalue("postgres"), request.getfixturevalue("database_url"))
    make: Callable[..., Archive] = request.getfixturevalue("real_archive")
    archive = make(derives=[VECTORS])
    # A search reads the model first, and so learns whether L2 has pgvector.
    archive.vector_model("m")
    return archive


def _embed(archive: Archive, thread_id: str = "t", model: str = "m") -> list[UnembeddedExchange]:
    """Store a vector with the signs 1111, 0111 and so on for each exchange without one. Return these exchanges."""
    missing = archive.unembedded(thread_id, model, 9).exchanges
    vectors = [_vector(each, "1111"[number:].rjust(4, "0")) for number, each in enumerate(missing)]
    archive.store_vectors(model, vectors)
    return missing


def _vector(exchange: UnembeddedExchange, signs: str = "1111") -> NewVector:
    return NewVector(exchange, bytes(1 if sign == "1" else 255 for sign in signs), signs)


def _query(signs: str, model: str = "m") -> QueryVector:
    return QueryVector(model, [0.5 if sign == "1" else -0.5 for sign in signs], signs)


def _nearest(
    archive: Archive, signs: str = "1111", limit: int = 9, scope: SearchScope = _ANA, model: str = "m"
) -> list[str]:
    stored = archive.vectors(scope, _query(signs, model), limit, [])
    found = archive.found(scope.user_id, stored.row_ids)
    return sorted(each.exchange.user_message for each in found.values())


def test_the_nearest_vectors_are_returned(archive: Archive) -> None:
    """The vectors whose signs differ the least are returned, and those that are asked for, within the scope."""
    archive.store([said("first"), said("second"), said("third"), said("other", thread_id="u", user_id="bob")])
    rows = _embed(archive)
    _embed(archive, "u")
    assert [each.user_message for each in rows] == ["first", "second", "third"]
    assert _nearest(archive, limit=1) == ["first"]
    assert _nearest(archive, "0011", limit=1) == ["third"]
    assert _nearest(archive) == ["first", "second", "third"]
    assert _nearest(archive, scope=SearchScope("bob")) == ["other"]
    assert _nearest(archive, scope=replace(_ANA, thread_id="u")) == []
    assert _nearest(archive, scope=replace(_ANA, exclude_thread_id="t")) == []
    assert _nearest(archive, scope=replace(_ANA, until=datetime(2000, 1, 1, tzinfo=UTC))) == []
    asked = archive.vectors(_ANA, _query("1111"), 1, [rows[2].row_id])
    assert {*asked.row_ids} == {rows[0].row_id, rows[2].row_id}
    assert len({*asked.threads}) == 1


def test_a_vector_is_valid_for_one_version_of_the_texts(archive: Archive) -> None:
    """A replaced exchange needs a new vector, and a deleted one has none."""
    stored = said("first")
    archive.store([stored, said("second")])
    rows = _embed(archive)
    archive.replace_exchange("t", stored.exchange_id, ExchangeTexts("new", "ok"))
    assert _nearest(archive) == ["second"]
    # A worker that read the old texts stores a vector that is not valid.
    archive.store_vectors("m", [_vector(rows[0])])
    assert _nearest(archive) == ["second"]
    assert [each.user_message for each in _embed(archive)] == ["new"]
    assert _nearest(archive) == ["new", "second"]
    archive.delete_exchange("t", stored.exchange_id)
    assert _nearest(archive) == ["second"]
    archive.forget_thread("t", ExchangeIds().new())
    assert _nearest(archive) == []


def test_models_are_not_mixed(archive: Archive) -> None:
    """Each model has its own vectors. The last model's are in use until all old threads have the new model's."""
    archive.store([said("first")])
    _embed(archive)
    assert archive.vector_model("m") == VectorModel("m", is_complete=True)
    assert _nearest(archive, model="n") == []
    assert archive.vector_model("n") == VectorModel("m", is_complete=False)
    assert archive.remove_other_vectors("n") == 0
    assert archive.mark_old_threads(VECTORS, "n") == 1
    assert archive.mark_old_threads(VECTORS, "n") == 0
    assert archive.vector_model("n") == VectorModel("m", is_complete=False)
    assert archive.remove_other_vectors("n") == 0
    _embed(archive, model="n")
    due_at = archive.unembedded("t", "n", 9).due_at
    assert due_at is not None
    archive.clear_due("t", VECTORS, due_at)
    assert archive.vector_model("n") == VectorModel("n", is_complete=True)
    assert archive.remove_other_vectors("n") == 1
    assert _nearest(archive, model="m") == []
    assert _nearest(archive, model="n") == ["first"]


def test_a_return_to_an_earlier_model_embeds_again(archive: Archive) -> None:
    """After two changes of the model, and after a time without one, the threads that lack vectors are marked again."""
    archive.store([said("first")])
    _embed(archive, model="a")
    while archive.mark_old_threads(VECTORS, "a"):
        pass
    due_at = archive.unembedded("t", "a", 9).due_at
    assert due_at is not None
    archive.clear_due("t", VECTORS, due_at)
    assert archive.vector_model("a").is_complete
    archive.store([said("second")])
    archive.forget_progress(VECTORS)
    assert archive.mark_old_threads(VECTORS, "a") >= 1
    assert not archive.vector_model("a").is_complete
    assert archive.mark_old_threads(VECTORS, "b") >= 1
    assert archive.mark_old_threads(VECTORS, "a") >= 1
    _embed(archive, model="a")
    due_at = archive.unembedded("t", "a", 9).due_at
    assert due_at is not None
    archive.clear_due("t", VECTORS, due_at)
    while archive.mark_old_threads(VECTORS, "a"):
        pass
    assert archive.vector_model("a") == VectorModel("a", is_complete=True)
    assert _nearest(archive, model="a") == ["first", "second"]


def test_an_empty_vector_is_not_compared(archive: Archive) -> None:
    """A text that the model refused counts as embedded, and is not found by its meaning."""
    archive.store([said("first"), said("refused")])
    first, refused = archive.unembedded("t", "m", 9).exchanges
    archive.store_vectors("m", [_vector(first), NewVector(refused, b"", "")])
    assert archive.unembedded("t", "m", 9).exchanges == []
    assert _nearest(archive) == ["first"]
    asked = archive.vectors(_ANA, _query("1111"), 1, [refused.row_id])
    assert list(asked.row_ids) == [first.row_id]


def test_threads_become_due_with_their_exchanges(archive: Archive) -> None:
    """A stored exchange makes its thread due, once. A thread without a user has no vectors."""
    assert archive.unembedded("t", "m", 9).due_at is None
    archive.store([said("first"), said("second"), said("anonymous", thread_id="none", user_id=None)])
    assert archive.due_threads(VECTORS, 60, 60, 9) == []
    assert archive.unembedded("none", "m", 9).exchanges == []
    first_due = archive.unembedded("t", "m", 1).due_at
    assert first_due is not None
    archive.store([said("third")])
    archive.clear_due("t", VECTORS, first_due)
    second_due = archive.unembedded("t", "m", 1).due_at
    assert second_due is not None
    assert second_due > first_due
    assert archive.due_threads(VECTORS, -1, 60, 9) == ["t"]
    assert archive.due_threads(VECTORS, -1, 60, 9) == []
    assert archive.due_threads(VECTORS, -1, -1, 9) == ["t"]
    last_due = archive.unembedded("t", "m", 1).due_at
    assert last_due is not None
    archive.clear_due("t", VECTORS, last_due)
    assert archive.unembedded("t", "m", 9).due_at is None


def test_an_erased_user_has_no_vectors(real_archive: Callable[..., Archive], database: psycopg.Connection) -> None:
    """The deletion of a user deletes the vectors with the messages."""
    archive = real_archive(derives=[VECTORS])
    archive.store([said("first"), said("second", thread_id="u")])
    _embed(archive)
    _embed(archive, "u")
    archive.forget_user("ana", ExchangeIds().new(), [])
    while archive.erase_rows():
        pass
    counts = database.execute("select (select count(*) from exchange_vectors), (select count(*) from due_derivations)")
    assert cast("tuple[int, int]", counts.fetchone()) == (0, 0)
