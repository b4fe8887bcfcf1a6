"""A turn: what an agent is told before it answers, and what is kept after. The providers are its two faces."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from shared.errors import StoreUnavailable, ThreadNotFound, TooLargeForQueue
from shared.idempotency import keyed_request
from shared.ids import is_time_ordered
from shared.memory.budget import Limits, Shown, show
from shared.memory.ownership import Ownership
from shared.memory.recall import Recall, Recaller, add_layer
from shared.memory.sandbox import Sandbox
from shared.models import Durability, Exchange
from shared.request_ids import current_request_id
from shared.stores.cache import AppendResult, Fence

__all__ = ["Memory", "Recall", "Receipt", "Turn"]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an exchange is.

    Attributes:
        exchange_id: None when there was no thread to keep it in.
        durability: The store that holds it for good: `queue`, `postgres`, `redis` (L1's outbox) or `none`.
        cached: Whether L1's list has it.
        degraded: Layers that were asked and did not answer.
    """

    exchange_id: UUID | None
    durability: Durability
    cached: bool
    degraded: list[str] = field(default_factory=list)


class Turn:
    """One question and its answer. `recall` reads at most once, so that both providers share the round trip."""

    def __init__(
        self, sandbox: Sandbox, thread_id: str | None, user_id: str | None, ownership: Ownership | None = None
    ) -> None:
        self.thread_id = thread_id
        self._memory = sandbox
        self._ownership = ownership
        self._recaller = Recaller(sandbox, thread_id, user_id, ownership)
        self._recalled: Recall | None = None

    @property
    def user_id(self) -> str | None:
        """Who the turn is of; where a trusted caller joins a thread's owner, the owner once `recall` was called."""
        return self._recaller.user_id

    def recall(self) -> Recall:
        """Return history and preferences: from L1 in one round trip, from L2 where L1 does not know all.

        Raises:
            ThreadNotFound: The thread has to be this user's, and is another's.
            StoreUnavailable: It has to be, and nobody can say whose it is.
        """
        if self._recalled is None:
            self._recalled = self._recaller.recall()
        return self._recalled

    @property
    def owner(self) -> str | None:
        """Whose the thread has to be; None for anybody's."""
        return None if self._ownership is None else self.user_id

    def rewind(self, exchange_id: UUID) -> None:
        """Show the history as it was before an exchange of the thread.

        Raises:
            ExchangeNotFound: The thread has no such exchange.
            StoreUnavailable: PostgreSQL did not answer, and the window does not hold the exchange.
        """
        self._recalled = self._recaller.before(exchange_id, self.recall())

    def show(self) -> Shown:
        """Return what `MEMORY__MAX_CONTEXT_TOKENS` leaves of it."""
        recall = self.recall()
        return show(recall.messages, recall.preferences, Limits(self._memory.settings.max_context_tokens))

    def is_deleted(self, order: UUID, exchange_id: UUID) -> bool:
        """Return whether the exchange, or its thread or user up to its order key, was deleted; call `recall` before.

        While PostgreSQL is away, Redis's word on the thread has to do.
        """
        if exchange_id in self._recaller.deleted:
            return True
        cutoffs = [self._recaller.cutoff]
        try:
            if self.thread_id is not None:
                if self._memory.archive.deleted_exchanges(self.thread_id, [exchange_id]):
                    return True
                cutoffs.append(self._memory.archive.owner(self.thread_id).cutoff)
            if self.user_id is not None:
                cutoffs.append(self._memory.archive.user_cutoffs([self.user_id]).get(self.user_id))
        except StoreUnavailable:
            _logger.info("what a deletion reached is told by redis alone")
        return any(cutoff is not None and order <= cutoff for cutoff in cutoffs)

    def keep(
        self,
        user_message: str,
        assistant_message: str,
        document_ids: Sequence[str] = (),
        exchange_id: UUID | None = None,
        metadata: str | None = None,
    ) -> Receipt:
        """Keep the exchange: on the queue, else in L2, else in L1's outbox; and in L1's list.

        `exchange_id` is the caller's name for it: the same one twice is one exchange. A new one unless given.
        `metadata` is JSON text as `encode_metadata` writes it.

        Raises:
            ThreadNotFound: The thread has to be this user's, and is another's.
            StoreUnavailable: It has to be, and nobody can say whose it is.
        """
        if self.thread_id is None:
            return Receipt(None, "none", cached=False)
        if self._recalled is None:
            # Another sandbox may have told the caller more of the thread than this one has seen, and what is added has
            # to sort after all of it; nor does a list then begin in the middle of its thread.
            self._recaller.catch_up()
        fence = self._fence()
        unnamed = Exchange(
            exchange_id=exchange_id or UUID(int=0),
            thread_id=self.thread_id,
            user_id=self.user_id,
            user_message=user_message,
            assistant_message=assistant_message,
            created_at=datetime.fromtimestamp(self._memory.now(), UTC),
            document_ids=tuple(dict.fromkeys(document_ids)),
            metadata=metadata,
            request_id=current_request_id(),
            keyed=keyed_request.get(),
        )
        if exchange_id is None:
            exchange = self._memory.name(unnamed)
        else:
            exchange = unnamed.with_id(exchange_id, self._memory.date(self.thread_id, exchange_id))
            if self._recaller.cutoff is not None and exchange.order <= self._recaller.cutoff:
                # By its own id it belongs to what was deleted, and no drain would store it.
                return Receipt(exchange_id, "none", cached=False)
            if exchange_id in self._recaller.deleted:
                return Receipt(exchange_id, "none", cached=False)
        return self._keep(exchange, fence, is_named=exchange_id is not None)

    def _keep(self, exchange: Exchange, fence: Fence | None, *, is_named: bool, is_second: bool = False) -> Receipt:
        degraded: list[str] = []
        durability, exchange = self._make_durable(exchange, degraded)
        appended = self._append(exchange, fence, durability, degraded)
        if durability == "none" and appended.is_in_outbox:
            durability = "redis"
            self._memory.owe(exchange)
        if durability == "none":
            # Each store said why before.
            _logger.error("no store took an exchange", extra={"exchange_id": str(exchange.exchange_id)})
            return Receipt(exchange.exchange_id, "none", cached=False, degraded=degraded)
        if appended.cutoff is not None and not is_second:
            # The thread was deleted up to a time that this process's clock has not reached. What is told after a
            # deletion is a new thread's, so it is kept under an id that says so; the drain drops the first one.
            self._memory.observe(exchange.thread_id, appended.cutoff)
            fence = self._fence()
            if not is_named:
                return self._keep(self._memory.name(exchange), fence, is_named=False, is_second=True)
            if not is_time_ordered(exchange.exchange_id):
                dated = exchange.with_id(
                    exchange.exchange_id, self._memory.date(exchange.thread_id, exchange.exchange_id)
                )
                return self._keep(dated, fence, is_named=True, is_second=True)
        if durability == "erased" or appended.cutoff is not None:
            return Receipt(exchange.exchange_id, "none", cached=False, degraded=degraded)
        self._memory.observe(exchange.thread_id, exchange.order)
        self._memory.remember(exchange)
        return Receipt(exchange.exchange_id, durability, appended.is_cached, degraded)

    def _fence(self) -> Fence | None:
        return None if self._ownership is None else self._ownership.fence()

    def _append(
        self, exchange: Exchange, fence: Fence | None, durability: Durability | Literal["erased"], degraded: list[str]
    ) -> AppendResult:
        """Put the exchange into Redis, where a layer that does not answer is no error: `degraded` names it."""
        nowhere = AppendResult(is_cached=False)
        try:
            if durability == "erased":
                return replace(nowhere, cutoff=self._erased_to(exchange))
            appended = self._append_fenced(exchange, fence, durability, degraded)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            if durability == "postgres":
                self._note_repair(degraded)
            return nowhere
        if not appended.is_cached and appended.cutoff is None:
            # Redis took the outbox's part of the append, and not the list's.
            add_layer(degraded, "redis")
        return appended

    def _append_fenced(
        self, exchange: Exchange, fence: Fence | None, durability: Durability, degraded: list[str]
    ) -> AppendResult:
        is_drained, in_outbox = durability == "postgres", durability == "none"
        if self._ownership is None or fence is None:
            return self._memory.cache.append(exchange, is_drained=is_drained, in_outbox=in_outbox)
        try:
            appended = self._memory.cache.append(exchange, is_drained=is_drained, in_outbox=in_outbox, fence=fence)
        except StoreUnavailable:
            self._ownership.confirm(fence, exchange, has_cache=False)
            raise
        try:
            self._ownership.confirm(fence, exchange, has_cache=True)
        except StoreUnavailable as error:
            # The queue or the outbox has the exchange; PostgreSQL checks its owner when it is stored.
            add_layer(degraded, error.layer)
        return appended

    def _erased_to(self, exchange: Exchange) -> UUID | None:
        """Return L2's word on the deletion that overtook the exchange."""
        cutoff = self._memory.archive.window(exchange.thread_id, 1).cutoff
        users = [] if exchange.user_id is None else [exchange.user_id]
        cutoffs = [cutoff, *self._memory.archive.user_cutoffs(users).values()]
        return max((each for each in cutoffs if each is not None), default=None)

    def _note_repair(self, degraded: list[str]) -> None:
        """Have the list compared with L2 once L1 is back: no drain will tell it of what went to L2 directly."""
        if self.thread_id is None:
            return
        try:
            self._memory.archive.note_repairs("thread", [self.thread_id])
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)

    def _make_durable(self, exchange: Exchange, degraded: list[str]) -> tuple[Durability | Literal["erased"], Exchange]:
        """Return whether the queue or L2 takes the exchange, and what L2 holds under its name if L2 was asked.

        `erased` if L2 knows of a deletion that is newer.
        """
        try:
            self._memory.queue.send(exchange)
        except TooLargeForQueue as error:
            _logger.info("exchange goes to postgres directly", extra={"reason": str(error)})
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
        else:
            self._memory.pay(self._memory.queue.send)
            return "queue", exchange
        try:
            stored = self._memory.archive.store([exchange])
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
        else:
            self._memory.pay(lambda owed: self._memory.archive.store([owed]))
            if stored.foreign:
                raise ThreadNotFound(exchange.thread_id)
            if stored.erased:
                return "erased", exchange
            # Told a second time under its name, it has the place and the texts of the first.
            return "postgres", next(iter(stored.effective), exchange)
        return "none", exchange


class Memory(Sandbox):
    """A sandbox that begins turns; one a process."""

    def turn(self, thread_id: str | None, user_id: str | None) -> Turn:
        """Begin a turn; without a thread or a user it does without that memory."""
        return Turn(self, thread_id, user_id)

    def owned_turn(self, thread_id: str | None, user_id: str | None, *, joins_owner: bool = False) -> Turn:
        """Begin a turn on a thread of this user's own; `joins_owner`: of whoever has it, if anybody has."""
        if thread_id is None:
            return Turn(self, None, user_id)
        return Turn(self, thread_id, user_id, Ownership(self, thread_id, user_id, joins_owner=joins_owner))
