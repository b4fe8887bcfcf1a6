"""The commands that change a thread's list: a merge, an append, a seal, and undoing an append."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.ids import id_error
from shared.models import Exchange
from shared.settings import MemorySettings
from shared.stores.redis.connection import Command, Pipeline, queue_commands
from shared.stores.redis.entries import encode, script_arguments, undrained_field
from shared.stores.redis.names import (
    OUTBOX,
    deleted_key,
    drained_key,
    messages_key,
    preferences_key,
    preferences_seal_key,
    reader_lease_key,
    tombstone_key,
    undrained_key,
    user_threads_key,
    user_tombstone_key,
)
from shared.stores.redis.scripts import MERGE, REMOVE_ENTRIES, SET_TOMBSTONE

# Longer than a message can be in the queue and the dead-letter queue: 4 days and 14.
_DELETED_SECONDS: Final = 21 * 86_400
_TOMBSTONE_SECONDS: Final = 4 * 86_400
# Not shorter than the time for which the queue keeps a message.
_UNDRAINED_SECONDS: Final = 4 * 86_400
_MAX_FIELDS: Final = 100


def order_of(reply: bytes | None) -> UUID | None:
    """Return the order key of a tombstone; None for another program's value."""
    try:
        return UUID(reply.decode()) if reply else None
    except ValueError:
        return None


def queue_tombstone(pipe: Pipeline, key: str, cutoff: UUID) -> None:
    """Queue a tombstone, unless there is a later one; one reply."""
    pipe.eval(SET_TOMBSTONE, 1, key, str(cutoff), _TOMBSTONE_SECONDS)


def ids_of(members: Iterable[bytes]) -> list[str]:
    """Return the ids among a set's members; other members come from other programs."""
    texts = (member.decode("utf-8", "surrogateescape") for member in members)
    return [text for text in texts if id_error(text) is None]


def uuids_of(members: Iterable[bytes]) -> frozenset[UUID]:
    """Return the exchange ids among a set's members; other members come from other programs."""
    exchange_ids = set()
    for member in members:
        with suppress(ValueError):
            exchange_ids.add(UUID(member.decode("ascii", "replace")))
    return frozenset(exchange_ids)


