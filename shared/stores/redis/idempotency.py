"""Idempotency keys in Redis."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import orjson

from shared.stores.idempotency import ANSWER_SECONDS, LEASE_SECONDS, KeyState
from shared.stores.redis.connection import RedisConnection, require
from shared.stores.redis.generation import Epoch, queue_epoch, read_epoch
from shared.stores.redis.names import EPOCH, OUTBOX
from shared.stores.redis.read import clock_of

_MAX_OUTBOX_BODIES: Final = 200
# Deletes a Redis key if it still has the given value.
_DELETE_OWN: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class RedisKeys:
    """Stores keys in L1. The time to live is the lease. A second Redis key, which lives longer, has the exchange id."""

    stores_exchange_keys = False

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def acquire(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Acquire a new key or one whose lease has ended, and return the key's state, in one round trip."""
        record = _record(body_hash, exchange_id, None)
        set_reply, stored_record, exchange_reply, exchange, now, epoch, outbox, stats = self._connection.call(
            lambda pipe: (
                pipe.set(_name(key), record, nx=True, ex=LEASE_SECONDS),
                pipe.get(_name(key)),
                pipe.set(_exchange_name(key), record, nx=True, ex=ANSWER_SECONDS),
                pipe.get(_exchange_name(key)),
                pipe.time(),
                queue_epoch(pipe),
                pipe.llen(OUTBOX),
                pipe.info("stats"),
            )
        )
        if isinstance(set_reply, Exception) and isinstance(stored_record, bytes):
            # Redis refuses writes, but returned a key that it had stored before.
            set_reply = exchange_reply = None
        require([set_reply, stored_record, exchange_reply, exchange, now, epoch, outbox])
        fields = orjson.loads(stored_record or record)
        if fields["answer"] is None and exchange:
            # The first request with the key determines the exchange's id, even after that request's lease has ended.
            fields = orjson.loads(exchange)
        read, clock = read_epoch(epoch), clock_of(now)
        # If Redis has evicted keys, this key may be among them.
        has_evicted = isinstance(stats, dict) and int(stats["evicted_keys"]) != read.evictions
        # If Redis' clock was set ahead, keys have expired too early.
        is_clock_unchanged = read.is_clock_unchanged(clock)
        if read.lost_at is not None and not is_clock_unchanged:
            # Delete `began`. Without it, other processes see the loss even if the clock is right again when they read.
            require(self._connection.call(lambda pipe: pipe.hdel(EPOCH, "began")))
        is_same_server = read.lost_at is not None and is_clock_unchanged and read.is_valid_on(self._connection.identity)
        return KeyState(
            fields["body_hash"],
            UUID(fields["exchange_id"]),
            fields["answer"],
            is_acquired=bool(set_reply),
            has_all_keys=not has_evicted and is_same_server and _has_all_keys(read, clock),
            age=_age(read, clock) if is_same_server else 0.0,
            may_be_in_outbox=outbox > 0 and self._may_be_in_outbox(key),
            lease_id=record.decode(),
        )

    def _may_be_in_outbox(self, key: str) -> bool:
        """Return whether an exchange in the outbox may have the key. Only the beginning of a long outbox is read."""
        (bodies,) = require(self._connection.call(lambda pipe: pipe.lrange(OUTBOX, 0, _MAX_OUTBOX_BODIES)))
        return len(bodies) > _MAX_OUTBOX_BODIES or any(key.encode() in body for body in bodies)

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Store the response for `ANSWER_SECONDS`."""
        record = _record(body_hash, exchange_id, answer)
        record_of_id = _record(body_hash, exchange_id, None)
        require(
            self._connection.call(
                lambda pipe: (
                    pipe.set(_name(key), record, ex=ANSWER_SECONDS),
                    # The exchange's id expires at the same time as the response. After that the key is new.
                    pipe.set(_exchange_name(key), record_of_id, ex=ANSWER_SECONDS),
                )
            )
        )

    def release(self, key: str, lease_id: str) -> None:
        """Delete the key if it still has this lease; a later lease has another value."""
        (is_own,) = require(self._connection.call(lambda pipe: pipe.eval(_DELETE_OWN, 1, _name(key), lease_id)))
        if is_own:
            require(self._connection.call(lambda pipe: pipe.eval(_DELETE_OWN, 1, _exchange_name(key), lease_id)))


def _age(epoch: Epoch, clock: float) -> float:
    """Return the seconds since Redis was last emptied or replaced.

    An eviction changes `lost_at` but starts no generation, so the earlier of the two times counts.
    """
    lost_at = clock if epoch.lost_at is None else epoch.lost_at
    return clock - min(lost_at, float(epoch.generation or lost_at))


def _has_all_keys(epoch: Epoch, clock: float) -> bool:
    """Return whether Redis has every key of the last `ANSWER_SECONDS`.

    Redis lacks the keys of requests that ran in an outage. Every outage starts a generation, so no key is missing if
    the generation and the last loss are old enough.
    """
    if epoch.is_first:
        return True
    return clock - max(epoch.lost_at or clock, float(epoch.generation or clock)) > ANSWER_SECONDS


def _name(key: str) -> str:
    return f"idempotency:{key}"


def _exchange_name(key: str) -> str:
    return f"{_name(key)}:exchange"


def _record(body_hash: str, exchange_id: UUID, answer: str | None) -> bytes:
    return orjson.dumps({"body_hash": body_hash, "exchange_id": str(exchange_id), "answer": answer})
