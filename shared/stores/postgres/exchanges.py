"""Replaces and deletes one exchange in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.models import Exchange, ExchangeTexts, title_of
from shared.search_terms import TERMS_VERSION
from shared.stores.archive import ExchangeCopy, ExchangeDeletion
from shared.stores.postgres.connection import sql, utc
from shared.stores.postgres.search import key_columns

_DELETE, _DELETED, _STORED, _REPLACE = map(sql, ("delete_exchange", "deleted", "stored", "replace_exchange"))
_ATTACH: Final = b"""
insert into conversation_documents (conversation_id, document_id)
select %s, given.id from unnest(%s::text[]) as given (id)
on conflict (conversation_id, document_id) do nothing
"""
_RETITLE: Final = "update conversations set title = %s where id = %s"
_FIRST: Final = (
    "select content from messages where conversation_id = %s and position = 0 order by order_key, exchange_id limit 1"
)
_Connection = psycopg.Connection[DictRow]


def exchanges_of(thread_id: str, rows: Any) -> list[Exchange]:
    """Return the exchanges of message rows that are in thread order."""
    rows_by_exchange: dict[UUID, dict[int, dict[str, Any]]] = {}
    for row in rows:
        rows_by_exchange.setdefault(row["exchange_id"], {})[row["position"]] = row
    return [
        Exchange(
            exchange_id=exchange_id,
            thread_id=thread_id,
            user_id=next(iter(sides.values()))["user_id"],
            user_message=sides[0]["content"] if 0 in sides else "",
            assistant_message=sides[1]["content"] if 1 in sides else "",
            created_at=next(iter(sides.values()))["created_at"].astimezone(UTC),
            metadata=sides[0]["metadata"] if 0 in sides else None,
            revision=max(side["revision"] for side in sides.values()),
            accepted_at=utc(next(iter(sides.values()))["accepted_at"]),
        )
        for exchange_id, sides in rows_by_exchange.items()
    ]


def replace(
    connection: _Connection, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, above: int
) -> Exchange | None:
    """Replace an exchange's texts and return the new revision; None if the exchange does not exist."""
    thread = _locked_thread(connection, thread_id)
    stored = _exchange(connection, thread_id, exchange_id)
    if thread is None or stored is None:
        return None
    replacement = stored.revised(texts, max(stored.revision, above) + 1)
    connection.execute(
        _REPLACE,
        {
            "conversation_id": thread["id"],
            "exchange_id": exchange_id,
            "user_message": replacement.user_message,
            "assistant_message": replacement.assistant_message,
            "metadata": replacement.metadata,
            "created_at": replacement.created_at,
            "accepted_at": replacement.accepted_at,
            "revision": replacement.revision,
            "terms_version": TERMS_VERSION,
            **key_columns(replacement.user_message, replacement.assistant_message),
        },
    )
    if texts.document_ids:
        connection.execute(_ATTACH, (thread["id"], list(texts.document_ids)))
    _retitle(connection, thread, stored, title_of(texts.user_message))
    return replacement


def delete(connection: _Connection, thread_id: str, exchange_id: UUID) -> ExchangeDeletion:
    """Delete an exchange permanently; the caller holds the exclusive lock."""
    thread = _locked_thread(connection, thread_id)
    stored = _exchange(connection, thread_id, exchange_id)
    row = connection.execute(_DELETE, {"thread_id": thread_id, "exchange_id": exchange_id}).fetchone()
    if thread is not None and stored is not None:
        first = connection.execute(_FIRST, (thread["id"],)).fetchone()
        _retitle(connection, thread, stored, None if first is None else title_of(first["content"]))
    if row is None:
        raise psycopg.InterfaceError("a statement that always returns a row returned none")
    if row["was_there"]:
        return "deleted"
    return "gone" if row["was_deleted"] else "unknown"


def deleted_among(connection: _Connection, thread_id: str, copies: Sequence[ExchangeCopy]) -> set[UUID]:
    """Return which of the thread's exchanges were deleted, individually or with the thread or their user."""
    values = {
        "thread_id": thread_id,
        "exchange_ids": [each.exchange_id for each in copies],
        "acceptances": [each.acceptance for each in copies],
        "user_ids": [each.user_id for each in copies],
    }
    rows = connection.execute(_DELETED, values).fetchall()
    return {row["exchange_id"] for row in rows}


def _locked_thread(connection: _Connection, thread_id: str) -> DictRow | None:
    """Lock and return the thread's row. The drain locks it first, too, so changes of a thread run one at a time."""
    statement = (
        "select c.id, c.title, c.title_is_fixed from live_conversations l join conversations c on c.id = l.id"
        " where l.thread_id = %s for no key update of c"
    )
    return connection.execute(statement, (thread_id,)).fetchone()


def _exchange(connection: _Connection, thread_id: str, exchange_id: UUID) -> Exchange | None:
    rows = connection.execute(_STORED, {"thread_ids": [thread_id], "exchange_ids": [exchange_id]}).fetchall()
    return next(iter(exchanges_of(thread_id, rows)), None)


def _retitle(connection: _Connection, thread: DictRow, titled_by: Exchange, title: str | None) -> None:
    """Replace the thread's title if it was made from the replaced or deleted exchange."""
    if not thread["title_is_fixed"] and thread["title"] == title_of(titled_by.user_message):
        connection.execute(_RETITLE, (title, thread["id"]))