def newest_revisions(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Return the highest revision of each exchange, in the order of their first occurrences."""
    newest: dict[UUID, Exchange] = {}
    for exchange in exchanges:
        earlier = newest.get(exchange.exchange_id)
        if earlier is None or exchange.revision > earlier.revision:
            newest[exchange.exchange_id] = exchange
    return list(newest.values())


@dataclass(frozen=True, slots=True)
class AppendOutcome:
    """The result of an append.

    Attributes:
        cutoff: The newest deletion that includes the exchange; None if there is none.
        thread_cutoff: The thread's own deletion among these.
        was_drained: Whether the drain had stored the exchange before the append.
    """

    cutoff: UUID | None
    thread_cutoff: UUID | None
    was_drained: bool


@dataclass(frozen=True, slots=True)
class Append:
    """A new exchange for L1, sent now or retried.

    Attributes:
        is_drained: Whether L2 has it, so that the undrained hash does not need it.
        in_outbox: Whether neither the queue nor L2 has it: L1 keeps it for the sweep.
        after: The thread must not have been deleted since the deletion with this order key; None for no condition.
    """

    exchange: Exchange
    is_drained: bool
    in_outbox: bool
    after: UUID | None = None

    def outcome(self, replies: Sequence[Any]) -> AppendOutcome:
        """Parse the replies to the commands of `ThreadLists.queue_append`."""
        replies = list(replies)
        was_drained = not self.is_drained and bool(replies.pop())
        of_user = order_of(replies.pop()) if self.exchange.user_id is not None else None
        is_deleted = replies.pop()
        thread_cutoff = order_of(replies.pop())
        order = self.exchange.order
        cutoffs = [cutoff for cutoff in (thread_cutoff, of_user) if cutoff is not None and cutoff >= order]
        if thread_cutoff is not None and self.after is not None and thread_cutoff > self.after:
            cutoffs.append(thread_cutoff)
        if is_deleted:
            # The cutoff of this exchange's own deletion is its order key.
            cutoffs.append(order)
        return AppendOutcome(
            cutoff=max(cutoffs, default=None),
            thread_cutoff=thread_cutoff if thread_cutoff in cutoffs else None,
            was_drained=was_drained,
        )


class ThreadLists:
    """Queues commands for lists with the configured window and time to live."""

    def __init__(self, memory: MemorySettings) -> None:
        self._memory = memory
        self._undrained_seconds = max(memory.thread_ttl_seconds, _UNDRAINED_SECONDS)

    def queue_merge(
        self,
        pipe: Pipeline,
        thread_id: str,
        exchanges: Sequence[Exchange],
        *,
        ttl: int = 0,
        refill: tuple[str, str, str] | None = None,
        cutoff: UUID | None = None,
        deleted: Collection[UUID] = (),
        is_stored: bool = False,
    ) -> None:
        """Queue `merge.lua`, which documents the arguments; one reply, the number of messages in the list.

        Args:
            pipe: The pipeline.
            thread_id: The thread.
            exchanges: The exchanges to merge.
            ttl: The time to live in seconds; 0 keeps the current one.
            refill: The read's token; `first` if the exchanges are the whole thread, else `whole`; the generation.
            cutoff: A deletion's cutoff.
            deleted: Deleted exchanges.
            is_stored: Whether these are PostgreSQL's exchanges.
        """
        arguments: list[str | bytes | int] = [
            ttl,
            self._memory.max_thread_messages * 2,
            " ".join(refill or ()),
            str(cutoff or ""),
            ",".join(str(exchange_id) for exchange_id in deleted),
            int(is_stored),
        ]
        for exchange in exchanges:
            arguments.extend(script_arguments(exchange))
        queue_commands(pipe, ("EVAL", MERGE, 1, messages_key(thread_id), *arguments))

    def queue_append(self, pipe: Pipeline, append: Append) -> None:
        """Queue a new exchange's merge and its other commands; `Append.outcome` parses the replies."""
        exchange = append.exchange
        thread_id, user_id, exchange_id = exchange.thread_id, exchange.user_id, str(exchange.exchange_id)
        field, key = undrained_field(exchange.exchange_id, exchange.revision), undrained_key(thread_id)
        before: list[Command] = []
        if append.in_outbox:
            # The outbox comes first, so that a partly executed pipeline never leaves an exchange in a list that no
            # store has.
            before.append(("RPUSH", OUTBOX, exchange.to_wire(has_request_id=True)))
        if not append.is_drained:
            # The undrained hash comes before the list, so that readers find the exchange here after a partial pipeline
            # or without a list.
            before += (("HSET", key, field, exchange.to_wire()), ("EXPIRE", key, self._undrained_seconds))
        queue_commands(pipe, *before)
        self.queue_merge(pipe, thread_id, [exchange], ttl=self._memory.thread_ttl_seconds)
        # The previous release's readers use this lease while they read PostgreSQL. A write must end the lease.
        after: list[Command] = [("DEL", reader_lease_key(thread_id))]
        if user_id is not None:
            user_ttl = self._memory.user_ttl_seconds
            after += (
                *self._of_user(user_id, thread_id, exchange.created_at),
                ("EXPIRE", preferences_key(user_id), user_ttl),
                ("EXPIRE", preferences_seal_key(user_id), user_ttl),
            )
        # These reads come after all writes, so that a concurrent deletion or drain either finds the writes, or is found
        # here.
        after += (("GET", tombstone_key(thread_id)), ("SISMEMBER", deleted_key(thread_id), exchange_id))
        if user_id is not None:
            after.append(("GET", user_tombstone_key(user_id)))
        if not append.is_drained:
            after.append(("SISMEMBER", drained_key(thread_id), field))
        queue_commands(pipe, *after)

    def queue_user(self, pipe: Pipeline, user_id: str, thread_id: str, moment: datetime) -> None:
        """Queue the record that a list has an exchange of the user with this or an earlier time."""
        queue_commands(pipe, *self._of_user(user_id, thread_id, moment))

    def _of_user(self, user_id: str, thread_id: str, moment: datetime) -> tuple[Command, Command]:
        key = user_threads_key(user_id)
        return ("ZADD", key, "GT", moment.timestamp(), thread_id), ("EXPIRE", key, self._undrained_seconds)

    def queue_undo_append(self, pipe: Pipeline, exchange: Exchange, cutoff: UUID | None) -> None:
        """Queue the removal of an exchange; with `cutoff`, also the other effects of its thread's deletion."""
        thread_id = exchange.thread_id
        if cutoff is not None:
            self.queue_merge(pipe, thread_id, [], cutoff=cutoff)
        # Only this exchange is removed, by its value and with any ending. Other users' exchanges in the thread stay.
        pipe.eval(REMOVE_ENTRIES, 1, messages_key(thread_id), *encode(exchange))
        pipe.hdel(undrained_key(thread_id), undrained_field(exchange.exchange_id, exchange.revision))

    def queue_deleted(self, pipe: Pipeline, thread_id: str, deleted: Collection[UUID]) -> None:
        """Queue the record of deleted exchanges of a thread; two replies, none without exchanges."""
        if deleted:
            pipe.sadd(deleted_key(thread_id), *map(str, deleted))
            pipe.expire(deleted_key(thread_id), _DELETED_SECONDS)


def drained_fields(exchanges: Iterable[Exchange]) -> list[str]:
    """Return the undrained hash's fields of exchanges that PostgreSQL now has."""
    fields = []
    for exchange in exchanges:
        first = max(1, exchange.revision - _MAX_FIELDS)
        fields += [
            undrained_field(exchange.exchange_id, number) for number in (0, *range(first, exchange.revision + 1))
        ]
    return fields
