"""The commands that change a thread's list: merge, append, undo an append, and record deletions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.ids import id_error, timestamp_of
from shared.models import Exchange, format_time
from shared.settings import MemorySettings
from shared.stores.redis.connection import Command, Pipeline, queue_commands
from shared.stores.redis.entries import encode, script_arguments, undrained_field
from shared.stores.redis.names import (
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

# The time to live of the records of deleted exchanges. It is longer than a message can be in the queue (4 days) and
# then in the dead-letter queue (14 days).
_DELETED_SECONDS: Final = 21 * 86_400
_TOMBSTONE_SECONDS: Final = 4 * 86_400
# The queue's retention period. Exchanges stay in the undrained hash for at least this time.
_UNDRAINED_SECONDS: Final = 4 * 86_400
_MAX_FIELDS: Final = 100


def order_of(reply: bytes | None) -> UUID | None:
    """Return the order key of a tombstone; None for a value of another program."""
    try:
        return UUID(reply.decode()) if reply else None
    except ValueError:
        return None


def cutoff_argument(cutoff: UUID) -> str:
    """Return a cutoff for `merge.lua`: the key, and the last microsecond that it includes, for imports."""
    return f"{cutoff} {format_time(timestamp_of(cutoff))[: -len('000Z')]}999Z"


def queue_tombstone(pipe: Pipeline, key: str, cutoff: UUID) -> None:
    """Queue the write of a tombstone, unless the key has a later one; one reply."""
    pipe.eval(SET_TOMBSTONE, 1, key, str(cutoff), _TOMBSTONE_SECONDS)


def ids_of(members: Iterable[bytes]) -> list[str]:
    """Return the valid ids among a set's members. Invalid members come from other programs."""
    texts = (member.decode("utf-8", "surrogateescape") for member in members)
    return [text for text in texts if id_error(text) is None]


