"""A turn: loads the memory before an agent's answer and stores the exchange after it. The providers use it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from shared.errors import StoreUnavailable, ThreadNotFound
from shared.idempotency import keyed_request
from shared.ids import is_time_ordered, milliseconds_of
from shared.listed_messages import newest_order
from shared.memory.budget import Limits, Selection, select
from shared.memory.durability import cutoff_in_archive, log_invalidation, make_durable
from shared.memory.history import load_history, load_preferences, read_cache
from shared.memory.known import NOTHING_KNOWN, load_memories
from shared.memory.memory import Memory
from shared.memory.messages import add_layer
from shared.memory.ownership import Access
from shared.memory.recall import History, Recall, rewind
from shared.models import Durability, Exchange
from shared.request_ids import current_request_id
from shared.stores.archive import ExchangeCopy
from shared.stores.cache import CacheAppendResult, CacheRead
from shared.timer import Timer

_logger = logging.getLogger(__name__)
_NO_CUTOFF: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class AppendResult:
    """Where an exchange is stored.

    Attributes:
        exchange_id: None without a thread.
        durability: The store that has it permanently: `queue`, `postgres`, `redis` (L1's outbox) or `none`.
        cached: Whether L1's list has it.
        degraded: Layers that did not respond.
        seconds: The durations of `queue` (acceptance by the queue, otherwise by PostgreSQL) and `cache` (the write to
            Redis), and of `recall` if the append had to read the thread.
    """

    exchange_id: UUID | None
    durability: Durability
    cached: bool
    degraded: list[str] = field(default_factory=list)
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)


class Turn:
    """One question and its answer. `recall` reads at most once, so both providers share the round trip.

    Attributes:
        user_id: The turn's user; with the access `service`, the thread's owner after `recall` or `append`.
    """

    def __init__(
        self,
        memory: Memory,
        thread_id: str | None,
        user_id: str | None,
        access: Access = "open",
        *,
        has_memories: bool = False,
    ) -> None:
        self.thread_id = thread_id
        self.user_id = user_id
        self._memory = memory
        self._access = access
        self._has_memories = has_memories
        self._history = History()
        self._recalled: Recall | None = None

    @property
    def owner(self) -> str | None:
        """The owner that the thread must have; None for any."""
        return None if self._access == "open" else self.user_id

    def recall(self) -> Recall:
        """Return history and preferences: from L1 in one round trip, from L2 if L1 is incomplete.

        Raises:
            ThreadNotFound: The thread must belong to this user, but belongs to another user.
            StoreUnavailable: The turn needs the thread's owner, and no store that has it responded.
        """
        if self._recalled is not None:
            return self._recalled
        memory, requested_user, degraded = self._memory, self.user_id, list[str]()
        if memory.accepted.undurable:
            # The context shows exchanges that only the outbox has. Send them again, in case L1 loses its outbox.
            memory.retry(memory.queue.send)
        cached = read_cache(memory, self.thread_id, requested_user, degraded, has_memories=self._has_memories)
        if self.thread_id is not None:
            self._load_history(self.thread_id, cached, degraded)
        if self.user_id != requested_user:
            # The turn belongs to the thread's owner, so it must not contain the caller's own data.
            cached = read_cache(memory, None, self.user_id, degraded, has_memories=self._has_memories)
        messages, source = self._history.messages, self._history.source
        preferences, preferences_source = dict[str, str](), source
        if self.user_id is not None:
            preferences, preferences_source = load_preferences(memory, self.user_id, cached, degraded)
        if preferences and not messages:
            source = preferences_source
        known = NOTHING_KNOWN
        if self._has_memories and self.user_id is not None:
            known = load_memories(memory, self.user_id, self.thread_id, cached, degraded)
        self._recalled = Recall(messages, preferences, source, degraded, known)
        return self._recalled

    def _load_history(self, thread_id: str, cached: CacheRead | None, degraded: list[str]) -> None:
        """Load the thread's state. New exchanges sort after all loaded exchanges and after the thread's deletion."""
        history = load_history(self._memory, thread_id, self.user_id, self._access, cached, degraded)
        self._history, self.user_id = history, history.user_id
        self._memory.observe(thread_id, history.cutoff, newest_order(history.messages))

    def rewind(self, exchange_id: UUID) -> None:
        """Restore the history from before an exchange of the thread.

        Raises:
            ExchangeNotFound: The thread has no such exchange.
            StoreUnavailable: PostgreSQL did not respond, and the window does not have the exchange.
        """
        self._recalled = rewind(self._memory, self.thread_id or "", exchange_id, self.recall())

    def select(self) -> Selection:
        """Return the selection within `MEMORY__MAX_CONTEXT_TOKENS`."""
        recall = self.recall()
        return select(recall.messages, recall.preferences, Limits(self._memory.settings.max_context_tokens))

    def is_deleted(self, order: UUID, exchange_id: UUID) -> bool:
        """Return whether the exchange was deleted, individually or with its thread or user; call `recall` first.

        While PostgreSQL is down, Redis' state of the thread is used.

        Raises:
            StoreUnavailable: PostgreSQL did not respond, and Redis may lack the deletion.
        """
        if self._history.has_deleted(order, exchange_id):
            return True
        copy = ExchangeCopy(exchange_id, order, self.user_id)
        try:
            return bool(self._memory.archive.deleted_exchanges(self.thread_id or "", [copy]))
        except StoreUnavailable:
            suspect_until = self._history.suspect_until
            if suspect_until is not None and milliseconds_of(order) / 1000 <= suspect_until:
                raise
            _logger.info("postgres did not respond, so deletions are checked in redis only")
            return False

    def append(
        self,
        user_message: str,
        assistant_message: str,
        document_ids: Sequence[str] = (),
        exchange_id: UUID | None = None,
        metadata: str | None = None,
        created_at: datetime | None = None,
    ) -> AppendResult:
        """Store the exchange in the queue, otherwise in L2, otherwise in L1's outbox; also add it to L1's list.

        `exchange_id` is the caller's id, under which only one exchange is stored; by default an id is generated.
        `metadata` is JSON text in the format of `encode_metadata`. An import has the caller's time `created_at`, in
        UTC.

        Raises:
            ThreadNotFound: The thread must belong to this user, but belongs to another user.
            StoreUnavailable: The turn needs the thread's owner, and no store that has it responded.
        """
        if self.thread_id is None:
            return AppendResult(None, "none", cached=False)
        memory, thread_id, timer = self._memory, self.thread_id, Timer()
        if self._recalled is None:
            # Another process may have shown the caller exchanges that this process has not read, and the new exchange
            # must sort after them. A list must also not start in the middle of its thread.
            self._load_history(thread_id, read_cache(memory, thread_id, None, []), [])
            timer.record("recall")
        if self._access != "open" and not self._history.has_owner:
            self._claim_ownership()
        accepted_at = None if created_at is None else memory.acceptance_time(thread_id)
        if created_at is not None and accepted_at is not None:
            new_id = exchange_id or memory.import_id(created_at, accepted_at)
        else:
            new_id = exchange_id or memory.new_id(thread_id)
            if exchange_id is None:
                created_at = datetime.fromtimestamp(memory.now(), UTC)
            else:
                created_at = memory.acceptance_time(thread_id, exchange_id)
        exchange = Exchange(
            exchange_id=new_id,
            thread_id=thread_id,
            user_id=self.user_id,
            user_message=user_message,
            assistant_message=assistant_message,
            created_at=created_at,
            accepted_at=accepted_at,
            document_ids=tuple(dict.fromkeys(document_ids)),
            metadata=metadata,
            request_id=current_request_id(),
            keyed=keyed_request.get(),
        )
        if exchange_id is not None and self._history.has_deleted(exchange.acceptance, exchange_id):
            # The caller's id has a time before the deletion, so the drain would not store the exchange.
            return AppendResult(exchange_id, "none", cached=False)
        timer.skip()
        return self._store(exchange, timer, has_caller_id=exchange_id is not None)

    def _store(self, exchange: Exchange, timer: Timer, *, has_caller_id: bool, is_retry: bool = False) -> AppendResult:
        memory, degraded = self._memory, list[str]()
        durability, exchange = make_durable(memory, exchange, degraded)
        timer.record("queue")
        appended = self._append_to_cache(exchange, durability, degraded)
        timer.record("cache")
        if durability == "none" and appended.is_in_outbox:
            durability = "redis"
        if durability == "none":
            # The reasons are not logged here, because each store has logged its reason.
            _logger.error("no store accepted an exchange", extra={"exchange_id": str(exchange.exchange_id)})
            return AppendResult(exchange.exchange_id, "none", cached=False, degraded=degraded, seconds=timer.seconds)
        is_import = exchange.accepted_at is not None
        has_fixed_order = has_caller_id and is_time_ordered(exchange.exchange_id) and not is_import
        if appended.cutoff is not None and not is_retry and not has_fixed_order:
            # The thread was deleted up to a time that this process' clock has not reached. An exchange after a deletion
            # belongs to a new thread, so it is stored again with a later id or time; the drain drops the first one.
            memory.observe(exchange.thread_id, appended.cutoff)
            self._history = self._history.deleted_to(appended.cutoff)
            if self._access != "open":
                self._claim_ownership()
            if is_import:
                exchange = replace(exchange, accepted_at=memory.acceptance_time(exchange.thread_id))
            elif has_caller_id:
                accepted_at = memory.acceptance_time(exchange.thread_id, exchange.exchange_id)
                exchange = exchange.with_id(exchange.exchange_id, accepted_at)
            else:
                exchange = memory.with_new_id(exchange)
            return self._store(exchange, timer, has_caller_id=has_caller_id, is_retry=True)
        if durability == "tombstoned" or appended.cutoff is not None:
            return AppendResult(exchange.exchange_id, "none", cached=False, degraded=degraded, seconds=timer.seconds)
        if not is_import:
            memory.observe(exchange.thread_id, exchange.order)
        memory.remember(exchange, is_durable=durability != "redis")
        return AppendResult(exchange.exchange_id, durability, appended.is_cached, degraded, timer.seconds)

    def _claim_ownership(self) -> None:
        """Set this user as the thread's owner, if it has none.

        Raises:
            ThreadNotFound: The thread now belongs to another user.
            StoreUnavailable: PostgreSQL did not respond.
        """
        thread_id = self.thread_id or ""
        owner = self._memory.archive.claim_ownership(thread_id, self.user_id)
        if owner.user_id != self.user_id:
            raise ThreadNotFound(thread_id)
        self._history = replace(self._history.deleted_to(owner.cutoff), has_owner=True, has_claimed_ownership=True)

    def _append_to_cache(
        self, exchange: Exchange, durability: Durability | Literal["tombstoned"], degraded: list[str]
    ) -> CacheAppendResult:
        """Append the exchange in Redis. A layer that does not respond is no error: `degraded` names it."""
        memory, not_cached = self._memory, CacheAppendResult(is_cached=False)
        try:
            if durability == "tombstoned":
                return CacheAppendResult(cutoff_in_archive(memory, exchange), is_cached=False)
            appended = self._append_to_owned_thread(exchange, durability, degraded)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            if durability == "postgres":
                log_invalidation(memory, exchange.thread_id, degraded)
            elif self._access != "open" and not self._history.has_claimed_ownership:
                # Redis does not respond, so check in PostgreSQL whether the thread was deleted and now belongs to
                # another user.
                self._revalidate_ownership(degraded)
            return not_cached
        if not appended.is_cached and appended.cutoff is None:
            # Redis accepted the exchange for the outbox, but not for the list.
            add_layer(degraded, "redis")
        return appended

    def _append_to_owned_thread(
        self, exchange: Exchange, durability: Durability, degraded: list[str]
    ) -> CacheAppendResult:
        """Append on the condition that the thread was not deleted since its owner was read.

        After a deletion another user may own the thread. If this user still owns it, the exchange is the first one of a
        new conversation.
        """
        memory, is_drained, in_outbox = self._memory, durability == "postgres", durability == "none"
        if self._access == "open":
            return memory.cache.append(exchange, is_drained=is_drained, in_outbox=in_outbox)
        cutoff = self._history.cutoff or _NO_CUTOFF
        appended = memory.cache.append(exchange, is_drained=is_drained, in_outbox=in_outbox, after=cutoff)
        if appended.cutoff is None or appended.cutoff >= exchange.acceptance:
            return appended
        self._history = self._history.deleted_to(appended.cutoff)
        if not self._revalidate_ownership(degraded):
            # The queue or the outbox has the exchange. The drain checks the thread's owner in PostgreSQL.
            return CacheAppendResult(is_cached=False, is_in_outbox=in_outbox)
        cutoff = self._history.cutoff or _NO_CUTOFF
        again = memory.cache.append(exchange, is_drained=is_drained, after=cutoff)
        return CacheAppendResult(again.cutoff, again.is_cached, is_in_outbox=in_outbox)

    def _revalidate_ownership(self, degraded: list[str]) -> bool:
        """Return whether PostgreSQL still has this user as the owner; False if PostgreSQL does not respond.

        Raises:
            ThreadNotFound: The thread belongs to another user; the drain refuses the exchange.
        """
        try:
            self._claim_ownership()
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            return False
        except ThreadNotFound:
            _logger.warning("the thread was deleted and claimed by another user during a turn")
            raise
        return True
