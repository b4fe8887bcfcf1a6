"""All writes to a thread's list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from shared.cutoffs import is_reached
from shared.errors import StoreUnavailable
from shared.models import Exchange, Message
from shared.stores.archive import Window
from shared.stores.cache import CacheAppendResult, CacheRead
from shared.stores.redis.connection import Pipeline, queue_commands
from shared.stores.redis.entries import token_of, undrained_field
from shared.stores.redis.link import CacheLink
from shared.stores.redis.lists import Append, drained_fields, order_of, queue_tombstone, uuids_of
from shared.stores.redis.names import (
    OUTBOX,
    deleted_key,
    drained_key,
    messages_key,
    reader_lease_key,
    tombstone_key,
    undrained_key,
)

# The time to live of the records of drained exchanges. It is longer than the maximum time between the queueing of an
# exchange and its append.
_DRAINED_SECONDS: Final = 900
# The maximum number of the outbox' newest entries among which an append looks for its own.
_MAX_SEARCHED: Final = 1_000


class ListWriter(CacheLink):
    """Appends exchanges, refills lists, and merges stored exchanges."""

    def append(
        self, exchange: Exchange, *, is_drained: bool, in_outbox: bool = False, after: UUID | None = None
    ) -> CacheAppendResult:
        """Merge one new exchange in one round trip; with `in_outbox`, in two.

        Until the drain, the exchange is also in the undrained hash, so that it stays readable if the list expires or is
        evicted. With `in_outbox`, a first round trip adds it to the outbox: a full Redis may refuse the outbox' entry
        and accept the list's entry, and the list would then have an exchange that no store has.
        """
        append, body = Append(exchange, is_drained=is_drained, after=after), exchange.to_wire(has_request_id=True)

        def fill(pipe: Pipeline) -> None:
            self._lists.queue_append(pipe, append)
            if in_outbox:
                queue_commands(pipe, ("LPOS", OUTBOX, body, "RANK", -1, "MAXLEN", _MAX_SEARCHED))

        if in_outbox:
            self._add_to_outbox(body)
        try:
            replies = self._call(fill)
        except StoreUnavailable:
            self._remember_unmerged(replace(append, after=None))
            if in_outbox:
                # The sweep stores the exchange from the outbox. The list gets the exchange then, or before this
                # process' next call.
                return CacheAppendResult(is_cached=False, is_in_outbox=True)
            raise
        if in_outbox and replies.pop() is None:
            # Redis was emptied between the two round trips, or the sweep was faster. A second entry has no effect.
            self._add_to_outbox(body)
        outcome = append.parse_replies(replies)
        if outcome.cutoff is not None:
            self._undo(exchange, outcome)
        elif outcome.was_drained:
            self._forget_drained(exchange)
        return CacheAppendResult(outcome.cutoff, is_cached=outcome.cutoff is None, is_in_outbox=in_outbox)

    def _add_to_outbox(self, body: str) -> None:
        self._call(lambda pipe: queue_commands(pipe, ("RPUSH", OUTBOX, body)))

    def refill(
        self,
        thread_id: str,
        window: Window,
        read: CacheRead,
        drained: Sequence[Exchange] = (),
        foreign: Sequence[Message | Exchange] = (),
    ) -> None:
        """Merge L2's window in one round trip, if the list still carries the read's token.

        A list that expired or was deleted carries no token. The next reader refills it.
        """
        generation = self._generation
        seal = "first" if window.is_all else "whole"
        refill = None if read.token is None or generation is None else (read.token, seal, generation)
        # The list is added to the index of each user in it, so that a user's deletion finds the list even if L2 has
        # deleted the thread.
        users = {each.user_id: each.acceptance_time for each in window.exchanges if each.user_id is not None}
        deleted_ids = window.deleted | {each.exchange_id for each in foreign if each.exchange_id is not None}

        def fill(pipe: Pipeline) -> None:
            if refill is not None:
                ttl = self._memory.thread_ttl_seconds
                self._lists.queue_merge(
                    pipe,
                    thread_id,
                    window.exchanges,
                    ttl=ttl,
                    refill=refill,
                    cutoff=window.cutoff,
                    deleted=deleted_ids,
                    is_stored=True,
                )
            elif foreign or _has_deleted(read.messages, window):
                self._lists.queue_merge(pipe, thread_id, [], cutoff=window.cutoff, deleted=deleted_ids)
            for user_id, newest in users.items():
                self._lists.queue_user_index(pipe, user_id, thread_id, newest)
            foreign_exchanges = [each for each in foreign if isinstance(each, Exchange)]
            drained_exchanges = [*drained, *foreign_exchanges, *read.outdated]
            self._queue_other_changes(pipe, thread_id, window, read.undrained, drained_exchanges)

        self._call(fill)

    def _queue_other_changes(
        self,
        pipe: Pipeline,
        thread_id: str,
        window: Window,
        undrained: Sequence[Exchange],
        drained: Sequence[Exchange],
    ) -> None:
        """Queue a refill's other changes: record deletions, and remove drained exchanges from the undrained hash."""
        if window.cutoff is not None:
            queue_tombstone(pipe, tombstone_key(thread_id), window.cutoff)
        self._lists.queue_deleted(pipe, thread_id, window.deleted)
        # A Redis that was restored from an old copy may contain exchanges that were deleted after the copy was made.
        removed_exchanges = [
            *drained,
            *(each for each in undrained if window.has_deleted(each.exchange_id, each.acceptance)),
        ]
        if removed_exchanges:
            pipe.hdel(
                undrained_key(thread_id),
                *(undrained_field(each.exchange_id, each.revision) for each in removed_exchanges),
            )

    def recheck_thread(self, thread_id: str, window: Window, drained: Sequence[Exchange] = ()) -> None:
        """Merge L2's window into the list if the list exists, with the other effects of `refill`."""

        def fill(pipe: Pipeline) -> None:
            self._lists.queue_merge(
                pipe, thread_id, window.exchanges, cutoff=window.cutoff, deleted=window.deleted, is_stored=True
            )
            self._queue_other_changes(pipe, thread_id, window, (), drained)
            pipe.hvals(undrained_key(thread_id))

        bodies = self._call(fill)[-1]
        self._forget_undrained({thread_id: bodies}, {thread_id: window.cutoff}, window.deleted)

    def merge_stored(self, exchanges: Sequence[Exchange]) -> list[str]:
        """Merge newly stored exchanges into existing lists, all threads in one round trip.

        Returns the threads whose list carries a token, because such a list may lack exchanges.
        """
        threads: dict[str, list[Exchange]] = {}
        for exchange in exchanges:
            threads.setdefault(exchange.thread_id, []).append(exchange)

        def fill(pipe: Pipeline) -> None:
            for thread_id, batch in threads.items():
                self._lists.queue_merge(pipe, thread_id, batch, is_stored=True)
                pipe.get(tombstone_key(thread_id))
                fields = drained_fields(batch)
                pipe.smembers(deleted_key(thread_id))
                # Record the fields before their removal, so that a later append finds that its exchange is drained.
                pipe.sadd(drained_key(thread_id), *fields)
                pipe.expire(drained_key(thread_id), _DRAINED_SECONDS)
                pipe.hdel(undrained_key(thread_id), *fields)
                pipe.delete(reader_lease_key(thread_id))
                pipe.lindex(messages_key(thread_id), 0)

        if not threads:
            return []
        replies = self._call(fill)
        deleted_since: dict[str, tuple[UUID | None, list[UUID]]] = {}
        for (thread_id, batch), tombstone, members in zip(threads.items(), replies[1::8], replies[2::8], strict=True):
            cutoff, deleted = order_of(tombstone), uuids_of(members)
            deleted_ids = [exchange.exchange_id for exchange in batch if exchange.exchange_id in deleted]
            if deleted_ids or any(is_reached(exchange.acceptance, cutoff) for exchange in batch):
                deleted_since[thread_id] = cutoff, deleted_ids

        def remove_deleted(pipe: Pipeline) -> None:
            for thread_id, (cutoff, deleted_ids) in deleted_since.items():
                self._lists.queue_merge(pipe, thread_id, [], cutoff=cutoff, deleted=deleted_ids)

        if deleted_since:
            self._call(remove_deleted)
        return [name for name, head in zip(threads, replies[7::8], strict=True) if token_of([head] if head else [])]

    def merge_later(self, exchange: Exchange) -> None:
        """Record that a stored exchange must be merged before the next call."""
        self._remember_unmerged(Append(exchange, is_drained=True))


def _has_deleted(messages: Sequence[Message], window: Window) -> bool:
    return any(window.has_deleted(each.exchange_id, each.acceptance) for each in messages)
