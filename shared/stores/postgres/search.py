"""The text search in PostgreSQL: an inverted index of the exchanges' keys, which every writer of messages maintains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.models import Exchange
from shared.search_keys import document_terms
from shared.search_terms import TERMS_VERSION
from shared.stores.archive import MAX_HEARTBEAT_GAP_SECONDS
from shared.stores.postgres.connection import PostgresConnection, sql, utc
from shared.stores.search import Beside, FoundExchange, Matches, SearchScope, split_ids

_Connection = psycopg.Connection[DictRow]
# The same text as the predicate of the index `ix_messages_unindexed`, so that PostgreSQL uses the index.
_UNINDEXED: Final = (
    f"m.position = 0 and (m.terms_version is distinct from {TERMS_VERSION}"
    " or m.terms_revision is distinct from m.revision"
    " or m.terms_accepted_at is distinct from coalesce(m.accepted_at, m.created_at))"
)
# Only the index of unindexed rows has this order, so PostgreSQL reads it, whatever number of rows it expects.
_ORDER: Final = "order by m.conversation_id nulls first"
# A process of an earlier release may have changed a row's texts without its terms. Without `case`, PostgreSQL expects
# that almost no row is indexed, and plans for that.
_INDEXED: Final = (
    f"case when m.terms_version = {TERMS_VERSION} and m.terms_revision = m.revision"
    " and m.terms_accepted_at = coalesce(m.accepted_at, m.created_at) then true end"
)
_HITS, _MATCHES = sql("search_hits").decode(), sql("search_matches").decode()
_FOUND, _BESIDE = sql("search_found"), sql("search_beside")
_UNSTORED, _INDEX = sql("search_unstored"), sql("search_index")
_SELECT_UNINDEXED: Final = sql("search_unindexed").decode().format(unindexed=_UNINDEXED, order=_ORDER).encode()
_COUNT_UNINDEXED: Final = (
    f"select count(*) as count from (select from messages m where {_UNINDEXED} {_ORDER} limit %s) as unindexed"  # noqa: S608 - the text is a constant
).encode()
# The maximum number of exchanges that one step of the sweep indexes.
_ROWS: Final = 200


class PostgresSearch:
    """The search in PostgreSQL. Methods raise `StoreUnavailable` if PostgreSQL does not respond."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def matches(self, scope: SearchScope, keys: Sequence[int]) -> Matches:
        """Return the exchanges that have any of the keys; see `SearchArchive.matches`."""
        if not keys:
            return Matches()
        values = {
            **asdict(scope),
            "gap": MAX_HEARTBEAT_GAP_SECONDS,
            **{f"key_{number}": key for number, key in enumerate(keys)},
        }
        row = self._connection.run(
            lambda c: c.execute(_matches_statement(len(keys)), values, binary=True).fetchone() or {},
            is_one_statement=True,
            # A slow search does not show that other statements are slow.
            is_trial=True,
        )
        return Matches(
            row["row_ids"],
            split_ids(row["thread_ids"]),
            row["keys"],
            row["user_terms"],
            row["assistant_terms"],
            total=row["total"],
            is_indexed=not row["has_unindexed"],
            uptime=row["uptime"] or 0.0,
        )

    def beside(self, scope: SearchScope, row_ids: Sequence[UUID]) -> list[Beside]:
        """Return the exchanges next to each of these exchanges in its thread."""
        values = {"row_ids": list(row_ids), "since": scope.since, "until": scope.until}
        rows = self._connection.run(
            lambda c: c.execute(_BESIDE, values).fetchall(), is_one_statement=True, is_trial=True
        )
        return [Beside(row["before"], row["after"]) for row in rows]

    def found(self, user_id: str, row_ids: Sequence[UUID]) -> dict[UUID, FoundExchange]:
        """Return these exchanges of the user, without those that were deleted meanwhile."""
        values = {"user_id": user_id, "row_ids": list(row_ids)}
        rows = self._connection.run(lambda c: c.execute(_FOUND, values).fetchall(), is_one_statement=True)
        return {row["id"]: FoundExchange(_exchange(row), row["title"]) for row in rows}

    def unstored(self, exchanges: Sequence[Exchange]) -> list[FoundExchange]:
        """Return the exchanges that PostgreSQL neither stores in this or a later revision nor has deleted."""
        if not exchanges:
            return []
        values = {
            "numbers": list(range(len(exchanges))),
            "thread_ids": [each.thread_id for each in exchanges],
            "user_ids": [each.user_id for each in exchanges],
            "exchange_ids": [each.exchange_id for each in exchanges],
            "acceptances": [each.acceptance for each in exchanges],
            "revisions": [each.revision for each in exchanges],
        }
        rows = self._connection.run(lambda c: c.execute(_UNSTORED, values).fetchall(), is_one_statement=True)
        return [FoundExchange(exchanges[row["number"]], row["title"]) for row in rows]

    def index_exchanges(self) -> int:
        """Index some exchanges that have no terms, or terms of another version; return their number."""
        return self._connection.run(_index_some)

    def unindexed(self, limit: int) -> int:
        """Return the number of exchanges that are not indexed, at most `limit`."""
        row = self._connection.run(
            lambda c: c.execute(_COUNT_UNINDEXED, (limit,)).fetchone() or {}, is_one_statement=True
        )
        return int(row["count"])


def key_columns(user_message: str, assistant_message: str) -> dict[str, Any]:
    """Return the values of an exchange's search columns. `search_keys` is text in the format of an array."""
    terms = document_terms(user_message, assistant_message)
    return {
        "search_keys": "{" + ",".join(map(str, terms.keys)) + "}",
        "user_terms": terms.user_length,
        "assistant_terms": terms.assistant_length,
    }


def _index_some(connection: _Connection) -> int:
    rows = connection.execute(_SELECT_UNINDEXED, {"rows": _ROWS}).fetchall()
    columns = [key_columns(row["user_message"], row["assistant_message"]) for row in rows]
    if rows:
        values = {name: [each[name] for each in columns] for name in columns[0]} | {
            "terms_version": TERMS_VERSION,
            "row_ids": [row["id"] for row in rows],
            "revisions": [row["revision"] for row in rows],
            "accepted_at": [row["accepted_at"] for row in rows],
        }
        connection.execute(_INDEX, values)
    return len(rows)


def _matches_statement(keys: int) -> bytes:
    """Return the statement for this number of keys."""
    hits = "\n    union all\n    ".join(_HITS.format(key=number, indexed=_INDEXED) for number in range(keys))
    return _MATCHES.format(hits=hits, unindexed=_UNINDEXED, order=_ORDER).encode()


def _exchange(row: DictRow) -> Exchange:
    return Exchange(
        exchange_id=row["exchange_id"],
        thread_id=row["thread_id"],
        user_id=row["user_id"],
        user_message=row["user_message"],
        assistant_message=row["assistant_message"],
        created_at=row["created_at"].astimezone(UTC),
        metadata=row["metadata"],
        revision=row["revision"],
        accepted_at=utc(row["accepted_at"]),
    )
