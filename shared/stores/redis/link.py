"""A process' calls to Redis. Each call first sends the changes that Redis has missed."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.errors import StoreUnavailable
from shared.models import Exchange
from shared.settings import MemorySettings
from shared.stores.breaker import CircuitBreaker
from shared.stores.redis.connection import (
    PROBE_WRITE,
    Pipeline,
    RedisConnection,
    ignore_wrongtype,
    queue_commands,
    require,
)
from shared.stores.redis.entries import decode_undrained, undrained_field
from shared.stores.redis.generation import READ_GENERATION, fields_after_failed_write, parse_generation_record
from shared.stores.redis.lists import Append, AppendOutcome, ThreadLists
from shared.stores.redis.names import GENERATION_KEY, undrained_key
from shared.stores.redis.read import clock_of

_MAX_UNMERGED: Final = 500
# The maximum number of threads in one round trip.
MAX_THREADS_PER_CALL: Final = 500


class CacheLink:
    """Calls Redis. Before each call, it sends the changes that Redis has missed."""

    def __init__(self, connection: RedisConnection, memory: MemorySettings) -> None:
        self._memory = memory
        self._connection = connection
        self._lists = ThreadLists(memory)
        # Failed appends and the monotonic times of their failures. They are sent again before the next call.
        self._unmerged: OrderedDict[tuple[str, UUID], tuple[Append, float]] = OrderedDict()
        # The generation that the last read found. This process seals lists for it.
        self._generation: str | None = None
        # The monotonic time of the last failed or refused call; None after the recovery.
        self._failed_at: float | None = None
        self._probed_at = -math.inf
        self._connects = 0

    @property
    def breaker(self) -> CircuitBreaker:
        """The connection's circuit breaker."""
        return self._connection.breaker

    def _call(self, fill: Callable[[Pipeline], object], *, is_read: bool = False) -> list[Any]:
        """Send missed changes, then send the commands that `fill` queues in one round trip, and return their replies.

        For a read, the reply for a key of another type is None.

        Raises:
            StoreUnavailable: Redis did not respond, or refused a command.
        """
        self._catch_up()
        replies = self._send(fill)
        return self._require(ignore_wrongtype(replies) if is_read else replies)

    def _send(self, fill: Callable[[Pipeline], object]) -> list[Any]:
        try:
            return self._connection.call(fill)
        except StoreUnavailable:
            self._failed_at = time.monotonic()
            raise

    def _require(self, replies: list[Any]) -> list[Any]:
        try:
            return require(replies)
        except StoreUnavailable:
            self._failed_at = time.monotonic()
            raise

    def _catch_up(self) -> bool:
        """Send the changes that Redis has missed; return whether Redis accepts writes."""
        if self._failed_at is not None and not self._recover(self._failed_at):
            return False
        missed = [append for append, _ in self._unmerged.values()]
        if not missed:
            return True
        reply_slices: list[slice] = []

        def fill(pipe: Pipeline) -> None:
            reply_slices.clear()
            for append in missed:
                start = len(pipe)
                self._lists.queue_append(pipe, append)
                reply_slices.append(slice(start, len(pipe)))

        replies = self._send(fill)
        for append, reply_slice in zip(missed, reply_slices, strict=True):
            self._finish_retry(append, replies[reply_slice])
        return True

    def _recover(self, failed_at: float) -> bool:
        """Return whether Redis accepts writes again; if so, start a generation.

        One process starts it for all processes: if a generation has started since this process' last failure, this
        process starts none.
        """
        probed, now, record_reply, stats = self._send(
            lambda pipe: queue_commands(pipe, PROBE_WRITE, ("TIME",), READ_GENERATION, ("INFO", "stats"))
        )
        if isinstance(probed, Exception):
            self._failed_at = time.monotonic()
            return False
        self._require([now])
        clock = clock_of(now)
        record = parse_generation_record(None if isinstance(record_reply, Exception) else record_reply)
        evictions = int(stats["evicted_keys"]) if isinstance(stats, dict) else None
        self._forget_missed_before(record.last_loss(clock, self._connection.identity, evictions), clock)
        last = record.generation
        # A generation's name is the time of its start. If that time is in the future, Redis' clock was set back, and
        # the start is unknown.
        has_started_since = last is not None and clock - (time.monotonic() - failed_at) < float(last) <= clock
        if last is not None and not has_started_since:
            self._require(
                self._send(lambda pipe: pipe.hset(GENERATION_KEY, mapping=fields_after_failed_write(record, clock)))
            )
        self._failed_at = None
        return True

    def _forget_missed_before(self, lost_at: float, clock: float) -> None:
        """Drop the appends that failed before Redis last lost data, because it may also have lost their deletion.

        After a loss, readers do not expect Redis to have these exchanges: they check the queue and PostgreSQL.
        """
        limit = time.monotonic() - (clock - lost_at)
        for name in [name for name, (_, failed_at) in self._unmerged.items() if failed_at <= limit]:
            del self._unmerged[name]

    def _finish_retry(self, append: Append, replies: list[Any]) -> None:
        """Handle the replies to a retried append. If Redis refused a command, the append is retried again later.

        An append that a deletion includes is undone.
        """
        if any(isinstance(reply, Exception) for reply in replies):
            self._failed_at = time.monotonic()
            return
        outcome = append.parse_replies(replies)
        if outcome.was_drained:
            self._forget_drained(append.exchange)
        if outcome.cutoff is not None:
            self._undo(append.exchange, outcome)
        self._unmerged.pop(append.exchange.key, None)

    def _remember_unmerged(self, append: Append) -> None:
        self._unmerged[append.exchange.key] = append, time.monotonic()
        self._unmerged.move_to_end(append.exchange.key)
        while len(self._unmerged) > _MAX_UNMERGED:
            self._unmerged.popitem(last=False)

    def _drop_unmerged(self, includes: Callable[[Exchange], bool]) -> None:
        for name in [name for name, (append, _) in self._unmerged.items() if includes(append.exchange)]:
            del self._unmerged[name]

    def _forget_drained(self, exchange: Exchange) -> None:
        """Remove an exchange from the undrained hash, because the drain stored it before the append."""
        field = undrained_field(exchange.exchange_id, exchange.revision)
        self._require(self._send(lambda pipe: pipe.hdel(undrained_key(exchange.thread_id), field)))

    def _undo(self, exchange: Exchange, outcome: AppendOutcome) -> None:
        """Remove an exchange that a deletion includes. If its thread was deleted, remove all deleted exchanges."""
        self._require(self._send(lambda pipe: self._lists.queue_undo_append(pipe, exchange, outcome.thread_cutoff)))

    def _forget_undrained(
        self,
        bodies: Mapping[str, list[bytes] | None],
        cutoffs: Mapping[str, UUID | None],
        deleted: Collection[UUID] = (),
    ) -> None:
        """Remove undrained exchanges that a deletion includes. A later append finds the tombstone."""
        deleted_fields: dict[str, list[str]] = {}
        for thread_id, cutoff in cutoffs.items():
            undrained = [decode_undrained(thread_id, body) for body in bodies[thread_id] or []]
            fields = [
                undrained_field(each.exchange_id, each.revision)
                for each in undrained
                if each is not None and is_deleted(each.exchange_id, each.acceptance, deleted, cutoff)
            ]
            if fields:
                deleted_fields[thread_id] = fields

        def fill(pipe: Pipeline) -> None:
            for thread_id, fields in deleted_fields.items():
                pipe.hdel(undrained_key(thread_id), *fields)

        if deleted_fields:
            self._call(fill)

    def clock(self) -> float:
        """Return the Unix seconds of L1's clock."""
        (now,) = self._call(lambda pipe: pipe.time())
        return clock_of(now)

    def ping(self) -> None:
        """Check that Redis responds and accepts writes."""
        self._call(lambda pipe: queue_commands(pipe, PROBE_WRITE))
