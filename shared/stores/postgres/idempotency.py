"""Idempotency keys in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

import orjson

from shared.errors import StoreUnavailable
from shared.stores.idempotency import LEASE_SECONDS, KeyState
from shared.stores.postgres.connection import PostgresConnection, sql

_CLAIM = sql("claim_key")


class PostgresKeys:
    """Remembers keys in L2."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def claim(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Claim the key, take over a claim whose holder fell silent, or say what is known of it."""
        wanted = {"key": key, "body_hash": body_hash, "exchange_id": exchange_id, "lease": LEASE_SECONDS}
        row = self._connection.run(lambda c: c.execute(_CLAIM, wanted).fetchone())
        if row is None:
            raise StoreUnavailable("postgres", "a claim had no row")
        return KeyState(row["body_hash"], row["exchange_id"], row["answer"], row["is_claimed"])

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Remember the answer, also where the claim could not be made."""
        self._connection.run(
            lambda c: c.execute(
                "insert into idempotency_keys as k (key, body_hash, exchange_id, answer, thread_id)"
                " values (%s, %s, %s, %s, %s)"
                " on conflict (key) do update set answer = excluded.answer, thread_id = excluded.thread_id"
                " where k.body_hash = excluded.body_hash",
                (key, body_hash, exchange_id, answer, _thread_of(answer)),
            )
        )

    def release(self, key: str) -> None:
        """Forget a claim without an answer."""
        self._connection.run(
            lambda c: c.execute("delete from idempotency_keys where key = %s and answer is null", (key,))
        )


def _thread_of(answer: str) -> str | None:
    """Return the thread that an answer is about, so that a deletion finds the answer."""
    told = orjson.loads(answer)
    return told.get("thread_id") if isinstance(told, dict) else None
