"""Idempotency keys in Redis."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import orjson

from shared.stores.idempotency import ANSWER_SECONDS, LEASE_SECONDS, KeyState
from shared.stores.redis.connection import RedisConnection, require
from shared.stores.redis.generation import GenerationRecord, parse_generation_record, queue_generation_read
from shared.stores.redis.names import GENERATION_KEY, OUTBOX
from shared.stores.redis.read import clock_of

_MAX_OUTBOX_BODIES: Final = 200
# Deletes a Redis key if it still has the given value.
_DELETE_OWN: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class RedisKeys:
    """Stores idempotency keys in L1, each in two Redis keys.

    The first Redis key expires when the request's lease ends. The second one, with the exchange id, expires later.
    """

    stores_exchange_keys = False

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def acquire(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Acquire a new key or one whose lease has ended, and return the key's state, in one round trip."""
        record = _record(body_hash, exchange_id, None)
        replies = self._connection.call(
            lambda pipe: (
                pipe.set(_name(key), record, nx=True, ex=LEASE_SECONDS),
                pipe.get(_name(key)),
                pipe.set(_exchange_name(key), record, nx=True, ex=ANSWER_SECONDS),
                pipe.get(_exchange_name(key)),
                pipe.time(),
                queue_generation_read(pipe),
                pipe.llen(OUTBOX),
                pipe.info("stats"),
            )
        )
        set_reply, stored_record, exchange_reply, exchange, now, generation_reply, outbox, stats = replies
        if isinstance(set_reply, Exception) and isinstance(stored_record, bytes):
            # Redis refuses writes, but returned a key that it had stored before.
            set_reply = exchange_reply = None
        require([set_reply, stored_record, exchange_reply, exchange, now, generation_reply, outbox])
        fields = orjson.loads(stored_record or record)
        if fields["answer"] is None and exchange:
            # The first request with the key determines the exchange's id, even after that request's lease has ended.
            fields = orjson.loads(exchange)
        generation_record, clock = parse_generation_record(generation_reply), clock_of(now)
        # If Redis has evicted keys, this key may be among them.
        has_evicted = isinstance(stats, dict) and int(stats["evicted_keys"]) != generation_record.evictions
        # If Redis' clock was set ahead, keys have expired too early.
        is_clock_unchanged = generation_record.is_clock_unchanged(clock)
        if generation_record.lost_at is not None and not is_clock_unchanged:
            # Delete the time of the last loss. If the record lacks it, every process knows that keys may be missing,
            # even after the clock was corrected.
            require(self._connection.call(lambda pipe: pipe.hdel(GENERATION_KEY, "began")))
        is_same_server = (
            generation_record.lost_at is not None
            and is_clock_unchanged
            and generation_record.is_valid_on(self._connection.identity)
        )
        return KeyState(
            fields["body_hash"],
            UUID(fields["exchange_id"]),
            fields["answer"],
            is_acquired=bool(set_reply),
            has_all_keys=not has_evicted and is_same_server and _has_all_keys(generation_record, clock),
            age=_age(generation_record, clock) if is_same_server else 0.0,
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
        """Delete the key if it still has this lease. A later lease has another id."""
        (is_own,) = require(self._connection.call(lambda pipe: pipe.eval(_DELETE_OWN, 1, _name(key), lease_id)))
        if is_own:
            require(self._connection.call(lambda pipe: pipe.eval(_DELETE_OWN, 1, _exchange_name(key), lease_id)))


def _age(generation_record: GenerationRecord, clock: float) -> float:
    """Return the seconds since Redis was last emptied or replaced.

    An eviction changes `lost_at`, but starts no generation. So the earlier of the two times is used: `lost_at`, or the
    start of the generation.
    """
    lost_at = clock if generation_record.lost_at is None else generation_record.lost_at
    return clock - min(lost_at, float(generation_record.generation or lost_at))


def _has_all_keys(generation_record: GenerationRecord, clock: float) -> bool:
    """Return whether Redis has every key of the last `ANSWER_SECONDS`.

    Redis lacks the keys of requests that ran while Redis was down. A generation starts after each such outage. So no
    key is missing if the generation and the last loss of data are older than `ANSWER_SECONDS`.
    """
    if generation_record.is_first:
        return True
    lost_at = generation_record.lost_at or clock
    started_at = float(generation_record.generation or clock)
    return clock - max(lost_at, started_at) > ANSWER_SECONDS


def _name(key: str) -> str:
    return f"idempotency:{key}"


def _exchange_name(key: str) -> str:
    return f"{_name(key)}:exchange"


def _record(body_hash: str, exchange_id: UUID, answer: str | None) -> bytes:
    return orjson.dumps({"body_hash": body_hash, "exchange_id": str(exchange_id), "answer": answer})
