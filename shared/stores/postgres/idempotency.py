"""Idempotency keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.rows import DictRow

from shared.errors import StoreUnavailable
from shared.models import Exchange
from shared.stores.idempotency import LEASE_SECONDS, KeyState
from shared.stores.postgres.connection import PostgresConnection, sql

_ACQUIRE, _STORE = sql("acquire_key"), sql("store_keys")


class PostgresKeys:
    """Stores idempotency keys in L2."""

    stores_exchange_keys = True

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._breaker = connection.breaker_for(_try_acquiring)

    def acquire(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Acquire a new key or one whose lease has ended, and return the key's state."""
        row = self._connection.run(lambda c: _acquire(c, key, body_hash, exchange_id), breaker=self._breaker)
        if row is None:
            raise StoreUnavailable("postgres", "the statement returned no row")
        lease_id = row["claimed_at"].isoformat()
        return KeyState(row["body_hash"], row["exchange_id"], row["answer"], row["is_acquired"], lease_id=lease_id)

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Store the response, even for a new key. A response that a deletion has emptied stays empty."""
        self._connection.run(
            lambda c: c.execute(
                "insert into idempotency_keys as k (key, body_hash, exchange_id, answer, thread_id)"
                " values (%s, %s, %s, %s, %s)"
                " on conflict (key) do update set answer = excluded.answer, thread_id = excluded.thread_id"
                " where k.body_hash = excluded.body_hash and k.answer is distinct from '{}'",
                (key, body_hash, exchange_id, answer, _thread_of(answer)),
            ),
            breaker=self._breaker,
        )

    def release(self, key: str, lease_id: str) -> None:
        """Delete the key if it still has this lease. A later lease has another id."""
        statement = "delete from idempotency_keys where key = %s and answer is null and claimed_at = %s::timestamptz"
        self._connection.run(lambda c: c.execute(statement, (key, lease_id)), breaker=self._breaker)


def _acquire(connection: psycopg.Connection[DictRow], key: str, body_hash: str, exchange_id: UUID) -> DictRow | None:
    values = {"key": key, "body_hash": body_hash, "exchange_id": exchange_id, "lease": LEASE_SECONDS}
    return connection.execute(_ACQUIRE, values).fetchone()


def _try_acquiring(connection: psycopg.Connection[DictRow]) -> object:
    # The key is random, so that two concurrent calls do not wait for the same row.
    return _acquire(connection, f"trial:{uuid4()}", "", UUID(int=0))


def store_keys(connection: psycopg.Connection[DictRow], exchanges: Sequence[Exchange]) -> None:
    """Store the keys of these exchanges' requests, in the transaction that stores the exchanges."""
    by_key = {exchange.keyed.key: (exchange.keyed, exchange) for exchange in exchanges if exchange.keyed is not None}
    if not by_key:
        return
    connection.execute(
        _STORE,
        {
            "keys": list(by_key),
            "body_hashes": [keyed.body_hash for keyed, _ in by_key.values()],
            "exchange_ids": [exchange.exchange_id for _, exchange in by_key.values()],
            "answers": [_answer_of(exchange) for _, exchange in by_key.values()],
            "thread_ids": [exchange.thread_id for _, exchange in by_key.values()],
        },
    )


def _answer_of(exchange: Exchange) -> str:
    """Return an exchange's response. The memory report is missing, because each request creates its own."""
    response = {
        "response": exchange.assistant_message,
        "thread_id": exchange.thread_id,
        "exchange_id": str(exchange.exchange_id),
    }
    return orjson.dumps(response).decode()


def _thread_of(answer: str) -> str | None:
    """Return the thread of a response, so that a deletion finds the response."""
    response = orjson.loads(answer)
    return response.get("thread_id") if isinstance(response, dict) else None
