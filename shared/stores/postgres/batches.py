"""Stores a batch of exchanges in PostgreSQL, and reads stored exchanges by their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.rows import DictRow

from shared.models import Exchange, format_time, title_of
from shared.search_terms import TERMS_VERSION
from shared.stores.archive import StoreResult
from shared.stores.postgres.connection import sql
from shared.stores.postgres.exchanges import exchanges_of
from shared.stores.postgres.idempotency import store_keys
from shared.stores.postgres.invalidations import log_invalidations
from shared.stores.postgres.locks import lock_shared
from shared.stores.postgres.search import key_columns
from shared.stores.postgres.vectors import mark_due

_Connection = psycopg.Connection[DictRow]
_STORE, _STORED = sql("store"), sql("stored")


class HiddenThreadsFound(Exception):  # noqa: N818 - named after the state; never leaves the store
    """A batch has exchanges of threads that still belong to a deleted user."""

    def __init__(self, thread_ids: Sequence[str]) -> None:
        super().__init__()
        self.thread_ids = thread_ids


def store_batch(exchanges: Sequence[Exchange], derives: Sequence[str] = ()) -> Callable[[_Connection], StoreResult]:
    """Return a function that stores all exchanges of a batch or none, in the transaction of a connection.

    The threads of stored exchanges become due for the kinds in `derives`. The function raises `HiddenThreadsFound` if
    the batch has exchanges of threads that still belong to a deleted user.
    """
    batch = orjson.dumps([_record(number, exchange) for number, exchange in enumerate(exchanges)]).decode()
    threads = {exchange.thread_id for exchange in exchanges}
    users = {exchange.user_id for exchange in exchanges}

    def work(connection: _Connection) -> StoreResult:
        lock_shared(connection, threads, users)
        rows = connection.execute(_STORE, {"batch": batch, "terms_version": TERMS_VERSION}).fetchall()
        by_outcome: dict[str, list[Exchange]] = {
            state: [] for state in ("stored", "replaced", "duplicate", "tombstoned", "rejected_owner", "hidden")
        }
        for row in rows:
            by_outcome[row["outcome"]].append(exchanges[row["number"]])
        if by_outcome["hidden"]:
            raise HiddenThreadsFound(sorted({exchange.thread_id for exchange in by_outcome["hidden"]}))
        if by_outcome["tombstoned"]:
            # L1 may have these exchanges and may have lost their deletion.
            log_invalidations(connection, "thread", [exchange.thread_id for exchange in by_outcome["tombstoned"]])
        duplicates = by_outcome["duplicate"]
        mark_due(connection, _first_orders(by_outcome["stored"] + by_outcome["replaced"]), derives)
        rejected_owner = {exchange.key for exchange in by_outcome["rejected_owner"]}
        store_keys(connection, [exchange for exchange in exchanges if exchange.key not in rejected_owner])
        return StoreResult(
            stored=len(by_outcome["stored"]),
            duplicates=len(duplicates) + len(by_outcome["replaced"]),
            tombstoned=len(by_outcome["tombstoned"]),
            effective=by_outcome["stored"] + by_outcome["replaced"] + stored_exchanges(connection, duplicates),
            rejected_owner=by_outcome["rejected_owner"],
            replaced=by_outcome["replaced"],
        )

    return work


def _first_orders(exchanges: Sequence[Exchange]) -> dict[str, UUID]:
    """Return the lowest order key of each thread."""
    orders: dict[str, UUID] = {}
    for each in exchanges:
        orders[each.thread_id] = min(each.order, orders.get(each.thread_id, each.order))
    return orders


def stored_exchanges(connection: _Connection, exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Return these exchanges as L2 stores them."""
    if not exchanges:
        return []
    values = {
        "thread_ids": [exchange.thread_id for exchange in exchanges],
        "exchange_ids": [exchange.exchange_id for exchange in exchanges],
    }
    by_thread: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(_STORED, values).fetchall():
        by_thread.setdefault(row["thread_id"], []).append(row)
    return [exchange for thread_id, rows in by_thread.items() for exchange in exchanges_of(thread_id, rows)]


def try_storing(connection: _Connection) -> None:
    """Store an exchange that uses every column and table, and roll it back."""
    now = datetime.now(UTC)
    test_exchange = Exchange(uuid4(), f"trial:{uuid4()}", "trial", "question", "answer", now, ("document",), "{}")
    with connection.transaction(force_rollback=True):
        store_batch([test_exchange])(connection)


def _record(number: int, exchange: Exchange) -> dict[str, Any]:
    return {
        "number": number,
        "exchange_id": str(exchange.exchange_id),
        "order_key": str(exchange.order),
        "thread_id": exchange.thread_id,
        "user_id": exchange.user_id,
        "title": title_of(exchange.user_message),
        "user_message": exchange.user_message,
        "assistant_message": exchange.assistant_message,
        "created_at": format_time(exchange.created_at),
        "document_ids": list(exchange.document_ids),
        # Metadata is sent as text, because jsonb would change its bytes.
        "metadata": exchange.metadata,
        "revision": exchange.revision,
        **key_columns(exchange.user_message, exchange.assistant_message),
        **({} if exchange.accepted_at is None else _import_fields(exchange, exchange.accepted_at)),
    }


def _import_fields(exchange: Exchange, accepted_at: datetime) -> dict[str, str]:
    return {"accepted_at": format_time(accepted_at), "acceptance": str(exchange.acceptance)}
