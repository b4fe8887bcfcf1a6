"""Compares a thread in L1 with the same thread in L2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from shared.models import Message
from shared.stores.redis.entries import decode, is_first, without_placeholder

# An order key that is less than the keys of all exchanges, and one that is greater.
_LOWEST_ORDER: Final = UUID(int=0)
_HIGHEST_ORDER: Final = UUID(int=(1 << 128) - 1)
Kind = Literal["not_stored", "missing", "content", "order", "duplicate", "unreadable"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between L1 and L2.

    Attributes:
        kind: `not_stored` (only Redis has the exchange), `missing` (only PostgreSQL has it), `content` (another role,
            text or metadata), `order`, `duplicate` (twice in the list), `unreadable` (an entry that belongs to no
            exchange).
        detail: A few words, never message text.
    """

    thread_id: str
    kind: Kind
    exchange_id: UUID | None
    detail: str


@dataclass(slots=True)
class Comparison:
    """The result of comparing one thread.

    Attributes:
        exchanges: Exchanges in the list.
        pending: Exchanges that only one layer has and that are younger than the grace period.
        is_partial: Whether the list may lack the thread's first exchange.
    """

    differences: list[Difference] = field(default_factory=list)
    exchanges: int = 0
    pending: int = 0
    is_partial: bool = False


def compare(
    thread_id: str,
    entries: Sequence[bytes],
    stored: Sequence[Message],
    *,
    now: datetime,
    grace: timedelta,
    generation: str | None,
) -> Comparison:
    """Compare a thread's list in L1 with the thread's newest messages in L2.

    Both must have the same exchanges in the same order with the same texts and metadata. The comparison begins at the
    list's oldest exchange, or at the thread's first exchange if the list's seal says that the list begins there.

    Args:
        thread_id: The thread, named in the differences.
        entries: The complete list, oldest first.
        stored: The messages in L2, oldest first, including some from before the list's oldest message, if they exist.
        now: The current time, for ages.
        grace: How long only one layer may have an exchange.
        generation: Redis' current generation; a seal of an earlier generation is invalid.
    """
    comparison = _ThreadComparison(
        thread_id, now, grace, Comparison(is_partial=bool(entries) and not is_first(entries[0], generation))
    )
    cached = comparison.read(entries)
    in_list, in_store = _by_exchange(cached), _by_exchange(stored)
    comparison.result.exchanges = len(in_list)
    for exchange_id, messages in in_list.items():
        if exchange_id not in in_store:
            comparison.report_unless_young("not_stored", exchange_id, messages[0])
        elif difference := _message_difference(messages, in_store[exchange_id]):
            comparison.report(difference[0], exchange_id, difference[1])
    oldest_order = min((message.order for message in cached if message.order is not None), default=_HIGHEST_ORDER)
    if not comparison.result.is_partial:
        oldest_order = _LOWEST_ORDER
    for exchange_id, messages in in_store.items():
        order = messages[0].order
        if exchange_id not in in_list and order is not None and order > oldest_order:
            comparison.report_unless_young("missing", exchange_id, messages[0])
    if not any(difference.kind in {"order", "duplicate", "content"} for difference in comparison.result.differences):
        comparison.compare_order(
            [message.exchange_id for message in cached if message.exchange_id in in_store],
            [message.exchange_id for message in stored if message.exchange_id in in_list],
        )
    return comparison.result


@dataclass(frozen=True, slots=True)
class _ThreadComparison:
    thread_id: str
    now: datetime
    grace: timedelta
    result: Comparison

    def report(self, kind: Kind, exchange_id: UUID | None, detail: str) -> None:
        self.result.differences.append(Difference(self.thread_id, kind, exchange_id, detail))

    def report_unless_young(self, kind: Kind, exchange_id: UUID, message: Message) -> None:
        age = self.now - (message.acceptance_time or self.now)
        if age < self.grace:
            self.result.pending += 1
        else:
            self.report(kind, exchange_id, f"accepted {age.total_seconds():.0f} s ago")

    def read(self, entries: Sequence[bytes]) -> list[Message]:
        """Return the readable entries, and report the others."""
        messages = []
        for index, entry in enumerate(without_placeholder(entries)):
            message = decode(entry)
            if message is not None and _is_complete(message):
                messages.append(message)
            else:
                self.report("unreadable", None, f"entry {index} has no valid exchange")
        return messages

    def compare_order(self, cached: Sequence[UUID | None], stored: Sequence[UUID | None]) -> None:
        """Report the first exchange whose position differs between the layers."""
        first_difference = next((one for one, other in zip(cached, stored, strict=False) if one != other), None)
        if first_difference is not None:
            self.report("order", first_difference, "the first exchange whose position differs in PostgreSQL")


def _is_complete(message: Message) -> bool:
    moment = message.created_at
    return None not in (message.exchange_id, message.order) and moment is not None and moment.tzinfo is not None


def _by_exchange(messages: Sequence[Message]) -> dict[UUID, list[Message]]:
    by_exchange: dict[UUID, list[Message]] = {}
    for message in messages:
        if message.exchange_id is not None:
            by_exchange.setdefault(message.exchange_id, []).append(message)
    return by_exchange


def _message_difference(cached: Sequence[Message], stored: Sequence[Message]) -> tuple[Kind, str] | None:
    cached_texts = [(message.role, message.content) for message in cached]
    stored_texts = [(message.role, message.content) for message in stored]
    if cached_texts == stored_texts:
        metadata = [message.metadata for message in cached], [message.metadata for message in stored]
        return None if metadata[0] == metadata[1] else ("content", "its metadata differs")
    if len(cached_texts) > len(stored_texts) and set(cached_texts) == set(stored_texts):
        return "duplicate", f"{len(cached_texts)} messages in Redis, {len(stored_texts)} in PostgreSQL"
    if sorted(cached_texts) == sorted(stored_texts):
        return "order", "its messages are in another order"
    if [role for role, _ in cached_texts] != [role for role, _ in stored_texts]:
        return "content", f"{len(cached_texts)} messages in Redis, {len(stored_texts)} in PostgreSQL, or other roles"
    lengths = [
        f"{role}: {len(text)} characters in Redis, {len(other)} in PostgreSQL"
        for (role, text), (_, other) in zip(cached_texts, stored_texts, strict=True)
        if text != other
    ]
    return "content", "; ".join(lengths)
