"""Vectors of exchanges in PostgreSQL, and the threads that something is to be derived from."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.cosines import cosines, max_compared
from shared.errors import StatementRefused
from shared.stores.derivations import MEMORIES, VECTORS
from shared.stores.postgres import pgvector
from shared.stores.postgres.connection import PostgresConnection, sql, utc
from shared.stores.search import QueryVector, SearchScope, StoredVectors, split_ids
from shared.stores.vectors import NewVector, Unembedded, UnembeddedExchange, VectorModel

_Connection = psycopg.Connection[DictRow]
_COMPARED, _VALID = sql("vectors_compared"), sql("vectors_valid")
_MISSING, _STORE = sql("vectors_missing"), sql("vectors_store")
_MARK, _DUE = sql("derivations_mark"), sql("derivations_due")
_MARK_OLD: Final = {VECTORS: sql("derivations_mark_old"), MEMORIES: sql("learning_mark_old")}
_CLEAR: Final = (
    "delete from due_derivations d using conversations c"
    " where c.thread_id = %(thread_id)s and d.conversation_id = c.id and d.kind = %(kind)s and d.due_at = %(due_at)s"
)
_PROGRESS: Final = (
    "update derivation_progress set last_conversation_id = coalesce(%(last)s, last_conversation_id),"
    " ended_at = case when %(last)s::uuid is not null then null"
    # For memories, it is the time of the last sweep.
    " when kind = 'memories' then clock_timestamp() else coalesce(ended_at, clock_timestamp()) end"
    " where kind = %(kind)s and model = %(model)s"
)
# Whether each thread has vectors of the model. A missing row means that the sweep has not run yet.
_IS_COMPLETE: Final = """\
not exists (select from derivation_progress where kind = %(kind)s and (model <> %(model)s or ended_at is null))
and not exists (select from due_derivations where kind = %(kind)s and is_old)"""
# Two ranges of an index, because PostgreSQL would read the whole table for `model <> …`.
_OTHERS: Final = """\
(select message_id, model from exchange_vectors where model < %(model)s limit %(rows)s)
union all (select message_id, model from exchange_vectors where model > %(model)s limit %(rows)s)"""
# The model whose vectors a search compares: the configured one, once all threads have its vectors, otherwise the last.
_MODEL: Final = f"""\
select coalesce(o.model, %(model)s) as model, c.is_complete and o.model is null as is_complete,
    {pgvector.SCHEMA} as pgvector_schema
