"""Merges Redis' list with stored and accepted messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.models import Exchange, Message
from shared.settings import MemorySettings


def merge_messages(
    cached: Sequence[Message],
    stored: Sequence[Exchange],
    cutoff: UUID | None,
    settings: MemorySettings,
    deleted: Collection[UUID] = (),
) -> list[Message]:
    """Return the newest messages of L1 and L2 without duplicates, deleted ones and replaced ones."""
    revisions = {message.exchange_id: message.revision for message in cached if message.exchange_id is not None}
    added: dict[UUID, Exchange] = {}
    for exchange in stored:
        cached_revision = revisions.get(exchange.exchange_id, -1)
        # If L1 has the same revision of a replaced exchange, the texts in `stored` are used. If `stored` has a revision
        # twice, the first one is used, which is L2's.
        is_newer = exchange.revision > cached_revision or exchange.revision == cached_revision > 0
        if is_newer and exchange.revision > _revision_of(added.get(exchange.exchange_id)):
            added[exchange.exchange_id] = exchange
    foreign = [message for message in cached if message.order is None]
    sorted_messages = sorted(
        [message for message in cached if message.order is not None and message.exchange_id not in added]
        + [side for exchange in added.values() for side in exchange.messages],
        key=sort_key,
    )
    not_deleted = [
        message
        for message in sorted_messages
        if not is_deleted(message.exchange_id, message.acceptance, deleted, cutoff)
    ]
    return (foreign + not_deleted)[-settings.max_thread_messages * 2 :]


def _revision_of(exchange: Exchange | None) -> int:
    return -1 if exchange is None else exchange.revision


def sort_key(message: Message) -> tuple[int, int, bool]:
    """Return the key that sorts a message in its thread."""
    order = message.order.int if message.order else 0
    return order, message.exchange_id.int if message.exchange_id else 0, message.role != "user"


def add_layer(degraded: list[str], layer: str) -> None:
    """Add a layer that did not respond."""
    if layer not in degraded:
        degraded.append(layer)
