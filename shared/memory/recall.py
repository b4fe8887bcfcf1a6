"""What the memory holds for a turn: a thread's window and a user's preferences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from shared.errors import ExchangeNotFound, StoreUnavailable
from shared.memory.context import conversation_text, join_parts, preferences_text
from shared.memory.messages import add_layer, place_of
from shared.memory.process_state import ProcessState
from shared.models import Message, Source
from shared.stores.archive import MessagePosition
from shared.stores.cache import CacheRead


@dataclass(frozen=True, slots=True)
class Recall:
    """What the memory holds for a turn.

    Attributes:
        messages: The window, oldest first.
        source: The layer that served it: `redis`, `postgres`, or `none` when there is nothing.
        degraded: Layers that did not respond, so that an outage never looks like an empty history.
    """

    messages: Sequence[Message] = field(default_factory=list)
    preferences: dict[str, str] = field(default_factory=dict)
    source: Source = "none"
    degraded: list[str] = field(default_factory=list)

    @property
    def context(self) -> str:
        """The text for the instructions, '' when there is none."""
        return join_parts(conversation_text(self.messages), preferences_text(self.preferences))

    def answer_of(self, exchange_id: UUID) -> str | None:
        """Return the assistant's side of an exchange in the window."""
        sides = (m.content for m in self.messages if m.exchange_id == exchange_id and m.role == "assistant")
        return next(sides, None)


def read_cache(
    memory: ProcessState, thread_id: str | None, user_id: str | None, degraded: list[str]
) -> CacheRead | None:
    """Return what Redis holds, None if it did not answer."""
    try:
        cached = memory.cache.read(thread_id, user_id)
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return None
    if cached.refuses_writes:
        add_layer(degraded, "redis")
    memory.set_clock(cached.clock)
    return cached


def load_preferences(
    memory: ProcessState, user_id: str, cached: CacheRead | None, degraded: list[str]
) -> tuple[dict[str, str], Source]:
    """Return a user's preferences from Redis if it knows them, else from PostgreSQL, which refills Redis."""
    held = cached or CacheRead()
    if held.knows_preferences:
        return held.preferences, "redis"

    def refill(preferences: dict[str, str]) -> None:
        try:
            memory.cache.set_preferences(user_id, preferences)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)

    try:
        takes_writes = cached is not None and not cached.refuses_writes
        return memory.archive.preferences(user_id, refill if takes_writes else None), "postgres"
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return held.preferences, "redis"


def rewind(memory: ProcessState, thread_id: str, exchange_id: UUID, recall: Recall) -> Recall:
    """Return what the memory held before an exchange of the thread.

    Raises:
        ExchangeNotFound: The thread has no such exchange.
        StoreUnavailable: PostgreSQL did not answer, and the window does not hold the exchange.
    """
    most = 2 * memory.settings.max_thread_messages
    order = next((message.order for message in recall.messages if message.exchange_id == exchange_id), None)
    is_shown = order is not None
    if order is None:
        found = memory.archive.exchange(thread_id, exchange_id)
        if found is None:
            raise ExchangeNotFound(str(exchange_id))
        order = found.order
    earlier = [message for message in recall.messages if message.order is not None and message.order < order]
    degraded = list(recall.degraded)
    if not is_shown or len(recall.messages) >= most:
        # The window reaches back from the thread's end, not from this exchange.
        try:
            stored = memory.archive.messages(thread_id, most, MessagePosition(order, 0), descending=True)
        except StoreUnavailable as error:
            if not is_shown:
                raise
            add_layer(degraded, error.layer)
            stored = []
        shown = {message.exchange_id for message in earlier}
        older = [message for message in reversed(stored) if message.exchange_id not in shown]
        earlier = sorted([*older, *earlier], key=place_of)[-most:]
    source = recall.source if earlier or recall.preferences else "none"
    return replace(recall, messages=earlier, degraded=degraded, source=source)