from (
    select {_IS_COMPLETE} as is_complete,
        exists (select from derivation_progress where kind = %(kind)s and model = %(model)s) as has_begun
) as c
left join lateral (select model from ({_OTHERS}) as others limit 1) as o on not (c.is_complete and c.has_begun)"""  # noqa: S608 - the text is a constant
# Vectors of other models are removed once all threads have vectors of the configured model.
_REMOVE_OTHERS: Final = f"""\
delete from exchange_vectors where (message_id, model) in (select message_id, model from ({_OTHERS}) as others)
    and exists (select from derivation_progress where kind = %(kind)s and model = %(model)s) and {_IS_COMPLETE}"""  # noqa: S608 - the text is a constant
# The numbers of threads and of vectors in a step of the sweep.
_THREADS: Final = 1_000
_VECTORS: Final = 2_000
_CONVERTED: Final = 500
# Of more vectors than Python compares, it compares this number.
_BY_SIGNS: Final = 1_000


def mark_due(connection: _Connection, from_orders: Mapping[str, UUID], kinds: Sequence[str]) -> None:
    """Record, in the caller's transaction, that something is to be derived from threads.

    Args:
        connection: The connection of the transaction.
        from_orders: The lowest order key of each thread's exchanges that were stored or replaced.
        kinds: What is to be derived.
    """
    if kinds and from_orders:
        threads = sorted(from_orders)
        orders = [from_orders[thread_id] for thread_id in threads]
        connection.execute(_MARK, {"thread_ids": threads, "from_orders": orders, "kinds": list(kinds)})


class PostgresVectors:
    """Vectors and due threads. Methods raise `StoreUnavailable` if PostgreSQL does not respond."""

    # `vector_model` looks for pgvector, and a search reads the model once a minute.
    _pgvector_schema: str | None = None

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def vectors(self, scope: SearchScope, query: QueryVector, limit: int, row_ids: Sequence[UUID]) -> StoredVectors:
        """Return the vectors nearest to a query, and those of `row_ids`; see `SearchArchive.vectors`."""
        values = {
            **asdict(scope),
            "model": query.model,
            "signs": query.signs,
            "dimensions": len(query.signs),
            "row_ids": list(row_ids),
        }
        if self._pgvector_schema is not None:
            try:
                return self._nearest(pgvector.nearest_statement(self._pgvector_schema), query, values, limit)
            except StatementRefused:
                # The extension was dropped or moved after the model was read.
                self._pgvector_schema = None
        return self._compare(query, values, limit, row_ids)

    def _nearest(self, statement: bytes, query: QueryVector, values: dict[str, Any], limit: int) -> StoredVectors:
        row = self._read(statement, values | {"rows": limit, "values": pgvector.to_halfvec(query.values)})[0]
        names = [UUID(bytes=each) for each in split_ids(row["row_ids"])]
        return StoredVectors(names, split_ids(row["thread_ids"]), row["cosines"])

    def _compare(
        self, query: QueryVector, values: dict[str, Any], limit: int, row_ids: Sequence[UUID]
    ) -> StoredVectors:
        """Compute the cosines in Python, and ask PostgreSQL which of the nearest vectors are valid."""
        sizes = {"rows": max_compared(len(query.signs)), "by_signs": max(limit, _BY_SIGNS)}
        (row,) = self._read(_COMPARED, values | sizes)
        by_row_id = dict(zip(split_ids(row["row_ids"]), cosines(query.values, row["vectors"]), strict=True))
        chosen = heapq.nlargest(limit, by_row_id, key=by_row_id.__getitem__)
        names = {UUID(bytes=each) for each in chosen} | {each for each in row_ids if each.bytes in by_row_id}
        if not names:
            return StoredVectors()
        valid = self._read(_VALID, values | {"row_ids": list(names)})
        return StoredVectors(
            [each["id"] for each in valid],
            [each["conversation_id"] for each in valid],
            [by_row_id[each["id"].bytes] for each in valid],
        )

    def _read(self, statement: bytes, values: dict[str, Any]) -> list[DictRow]:
        return self._connection.run(
            lambda c: c.execute(statement, values, binary=True).fetchall(),
            is_one_statement=True,
            # A slow search does not show that other statements are slow.
            is_trial=True,
        )

    def vector_model(self, model: str) -> VectorModel:
        """Return the model whose vectors a search compares; see `VectorArchive.vector_model`."""
        values = {"model": model, "kind": VECTORS, "rows": 1}
        row = self._connection.run(
            lambda c: c.execute(_MODEL, values).fetchone() or {}, is_one_statement=True, is_trial=True
        )
        self._pgvector_schema = row["pgvector_schema"]
        return VectorModel(row["model"], is_complete=row["is_complete"])

    def unembedded(self, thread_id: str, model: str, limit: int) -> Unembedded:
        """Return exchanges of a thread that have no valid vector of the model."""
        values = {"thread_id": thread_id, "model": model, "kind": VECTORS, "rows": limit}
        rows = self._connection.run(lambda c: c.execute(_MISSING, values).fetchall(), is_one_statement=True)
        exchanges = [
            UnembeddedExchange(
                row["id"], row["user_message"], row["assistant_message"], row["revision"], row["accepted_at"]
            )
            for row in rows
            if row["id"] is not None
        ]
        due_at = rows[0]["due_at"] if rows else None
        return Unembedded(exchanges, utc(due_at))

    def store_vectors(self, model: str, vectors: Sequence[NewVector]) -> None:
        """Store vectors, except those of exchanges that were replaced or deleted meanwhile."""
        if not vectors:
            return
        values = {
            "model": model,
            "dimensions": [len(each.vector) for each in vectors],
            "row_ids": [each.exchange.row_id for each in vectors],
            "revisions": [each.exchange.revision for each in vectors],
            "accepted_at": [each.exchange.accepted_at for each in vectors],
            "vectors": [each.vector for each in vectors],
            "signs": [each.signs for each in vectors],
        }
        self._connection.run(lambda c: c.execute(_STORE, values), is_one_statement=True)

    def clear_due(self, thread_id: str, kind: str, due_at: datetime) -> None:
        """Record that nothing is to be derived from a thread, unless it became due again after `due_at`."""
        values = {"thread_id": thread_id, "kind": kind, "due_at": due_at}
        self._connection.run(lambda c: c.execute(_CLEAR, values), is_one_statement=True)

    def due_threads(self, kind: str, age: float, sent_age: float, limit: int) -> list[str]:
        """Return threads that have been due for more than `age` seconds, and record that they are sent."""
        values = {"kind": kind, "age": age, "sent_age": sent_age, "rows": limit}
        rows = self._connection.run(lambda c: c.execute(_DUE, values).fetchall(), is_one_statement=True)
        return [row["thread_id"] for row in rows]

    def mark_old_threads(self, kind: str, model: str) -> int:
        """Mark some threads that lack vectors of the model as due; see `VectorArchive.mark_old_threads`."""

        def work(connection: _Connection) -> int:
            values = {"kind": kind, "model": model, "rows": _THREADS}
            row = connection.execute(_MARK_OLD[kind], values).fetchone() or {}
            connection.execute(_PROGRESS, {"kind": kind, "model": model, "last": row["last"]})
            return int(row["threads"])

        return self._connection.run(work)

    def remove_other_vectors(self, model: str) -> int:
        """Remove some vectors of other models, once nothing is due; return their number."""
        values = {"kind": VECTORS, "model": model, "rows": _VECTORS}
        return self._connection.run(lambda c: c.execute(_REMOVE_OTHERS, values).rowcount, is_one_statement=True)

    def convert_vectors(self) -> int:
        """Fill pgvector's column of some vectors, if the database has it; return their number."""

        def work(connection: _Connection) -> int:
            row = connection.execute(f"select {pgvector.SCHEMA} as schema".encode()).fetchone() or {}
            return 0 if row["schema"] is None else connection.execute(pgvector.CONVERT, {"rows": _CONVERTED}).rowcount

        return self._connection.run(work)

    def forget_progress(self, kind: str) -> None:
        """Record that nothing is derived now, so that a later start looks at all threads again."""
        self._connection.run(
            lambda c: c.execute("delete from derivation_progress where kind = %s", (kind,)), is_one_statement=True
        )
