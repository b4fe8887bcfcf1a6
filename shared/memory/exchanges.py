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
from shared.memory.ownership import is_listed_as
from shared.memory.turn import AppendResult
from shared.models import Exchange, ExchangeTexts, Message
from shared.request_ids import current_request_id
from shared.stores.cache import CacheAppendResult, CacheRead

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Look:
    """An exchange in Redis and in this process.

    Attributes:
        exchange: Its highest revision; None if neither has it.
        in_redis: Redis' highest revision. While PostgreSQL is down, only Redis knows deletions.
        missing: The error if Redis did not respond; otherwise None.
    """

    cached: CacheRead
    exchange: Exchange | None
    in_redis: Exchange | None
    missing: StoreUnavailable | None
    degraded: list[str] = field(default_factory=list)


class Exchanges:
    """Operations on exchanges. Whenever possible, PostgreSQL has a change before the response is sent."""

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
        look = self._look(thread_id, exchange_id, owner)
        try:
            made = self._replace_stored(thread_id, exchange_id, texts, owner, look)
        except StoreUnavailable as error:
            if error.layer != "postgres":
                raise
            return self._replace_undrained(exchange_id, texts, owner, look, error)
        cached = True
        try:
            self._memory.cache.merge_stored([made])
        except StoreUnavailable as error:
            # Recorded in PostgreSQL: if this process ends first, the sweep updates Redis.
            self._memory.cache.merge_later(made)
            add_layer(look.degraded, error.layer)
            cached = False
        self._memory.remember(made)
        return AppendResult(exchange_id, "postgres", cached, look.degraded)

    def _replace_stored(
        self, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, owner: str | None, look: _Look
    ) -> Exchange:
        archive = self._memory.archive
        above = 0 if look.exchange is None else look.exchange.revision
        try:
            made = archive.replace_exchange(thread_id, exchange_id, texts, above=above, owner=owner)
            if made is None and look.exchange is not None:
                # An undrained exchange is stored first. Its queued message is then a duplicate.
                archive.store([look.exchange])
                made = archive.replace_exchange(thread_id, exchange_id, texts, above=above, owner=owner)
        except ThreadNotFound as error:
            # Like a missing exchange, so that the response time does not reveal it.
            self._may_be_queued(look)
            raise ExchangeNotFound(str(exchange_id)) from error
        if made is None:
            self._require_known(thread_id, exchange_id, owner, look)
            raise ExchangeNotFound(str(exchange_id))
        return made

    def _replace_undrained(
        self, exchange_id: UUID, texts: ExchangeTexts, owner: str | None, look: _Look, error: StoreUnavailable
    ) -> AppendResult:
        """Replace an exchange in Redis through the queue or the outbox."""
        add_layer(look.degraded, error.layer)
        if owner is not None and not is_listed_as(look.cached, owner):
            raise error
        if exchange_id in look.cached.deleted:
            raise ExchangeNotFound(str(exchange_id)) from error
        if look.in_redis is None or not look.cached.vouches_for(look.in_redis.created_at):
            raise error
        made = look.in_redis.revised(texts, look.in_redis.revision + 1)
        made = replace(made, request_id=current_request_id(), keyed=keyed_request.get())
        is_queued = self._send(made, look.degraded)
        appended = CacheAppendResult(is_cached=False)
        try:
            appended = self._memory.cache.append(made, is_drained=False, in_outbox=not is_queued)
        except StoreUnavailable as missing:
            add_layer(look.degraded, missing.layer)
            if not is_queued:
                # A layer that did not respond may have accepted it anyway.
                error.is_unconfirmed = True
                raise error from missing
        if appended.cutoff is not None:
            raise ExchangeNotFound(str(exchange_id)) from error
        if not appended.is_cached:
            add_layer(look.degraded, "redis")
        self._memory.remember(made, is_durable=is_queued)
        return AppendResult(exchange_id, "queue" if is_queued else "redis", appended.is_cached, look.degraded)

    def _send(self, made: Exchange, degraded: list[str]) -> bool:
        try:
            self._memory.queue.send(made)
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
        look = self._look(thread_id, exchange_id, owner)
        archive = self._memory.archive
        try:
            outcome = archive.delete_exchange(thread_id, exchange_id, owner)
            if outcome == "unknown" and look.exchange is not None:
                # An undrained exchange is stored first, so that its thread stays, as with any other deletion.
                archive.store([look.exchange])
                outcome = archive.delete_exchange(thread_id, exchange_id, owner)
        except ThreadNotFound as error:
            # Like a missing exchange, so that the response time does not reveal it.
            self._may_be_queued(look)
            raise ExchangeNotFound(str(exchange_id)) from error
        if outcome == "unknown":
            self._require_known(thread_id, exchange_id, owner, look)
            raise ExchangeNotFound(str(exchange_id))
        self._memory.forget_exchange(thread_id, exchange_id)
        with add_half_deleted_outcome("exchange"):
            if look.missing is not None:
                raise look.missing
            self._memory.cache.forget_exchanges(thread_id, [exchange_id])
        if outcome == "gone" and look.in_redis is None:
            raise ExchangeNotFound(str(exchange_id))

    def _require_known(self, thread_id: str, exchange_id: UUID, owner: str | None, look: _Look) -> None:
        """Raise an error if this caller's exchange may exist although neither PostgreSQL nor this Redis has it."""
        if not self._may_be_queued(look):
            return
        if owner is not None:
            known = self._memory.archive.owner(thread_id)
            if not known.is_known or known.user_id != owner:
                return
        if self._memory.archive.deleted_exchanges(thread_id, [exchange_id]):
            return
        if look.missing is not None:
            raise look.missing
        if self._memory.queue.depth():
            reason = "redis was emptied, and not all is drained since"
            raise StoreUnavailable("queue", reason, state="may still hold this exchange")

    def _may_be_queued(self, look: _Look) -> bool:
        """Return whether an exchange that no store has may be queued."""
        uptime = self._memory.archive.uptime_seconds()
        return look.missing is not None or may_lack_undrained(look.cached.state, uptime)

    def _look(self, thread_id: str, exchange_id: UUID, owner: str | None) -> _Look:
        try:
            cached, missing = self._memory.cache.peek(thread_id), None
        except StoreUnavailable as error:
            cached, missing = CacheRead(), error

        def highest(*accepted: Exchange) -> Exchange | None:
            revisions = (
                each
                for each in accepted
                if each.exchange_id == exchange_id
                and owner in {None, each.user_id}
                and not is_deleted(exchange_id, each.order, cached.deleted, cached.cutoff)
            )
            # The first one with the highest revision: complete exchanges precede those without documents.
            return max(revisions, key=lambda each: each.revision, default=None)

        listed = _listed(thread_id, exchange_id, cached.messages)
        found = highest(*cached.pending, *self._memory.recent(thread_id), *listed)
        in_redis = highest(*cached.pending, *listed)
        return _Look(cached, found, in_redis, missing, [] if missing is None else [missing.layer])


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
        )
    ]
