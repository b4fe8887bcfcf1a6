"""The inspector's reads of L1: one thread's list, and the outbox. Each read is one round trip without writes."""

from __future__ import annotations

from shared.errors import InvalidRecord
from shared.models import Exchange
from shared.stores.inspectors import ListSnapshot, QueueCounts
from shared.stores.redis.connection import RedisConnection, ignore_wrongtype, require
from shared.stores.redis.entries import decode_list, without_placeholder
from shared.stores.redis.lists import order_of, uuids_of
from shared.stores.redis.names import OUTBOX, deleted_key, messages_key, tombstone_key, undrained_key
from shared.stores.redis.read import split_undrained


class RedisInspector:
    """The inspector's reads of Redis. Methods raise `StoreUnavailable` if Redis does not respond."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def thread(self, thread_id: str, max_messages: int) -> ListSnapshot:
        """Read the newest `max_messages` messages of a thread's list."""
        key = messages_key(thread_id)
        entries, length, ttl, tombstone, undrained, members = require(
            ignore_wrongtype(
                self._connection.call(
                    lambda pipe: [
                        pipe.lrange(key, -max_messages, -1),
                        pipe.llen(key),
                        pipe.pttl(key),
                        pipe.get(tombstone_key(thread_id)),
                        pipe.hvals(undrained_key(thread_id)),
                        pipe.smembers(deleted_key(thread_id)),
                    ]
                )
            )
        )
        cutoff, deleted = order_of(tombstone), uuids_of(members or ())
        own_entries = without_placeholder(entries or [])
        return ListSnapshot(
            messages=decode_list(own_entries).without(cutoff, deleted),
            length=(length or 0) - (len(entries or []) - len(own_entries)),
            # PTTL is negative for a missing key and for a key without an expiry.
            ttl_seconds=ttl / 1000 if ttl is not None and ttl >= 0 and length else None,
            undrained=split_undrained(thread_id, undrained, cutoff, deleted)[0],
        )

    def outbox(self) -> QueueCounts:
        """Count the entries of the outbox."""
        length, oldest = require(self._connection.call(lambda pipe: [pipe.llen(OUTBOX), pipe.lindex(OUTBOX, 0)]))
        try:
            accepted_at = Exchange.from_wire(oldest).acceptance_time if oldest else None
        except InvalidRecord:
            accepted_at = None
        return QueueCounts(length, oldest=accepted_at)
