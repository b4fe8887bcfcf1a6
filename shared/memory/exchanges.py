"""Operations on one exchange of a thread: replace its texts, delete it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.errors import ExchangeNotFound, StoreUnavailable, ThreadNotFound, TooLargeForQueue, add_half_deleted_outcome
from shared.idempotency import keyed_request
from shared.memory.losses import may_lack_undrained
from shared.memory.memory import Memory
from shared.memory.messages import add_layer
from shared.memory.ownership import is_listed_owner
from shared.memory.turn import AppendResult
from shared.models import Durability, Exchange, ExchangeTexts, Message
from shared.request_ids import current_request_id
from shared.stores.archive import ExchangeCopy
from shared.stores.cache import CacheAppendResult, CacheRead
from shared.timer import Timer

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Copies:
    """An exchange in Redis and in this process.

    Attributes:
        exchange: The highest revision; None if neither Redis nor this process has the exchange.
        in_redis: The highest revision in Redis. While PostgreSQL is down, only this revision is used, because only
            Redis then shows which exchanges are deleted.
        redis_error: The error if Redis did not respond; otherwise None.
    """

    cached: CacheRead
    exchange: Exchange | None
    in_redis: Exchange | None
    redis_error: StoreUnavailable | None
    degraded: list[str] = field(default_factory=list)


class Exchanges:
    """Operations on exchanges. A change is in PostgreSQL before the response is sent, unless PostgreSQL is down."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def replace(
        self, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, owner: str | None = None
    ) -> AppendResult:
        """Replace an exchange's texts at its position; with `owner`, only in that user's thread.

        While PostgreSQL is down, an exchange in Redis is replaced through the queue.

        Raises:
            ExchangeNotFound: The exchange does not exist, or the thread belongs to another user.
            StoreUnavailable: A required layer did not respond; `is_unconfirmed` says whether the exchange may have been
                replaced anyway.
            InvalidRecord: PostgreSQL refuses the texts.
        """
        copies = self._read_copies(thread_id, exchange_id, owner)
        timer = Timer()
        try:
            replacement = self._replace_stored(thread_id, exchange_id, texts, owner, copies)
        except StoreUnavailable as error:
            if error.layer != "postgres":
                raise
            return self._replace_undrained(exchange_id, texts, owner, copies, error)
        timer.record("queue")
        cached = True
        try:
            self._memory.cache.merge_stored([replacement])
            self._forget_memories(replacement.user_id)
        except StoreUnavailable as error:
            # PostgreSQL has a record of the missing update. If this process ends first, the sweep updates Redis.
            self._memory.cache.merge_later(replacement)
            add_layer(copies.degraded, error.layer)
            cached = False
        timer.record("cache")
        self._memory.remember(replacement)
        return AppendResult(exchange_id, "postgres", cached, copies.degraded, timer.seconds)

    def _replace_stored(
        self, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, owner: str | None, copies: _Copies
    ) -> Exchange:
        archive = self._memory.archive
        above = 0 if copies.exchange is None else copies.exchange.revision
        try:
            replacement = archive.replace_exchange(thread_id, exchange_id, texts, above=above, owner=owner)
            if replacement is None and copies.exchange is not None:
                # An undrained exchange is stored before it is replaced. Its queued message is then a duplicate.
                archive.store([copies.exchange])
                replacement = archive.replace_exchange(thread_id, exchange_id, texts, above=above, owner=owner)
        except ThreadNotFound as error:
            # The backlog is checked, so that the response takes as long as for a missing exchange.
            self._may_be_queued(copies)
            raise ExchangeNotFound(str(exchange_id)) from error
        if replacement is None:
            self._raise_if_queued(thread_id, exchange_id, owner, copies)
            raise ExchangeNotFound(str(exchange_id))
        return replacement

    def _replace_undrained(
        self, exchange_id: UUID, texts: ExchangeTexts, owner: str | None, copies: _Copies, error: StoreUnavailable
    ) -> AppendResult:
        """Replace an exchange in Redis through the queue or the outbox."""
        add_layer(copies.degraded, error.layer)
        if owner is not None and not is_listed_owner(copies.cached, owner):
            raise error
        if exchange_id in copies.cached.deleted:
            raise ExchangeNotFound(str(exchange_id)) from error
        if copies.in_redis is None or not copies.cached.can_trust(copies.in_redis.acceptance_time):
            raise error
        replacement = copies.in_redis.revised(texts, copies.in_redis.revision + 1)
        replacement = replace(replacement, request_id=current_request_id(), keyed=keyed_request.get())
        timer = Timer()
        is_queued = self._send(replacement, copies.degraded)
        timer.record("queue")
        appended = CacheAppendResult(is_cached=False)
        try:
            appended = self._memory.cache.append(replacement, is_drained=False, in_outbox=not is_queued)
        except StoreUnavailable as later_error:
            add_layer(copies.degraded, later_error.layer)
            if not is_queued:
                # A layer that did not respond may still have accepted the replacement.
                error.is_unconfirmed = True
                raise error from later_error
        if appended.cutoff is not None:
            raise ExchangeNotFound(str(exchange_id)) from error
        try:
            # Memories of the old texts must not be shown, even before the drain deletes them from PostgreSQL.
            self._forget_memories(replacement.user_id)
        except StoreUnavailable as later_error:
            add_layer(copies.degraded, later_error.layer)
        if not appended.is_cached:
            add_layer(copies.degraded, "redis")
        timer.record("cache")
        self._memory.remember(replacement, is_durable=is_queued)
        durability: Durability = "queue" if is_queued else "redis"
        return AppendResult(exchange_id, durability, appended.is_cached, copies.degraded, timer.seconds)

    def _send(self, replacement: Exchange, degraded: list[str]) -> bool:
        try:
            self._memory.queue.send(replacement)
        except TooLargeForQueue as error:
            _logger.info("a replacement goes to the outbox", extra={"reason": str(error)})
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
        else:
            return True
        return False

    def delete(self, thread_id: str, exchange_id: UUID, owner: str | None = None) -> None:
        """Delete an exchange from both layers and the queue; with `owner`, only from that user's thread.

        Raises:
            ExchangeNotFound: The exchange does not exist, or the thread belongs to another user.
            StoreUnavailable: A layer did not respond, so the deletion is incomplete; a retry completes it.
        """
        copies = self._read_copies(thread_id, exchange_id, owner)
        archive = self._memory.archive
        user_id = owner if owner is not None else archive.owner(thread_id).user_id
        try:
            outcome = archive.delete_exchange(thread_id, exchange_id, owner)
            if outcome == "unknown" and copies.exchange is not None:
                # An undrained exchange is stored before it is deleted, because the deletion of an exchange must not
                # remove its thread.
                archive.store([copies.exchange])
                outcome = archive.delete_exchange(thread_id, exchange_id, owner)
        except ThreadNotFound as error:
            # The backlog is checked, so that the response takes as long as for a missing exchange.
            self._may_be_queued(copies)
            raise ExchangeNotFound(str(exchange_id)) from error
        if outcome == "unknown":
            self._raise_if_queued(thread_id, exchange_id, owner, copies)
            raise ExchangeNotFound(str(exchange_id))
        self._memory.forget_exchange(thread_id, exchange_id)
        with add_half_deleted_outcome("exchange"):
            if copies.redis_error is not None:
                raise copies.redis_error
            self._memory.cache.forget_exchanges(thread_id, [exchange_id])
            self._forget_memories(user_id)
        if outcome == "gone" and copies.in_redis is None:
            raise ExchangeNotFound(str(exchange_id))

    def _forget_memories(self, user_id: str | None) -> None:
        """Delete a user's memories from Redis, because what was learned from an exchange ends with it."""
        if user_id is not None:
            self._memory.cache.forget_memories([user_id])

    def _raise_if_queued(self, thread_id: str, exchange_id: UUID, owner: str | None, copies: _Copies) -> None:
        """Raise an error if the exchange may be queued for this caller although neither PostgreSQL nor Redis has it."""
        if not self._may_be_queued(copies):
            return
        if owner is not None:
            stored_owner = self._memory.archive.owner(thread_id)
            if not stored_owner.is_known or stored_owner.user_id != owner:
                return
        if self._memory.archive.deleted_exchanges(thread_id, [ExchangeCopy(exchange_id)]):
            return
        if copies.redis_error is not None:
            raise copies.redis_error
        if self._memory.queue.depth():
            reason = "redis was emptied, and the queue is not empty since then"
            raise StoreUnavailable("queue", reason, state="may still hold this exchange")

    def _may_be_queued(self, copies: _Copies) -> bool:
        """Return whether an exchange that no store has may be queued."""
        uptime = self._memory.archive.uptime_seconds()
        return copies.redis_error is not None or may_lack_undrained(copies.cached.state, uptime)

    def _read_copies(self, thread_id: str, exchange_id: UUID, owner: str | None) -> _Copies:
        try:
            cached, redis_error = self._memory.cache.peek(thread_id), None
        except StoreUnavailable as error:
            cached, redis_error = CacheRead(), error

        def highest(*accepted: Exchange) -> Exchange | None:
            revisions = (
                each
                for each in accepted
                if each.exchange_id == exchange_id
                and owner in {None, each.user_id}
                and not is_deleted(exchange_id, each.acceptance, cached.deleted, cached.cutoff)
            )
            # If several exchanges have the highest revision, `max` returns the first one. So exchanges from the list,
            # which lack their documents, come last.
            return max(revisions, key=lambda each: each.revision, default=None)

        listed = _listed(thread_id, exchange_id, cached.messages)
        newest = highest(*cached.undrained, *self._memory.recent(thread_id), *listed)
        in_redis = highest(*cached.undrained, *listed)
        return _Copies(cached, newest, in_redis, redis_error, [] if redis_error is None else [redis_error.layer])


def _listed(thread_id: str, exchange_id: UUID, messages: Iterable[Message]) -> list[Exchange]:
    """Return an exchange from its entries in a list."""
    sides = {message.role: message for message in messages if message.exchange_id == exchange_id}
    if sides.keys() != {"user", "assistant"} or sides["user"].created_at is None:
        return []
    user = sides["user"]
    return [
        Exchange(
            exchange_id=exchange_id,
            thread_id=thread_id,
            user_id=user.user_id,
            user_message=user.content,
            assistant_message=sides["assistant"].content,
            created_at=sides["user"].created_at.astimezone(UTC),
            metadata=user.metadata,
            revision=user.revision,
            accepted_at=user.accepted_at,
        )
    ]
