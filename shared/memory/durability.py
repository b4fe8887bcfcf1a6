"""Makes an exchange durable before its caller gets the response: in the queue, otherwise in PostgreSQL."""

from __future__ import annotations

import logging
from typing import Literal
from uuid import UUID

from shared.errors import StoreUnavailable, ThreadNotFound, TooLargeForQueue
from shared.memory.memory import Memory
from shared.memory.messages import add_layer
from shared.models import Durability, Exchange

_logger = logging.getLogger(__name__)


def make_durable(
    memory: Memory, exchange: Exchange, degraded: list[str]
) -> tuple[Durability | Literal["tombstoned"], Exchange]:
    """Store an exchange durably; return the store that has it, and the exchange as that store has it.

    Instead of a store, the first result is `none` if no store accepted the exchange, and `tombstoned` if a deletion in
    PostgreSQL includes it. If PostgreSQL already had an exchange with this id, the second result is that exchange.

    Raises:
        ThreadNotFound: PostgreSQL was called, and the thread belongs to another user.
    """
    try:
        memory.queue.send(exchange)
    except TooLargeForQueue as error:
        _logger.info("exchange goes to postgres directly", extra={"reason": str(error)})
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
    else:
        if memory.accepted.undurable:
            memory.retry(memory.queue.send)
        return "queue", exchange
    try:
        stored = memory.archive.store([exchange])
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return "none", exchange
    memory.retry(lambda waiting: memory.archive.store([waiting]))
    if stored.rejected_owner:
        raise ThreadNotFound(exchange.thread_id)
    if stored.tombstoned:
        return "tombstoned", exchange
    # A repeated exchange keeps the position and the texts of the first request.
    return "postgres", next(iter(stored.effective), exchange)


def cutoff_in_archive(memory: Memory, exchange: Exchange) -> UUID | None:
    """Return PostgreSQL's highest cutoff of an exchange's thread and user; None without a deletion."""
    users = [] if exchange.user_id is None else [exchange.user_id]
    window = memory.archive.window(exchange.thread_id, 1, users)
    cutoffs = [window.cutoff, *window.user_cutoffs.values()]
    return max((each for each in cutoffs if each is not None), default=None)


def log_invalidation(memory: Memory, thread_id: str, degraded: list[str]) -> None:
    """Let the sweep compare a list with PostgreSQL: the drain merges no exchange that was stored directly."""
    try:
        memory.archive.log_invalidations("thread", [thread_id])
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