def uuids_of(members: Iterable[bytes]) -> frozenset[UUID]:
    """Return the exchange ids among a set's members. Invalid members come from other programs."""
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
        cutoff: The order key of the newest deletion that includes the exchange or is later than `Append.after`; None if
            there is no such deletion.
        thread_cutoff: The order key of the thread's deletion if it is one of these deletions, else None.
        was_drained: Whether the drain stored the exchange before the append.
    """

    cutoff: UUID | None
    thread_cutoff: UUID | None
    was_drained: bool


@dataclass(frozen=True, slots=True)
class Append:
    """The append of an exchange to L1, sent now or retried later.

    Attributes:
        is_drained: Whether L2 has the exchange, so that it is not added to the undrained hash.
        after: The order key of the last deletion of the thread that the caller knows. The append is undone if the
            thread was deleted after that deletion. None for no condition.
    """

    exchange: Exchange
    is_drained: bool
    after: UUID | None = None

    def parse_replies(self, replies: Sequence[Any]) -> AppendOutcome:
        """Parse the replies to the commands of `ThreadLists.queue_append`."""
        replies = list(replies)
        was_drained = not self.is_drained and bool(replies.pop())
        user_cutoff = order_of(replies.pop()) if self.exchange.user_id is not None else None
        is_deleted = replies.pop()
        thread_cutoff = order_of(replies.pop())
        acceptance = self.exchange.acceptance
        cutoffs = [cutoff for cutoff in (thread_cutoff, user_cutoff) if cutoff is not None and cutoff >= acceptance]
        if thread_cutoff is not None and self.after is not None and thread_cutoff > self.after:
            cutoffs.append(thread_cutoff)
        if is_deleted:
            # The cutoff of the deletion of one exchange is the exchange's acceptance key.
            cutoffs.append(acceptance)
        return AppendOutcome(
            cutoff=max(cutoffs, default=None),
            thread_cutoff=thread_cutoff if thread_cutoff in cutoffs else None,
            was_drained=was_drained,
        )


class ThreadLists:
    """Queues the commands of a list's changes, with the configured window and time to live."""

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
        """Queue `merge.lua`; one reply, the number of messages in the list.

        Args:
            pipe: The pipeline.
            thread_id: The thread.
            exchanges: The exchanges to merge.
            ttl: The time to live in seconds; 0 does not change it.
            refill: The read's token; `first` if the exchanges are the whole thread, else `whole`; the generation.
            cutoff: A deletion's cutoff.
            deleted: Deleted exchanges.
            is_stored: Whether these are PostgreSQL's exchanges.
        """
        arguments: list[str | bytes | int] = [
            ttl,
            self._memory.max_thread_messages * 2,
            " ".join(refill or ()),
            "" if cutoff is None else cutoff_argument(cutoff),
            ",".join(str(exchange_id) for exchange_id in deleted),
            int(is_stored),
        ]
        for exchange in exchanges:
            arguments.extend(script_arguments(exchange))
        queue_commands(pipe, ("EVAL", MERGE, 1, messages_key(thread_id), *arguments))

    def queue_append(self, pipe: Pipeline, append: Append) -> None:
        """Queue the commands of an append. `Append.parse_replies` parses the replies."""
        exchange = append.exchange
        thread_id, user_id, exchange_id = exchange.thread_id, exchange.user_id, str(exchange.exchange_id)
        field, key = undrained_field(exchange.exchange_id, exchange.revision), undrained_key(thread_id)
        if not append.is_drained:
            # The undrained hash comes before the list: readers find the exchange here if Redis executes only a part of
            # the pipeline, or if there is no list.
            queue_commands(pipe, ("HSET", key, field, exchange.to_wire()), ("EXPIRE", key, self._undrained_seconds))
        self.queue_merge(pipe, thread_id, [exchange], ttl=self._memory.thread_ttl_seconds)
        # The previous release's readers use this lease while they read PostgreSQL. A write must end the lease.
        after: list[Command] = [("DEL", reader_lease_key(thread_id))]
        if user_id is not None:
            user_ttl = self._memory.user_ttl_seconds
            after += (
                *self._user_index_commands(user_id, thread_id, exchange.acceptance_time),
                ("EXPIRE", preferences_key(user_id), user_ttl),
                ("EXPIRE", preferences_seal_key(user_id), user_ttl),
            )
        # These reads come after all writes: either a concurrent deletion or drain finds the writes, or these reads find
        # the deletion or drain.
        after += (("GET", tombstone_key(thread_id)), ("SISMEMBER", deleted_key(thread_id), exchange_id))
        if user_id is not None:
            after.append(("GET", user_tombstone_key(user_id)))
        if not append.is_drained:
            after.append(("SISMEMBER", drained_key(thread_id), field))
        queue_commands(pipe, *after)

    def queue_user_index(self, pipe: Pipeline, user_id: str, thread_id: str, moment: datetime) -> None:
        """Queue an update of the user's index: the thread's list has an exchange of the user from this time."""
        queue_commands(pipe, *self._user_index_commands(user_id, thread_id, moment))

    def _user_index_commands(self, user_id: str, thread_id: str, moment: datetime) -> tuple[Command, Command]:
        key = user_threads_key(user_id)
        return ("ZADD", key, "GT", moment.timestamp(), thread_id), ("EXPIRE", key, self._undrained_seconds)

    def queue_undo_append(self, pipe: Pipeline, exchange: Exchange, cutoff: UUID | None) -> None:
        """Queue the removal of an exchange; with `cutoff`, also the removal of the thread's other deleted exchanges."""
        thread_id = exchange.thread_id
        if cutoff is not None:
            self.queue_merge(pipe, thread_id, [], cutoff=cutoff)
        # The exchange is removed by its entries' values, so that other users' exchanges in the thread stay.
        pipe.eval(REMOVE_ENTRIES, 1, messages_key(thread_id), *encode(exchange))
        pipe.hdel(undrained_key(thread_id), undrained_field(exchange.exchange_id, exchange.revision))

    def queue_deleted(self, pipe: Pipeline, thread_id: str, deleted: Collection[UUID]) -> None:
        """Queue the record of a thread's deleted exchanges; two replies, or none if `deleted` is empty."""
        if deleted:
            pipe.sadd(deleted_key(thread_id), *map(str, deleted))
            pipe.expire(deleted_key(thread_id), _DELETED_SECONDS)


def drained_fields(exchanges: Iterable[Exchange]) -> list[str]:
    """Return the undrained hash's fields of exchanges that PostgreSQL now has, and of their earlier revisions."""
    fields = []
    for exchange in exchanges:
        first_revision = max(1, exchange.revision - _MAX_FIELDS)
        fields += [
            undrained_field(exchange.exchange_id, number)
            for number in (0, *range(first_revision, exchange.revision + 1))
        ]
    return fields
