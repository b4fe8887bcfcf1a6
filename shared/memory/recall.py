"""A turn's loaded memory: the window of its thread and the preferences of its user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.errors import ExchangeNotFound, StoreUnavailable
from shared.memory.context import conversation_text, join_parts, preferences_text
from shared.memory.known import NOTHING_KNOWN, KnownMemories
from shared.memory.memory import Memory
from shared.memory.messages import add_layer, sort_key
from shared.models import Message, Source
from shared.stores.archive import MessagePosition


@dataclass(frozen=True, slots=True)
class History:
    """The state of a turn's thread.

    Attributes:
        messages: The window, oldest first.
        source: The layer that served the window.
        cutoff: The thread's cutoff.
        user_cutoff: The cutoff of the turn's user.
        deleted: The deleted exchanges of the thread.
        user_id: The turn's user; with the access `service`, the thread's owner.
        has_owner: Whether the thread has an owner; if not, the turn claims the thread before an append.
        has_claimed_ownership: Whether this turn has claimed the thread.
        suspect_until: An exchange that was accepted before this time, in Unix seconds, may be deleted, because no layer
            that responded has all deletions. None if there is no such exchange.
    """

    messages: Sequence[Message] = field(default_factory=list)
    source: Source = "none"
    cutoff: UUID | None = None
    user_cutoff: UUID | None = None
    deleted: frozenset[UUID] = frozenset()
    user_id: str | None = None
    has_owner: bool = False
    has_claimed_ownership: bool = False
    suspect_until: float | None = None

    def has_deleted(self, acceptance: UUID, exchange_id: UUID) -> bool:
        """Return whether an exchange was deleted, individually or with its thread or user."""
        return is_deleted(exchange_id, acceptance, self.deleted, self.cutoff, self.user_cutoff)

    def deleted_to(self, cutoff: UUID | None) -> Self:
        """Return this state with a later deletion of the thread."""
        return self if cutoff is None else replace(self, cutoff=max(cutoff, self.cutoff or cutoff))


@dataclass(frozen=True, slots=True)
class Recall:
    """A turn's loaded memory.

    Attributes:
        messages: The window, oldest first.
        source: The layer that served the window: `redis`, `postgres`, or `none` if there is nothing.
        degraded: Layers that did not respond, so that an outage differs from an empty history.
        known: What is known about the user, if the turn asked for it.
    """

    messages: Sequence[Message] = field(default_factory=list)
    preferences: dict[str, str] = field(default_factory=dict)
    source: Source = "none"
    degraded: list[str] = field(default_factory=list)
    known: KnownMemories = NOTHING_KNOWN

    @property
    def context(self) -> str:
        """The text for the instructions; '' if there is none."""
        return join_parts(conversation_text(self.messages), preferences_text(self.preferences))

    def answer_of(self, exchange_id: UUID) -> str | None:
        """Return the assistant's message of an exchange in the window."""
        answers = (m.content for m in self.messages if m.exchange_id == exchange_id and m.role == "assistant")
        return next(answers, None)


def rewind(memory: Memory, thread_id: str, exchange_id: UUID, recall: Recall) -> Recall:
    """Return the memory as it was before an exchange of the thread.

    Raises:
        ExchangeNotFound: The thread has no such exchange.
        StoreUnavailable: PostgreSQL did not respond, and the window does not have the exchange.
    """
    max_messages = 2 * memory.settings.max_thread_messages
    order = next((message.order for message in recall.messages if message.exchange_id == exchange_id), None)
    is_in_window = order is not None
    if order is None:
        exchange = memory.archive.exchange(thread_id, exchange_id)
        if exchange is None:
            raise ExchangeNotFound(str(exchange_id))
        order = exchange.order
    earlier = [message for message in recall.messages if message.order is not None and message.order < order]
    degraded = list(recall.degraded)
    if not is_in_window or len(recall.messages) >= max_messages:
        # The window ends with the thread's newest exchange and not with this exchange, so it may lack messages that
        # come before this exchange.
        try:
            stored = memory.archive.messages(thread_id, max_messages, MessagePosition(order, 0), descending=True)
        except StoreUnavailable as error:
            if not is_in_window:
                raise
            add_layer(degraded, error.layer)
            stored = []
        known_ids = {message.exchange_id for message in earlier}
        older = [message for message in reversed(stored) if message.exchange_id not in known_ids]
        earlier = sorted([*older, *earlier], key=sort_key)[-max_messages:]
    source = recall.source if earlier or recall.preferences else "none"
    return replace(recall, messages=earlier, degraded=degraded, source=source)
