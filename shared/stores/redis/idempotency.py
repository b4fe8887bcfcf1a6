"""Idempotency keys in Redis."""

from __future__ import annotations

from uuid import UUID

import orjson

from shared.stores.idempotency import ANSWER_SECONDS, LEASE_SECONDS, KeyState
from shared.stores.redis.connection import RedisConnection, require
from shared.stores.redis.generation import Epoch, queue_epoch, read_epoch
from shared.stores.redis.read import clock_of


class RedisKeys:
    """Remembers keys in L1. A claim's lease is the key's time to live."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def claim(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Claim the key, or say what is known of it, in one round trip."""
        record = _record(body_hash, exchange_id, None)
        set_reply, known, now, epoch, stats = self._connection.call(
            lambda pipe: (
                pipe.set(_name(key), record, nx=True, ex=LEASE_SECONDS),
                pipe.get(_name(key)),
                pipe.time(),
                queue_epoch(pipe),
                pipe.info("stats"),
            )
        )
        require([set_reply, known, now, epoch])
        fields = orjson.loads(known or record)
        return KeyState(
            fields["body_hash"],
            UUID(fields["exchange_id"]),
            fields["answer"],
            is_claimed=bool(set_reply),
            is_sure=self._has_lost_no_key(read_epoch(epoch), clock_of(now), stats),
        )

    def _has_lost_no_key(self, epoch: Epoch, clock: float, stats: object) -> bool:
        """Return whether Redis still has every key that it was given in the time for which answers are kept."""
        if epoch.began is None or not epoch.is_settled or not epoch.is_of(self._connection.identity):
            return False
        if isinstance(stats, dict) and int(stats["evicted_keys"]) != epoch.evictions:
            return False
        return epoch.is_first or clock - epoch.began > ANSWER_SECONDS

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Remember the answer for a day."""
        record = _record(body_hash, exchange_id, answer)
        require(self._connection.call(lambda pipe: pipe.set(_name(key), record, ex=ANSWER_SECONDS)))

    def release(self, key: str) -> None:
        """Forget a claim."""
        require(self._connection.call(lambda pipe: pipe.delete(_name(key))))


def _name(key: str) -> str:
    return f"idempotency:{key}"


def _record(body_hash: str, exchange_id: UUID, answer: str | None) -> bytes:
    return orjson.dumps({"body_hash": body_hash, "exchange_id": str(exchange_id), "answer": answer})
