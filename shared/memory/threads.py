"""Operations on threads: read, list, rename, delete."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from shared.errors import StoreUnavailable, ThreadNotFound, add_half_deleted_outcome
from shared.memory.cursors import decode, encode, parse_moment
from shared.memory.deletion import Deletion, later_than
from shared.memory.memory import Memory
from shared.memory.messages import merge_messages
from shared.memory.ownership import exchanges_of, is_listed_owner
from shared.memory.sizes import fit_to_event
from shared.models import Exchange, Message, Thread, format_time, title_of
from shared.stores.archive import ExchangeCopy, MessagePosition
from shared.stores.cache import CacheRead

_Item = TypeVar("_Item")
_Accepted = TypeVar("_Accepted", Exchange, Message)


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    """A page of messages or threads.

    Attributes:
        next_cursor: The start of the next page; None on the last page.
        degraded: Layers that did not respond; `items` lacks the messages that only these layers have.
    """

    items: list[_Item]
    next_cursor: str | None
    degraded: list[str] = field(default_factory=list)


class Threads:
    """Operations on threads."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def get(self, thread_id: str, owner: str | None = None) -> Thread:
        """Return a thread; with `owner`, only that user's. If L1 responds, undrained exchanges are included.

        Raises:
            ThreadNotFound: Neither layer has it, or it belongs to another user.
            StoreUnavailable: A required layer did not respond.
        """
        stored = self._memory.archive.thread(thread_id)
        if stored is not None and owner in {None, stored.user_id}:
            with suppress(StoreUnavailable):
                return _with_undrained(stored, self._undrained_exchanges(thread_id, owner))
            return stored
        # For another user's thread, the steps are the same as for a thread that is not stored, so that both responses
        # take equally long.
        cached = self._read(thread_id, owner)
        exchanges = self._cached_exchanges(thread_id, cached, owner) if stored is None else []
        undeleted = self._not_deleted(thread_id, [*exchanges, *cached.undrained]) if exchanges else []
        exchanges = [each for each in exchanges if each in undeleted]
        if not exchanges:
            raise ThreadNotFound(thread_id)
        first = min(exchanges, key=lambda exchange: exchange.acceptance_time)
        return Thread(
            thread_id=thread_id,
            user_id=first.user_id,
            title=title_of(first.user_message),
            created_at=exchanges[0].created_at,
            updated_at=exchanges[-1].created_at,
            message_count=2 * len(exchanges),
            document_ids=_documents([each for each in cached.undrained if each in undeleted], owner),
        )

    def list_for(self, user_id: str, limit: int, cursor: str | None) -> Page[Thread]:
        """Return a user's threads, newest first.

        Raises:
            InvalidCursor: The cursor does not belong to this list.
            StoreUnavailable: PostgreSQL did not respond.
        """
        list_name = f"threads:{user_id}"
        before = None
        if cursor is not None:
            before = tuple(decode(list_name, cursor, parse_moment, UUID))
        threads = self._memory.archive.threads(user_id, limit + 1, before)
        page = threads[:limit]
        next_cursor = None
        if len(threads) > limit:
            last_time, last_id = page[-1][1]
            next_cursor = encode(list_name, [format_time(last_time), str(last_id)])
        return Page([thread for thread, _ in page], next_cursor)

    def messages(
        self, thread_id: str, limit: int, cursor: str | None, *, descending: bool, owner: str | None = None
    ) -> Page[Message]:
        """Return a page of a thread's messages, including L1's undrained ones; with `owner`, only that user's.

        Raises:
            InvalidCursor: The cursor does not belong to this list.
            ThreadNotFound: Neither layer has the thread, or it belongs to another user.
            StoreUnavailable: PostgreSQL did not respond, and L1 does not have the whole thread or its owner.
        """
        list_name = f"messages:{'desc' if descending else 'asc'}:{thread_id}"
        after = None
        if cursor is not None:
            after = MessagePosition(*decode(list_name, cursor, UUID, (0, 1).index))
        degraded: list[str] = []
        try:
            cached = self._memory.cache.peek(thread_id)
        except StoreUnavailable as error:
            cached = CacheRead()
            degraded.append(error.layer)
        try:
            stored = self._memory.archive.messages(thread_id, limit + 1, after, descending=descending, owner=owner)
        except StoreUnavailable as error:
            if owner is not None:
                _require_listed_owner(owner, cached, error)
            if not cached.is_sealed or len(cached.messages) >= 2 * self._memory.settings.max_thread_messages:
                raise
            stored = []
            degraded.append(error.layer)
        stored_revisions = {(message.exchange_id, message.role): message.revision for message in stored}
        only_cached = [
            message
            for message in self._cached_messages(thread_id, cached, owner)
            if message.order is not None
            and message.revision > stored_revisions.get((message.exchange_id, message.role), -1)
            and _is_after_position(message, after, descending=descending)
        ]
        if "postgres" not in degraded:
            only_cached = self._not_deleted(thread_id, only_cached)
        newer_ids = {message.exchange_id for message in only_cached}
        unchanged = [message for message in stored if message.exchange_id not in newer_ids]
        merged = sorted([*unchanged, *only_cached], key=_position, reverse=descending)
        if not merged and (after is None or owner is not None):
            self._require(thread_id, degraded, owner)
        items = _first_fitting(merged[:limit])
        next_cursor = None
        if len(merged) > len(items):
            order_key, side = _position(items[-1])
            next_cursor = encode(list_name, [str(order_key), side])
        return Page(items, next_cursor, degraded)

    def _not_deleted(self, thread_id: str, accepted: Sequence[_Accepted]) -> list[_Accepted]:
        """Return the exchanges or messages in L1 and this process that L2 has not deleted. L1 may lack deletions."""
        copies = [
            ExchangeCopy(each.exchange_id, each.acceptance, each.user_id)
            for each in accepted
            if each.exchange_id is not None
        ]
        deleted_ids = self._memory.archive.deleted_exchanges(thread_id, copies) if copies else set()
        return [each for each in accepted if each.exchange_id not in deleted_ids]

    def _require(self, thread_id: str, degraded: list[str], owner: str | None) -> None:
        stored = self._memory.archive.thread(thread_id)
        if stored is not None and owner in {None, stored.user_id}:
            return
        if degraded:
            self._require_stored_owner(thread_id, owner)
            # The layer that did not respond may have the thread.
            raise StoreUnavailable(degraded[0])
        raise ThreadNotFound(thread_id)

    def rename(self, thread_id: str, title: str, owner: str | None = None) -> Thread:
        """Set a title permanently; with `owner`, only of that user's thread. An undrained thread is stored first.

        Raises:
            ThreadNotFound: Neither layer has it, or it belongs to another user.
            StoreUnavailable: A required layer did not respond.
        """
        try:
            renamed = self._memory.archive.rename(thread_id, title, owner)
        except ThreadNotFound:
            # Redis is read, so that the response takes as long as for a missing thread.
            self._read(thread_id, owner)
            raise
        if renamed is None:
            exchanges = self._cached_exchanges(thread_id, self._read(thread_id, owner), owner)
            if exchanges:
                self._memory.archive.store(exchanges)
                renamed = self._memory.archive.rename(thread_id, title, owner)
        if renamed is None:
            raise ThreadNotFound(thread_id)
        return renamed

    def delete(self, thread_id: str, owner: str | None = None) -> None:
        """Delete a thread from both layers and the queue; with `owner`, only that user's.

        Raises:
            ThreadNotFound: Neither layer has it, or it belongs to another user; nothing is deleted.
            StoreUnavailable: A layer did not respond, so the deletion is incomplete; a retry completes it.
        """
        try:
            cached = self._memory.cache.peek(thread_id)
            redis_error = None
        except StoreUnavailable as error:
            cached, redis_error = CacheRead(), error
        cached_messages = self._cached_messages(thread_id, cached, owner)
        if owner is not None:
            self._require_own(thread_id, owner, cached_messages)
        recent = self._memory.recent(thread_id)
        self._memory.observe_all(thread_id, cached)
        user_id = owner if owner is not None else self._memory.archive.owner(thread_id).user_id
        cutoff = self._memory.new_cutoff(thread_id)
        later = later_than(cutoff, cached, recent, owner)
        existed, cutoff = self._memory.archive.forget_thread(thread_id, cutoff, owner, later)
        self._memory.observe(thread_id, cutoff)
        self._memory.forget(Deletion({thread_id: cutoff}), {thread_id: later})
        # If Redis is down, the caller gets an error and repeats the request. Without a repetition the next sweep
        # removes the list.
        with add_half_deleted_outcome("thread"):
            if redis_error is not None:
                raise redis_error
            self._memory.cache.forget_threads({thread_id: cutoff})
            if later:
                self._memory.cache.forget_exchanges(thread_id, later)
            # What was learned from the thread is deleted with it.
            self._memory.cache.forget_memories([] if user_id is None else [user_id])
        if not existed and not cached_messages:
            raise ThreadNotFound(thread_id)

    def require(self, thread_id: str, owner: str) -> None:
        """Check that the thread belongs to this user.

        Raises:
            ThreadNotFound: It does not exist, or has another owner.
            StoreUnavailable: No layer that responded knows the owner.
        """
        try:
            cached = self._memory.cache.peek(thread_id)
        except StoreUnavailable:
            cached = CacheRead()
        if is_listed_owner(cached, owner):
            return
        self._require_own(thread_id, owner, self._cached_messages(thread_id, cached, owner))

    def _undrained_exchanges(self, thread_id: str, owner: str | None) -> list[Exchange]:
        """Return L1's undrained exchanges without those that L2 has. The drain may just have stored some."""
        undrained = self._memory.cache.peek(thread_id).undrained
        waiting = [exchange for exchange in undrained if owner in {None, exchange.user_id}]
        stored = {each.exchange_id for each in self._memory.archive.stored(waiting)} if waiting else set()
        return self._not_deleted(thread_id, [each for each in waiting if each.exchange_id not in stored])

    def _read(self, thread_id: str, owner: str | None) -> CacheRead:
        """Return L1's data. An outage of L1 is reported only to a caller who may own the thread."""
        try:
            return self._memory.cache.peek(thread_id)
        except StoreUnavailable:
            self._require_stored_owner(thread_id, owner)
            raise

    def _require_stored_owner(self, thread_id: str, owner: str | None) -> None:
        """Check that the user owns the thread in L2, which also knows the owners of threads that are still queued."""
        if owner is None:
            return
        stored_owner = self._memory.archive.owner(thread_id)
        if not stored_owner.is_known or stored_owner.user_id != owner:
            raise ThreadNotFound(thread_id)

    def _require_own(self, thread_id: str, owner: str, cached_messages: Sequence[Message]) -> None:
        """Check that L2's owner is this user, or that L2 has no owner and L1 has exchanges of this user."""
        stored_owner = self._memory.archive.owner(thread_id)
        if stored_owner.user_id != owner if stored_owner.is_known else not cached_messages:
            raise ThreadNotFound(thread_id)

    def _cached_messages(self, thread_id: str, cached: CacheRead, owner: str | None = None) -> Sequence[Message]:
        """Return a thread's messages in L1 and this process; with `owner`, only that user's."""
        listed, undrained = cached.messages, [*cached.undrained, *self._memory.recent(thread_id)]
        if owner is not None:
            listed, undrained = listed.of_user(owner), exchanges_of(undrained, owner)
        return merge_messages(listed, undrained, cached.cutoff, self._memory.settings, cached.deleted)

    def _cached_exchanges(self, thread_id: str, cached: CacheRead, owner: str | None = None) -> list[Exchange]:
        """Return a thread's exchanges in L1 and this process; with `owner`, only that user's. Skip foreign entries."""
        sides: dict[UUID, dict[str, Message]] = {}
        for message in self._cached_messages(thread_id, cached, owner):
            if message.exchange_id is not None:
                sides.setdefault(message.exchange_id, {})[message.role] = message
        return [
            Exchange(
                exchange_id=exchange_id,
                thread_id=thread_id,
                user_id=messages["user"].user_id,
                user_message=messages["user"].content,
                assistant_message=messages["assistant"].content,
                created_at=(messages["user"].created_at or datetime.now(UTC)).astimezone(UTC),
                metadata=messages["user"].metadata,
                revision=messages["user"].revision,
                accepted_at=messages["user"].accepted_at,
            )
            for exchange_id, messages in sides.items()
            if messages.keys() >= {"user", "assistant"}
        ]


def _with_undrained(thread: Thread, undrained: Sequence[Exchange]) -> Thread:
    """Return a thread as it will be after the drain of these exchanges."""
    return replace(
        thread,
        created_at=min([thread.created_at, *(exchange.created_at for exchange in undrained)]),
        updated_at=max([thread.updated_at, *(exchange.created_at for exchange in undrained)]),
        message_count=thread.message_count + 2 * len(undrained),
        document_ids=tuple(dict.fromkeys([*(thread.document_ids or ()), *_documents(undrained, None)])),
    )


def _documents(exchanges: Sequence[Exchange], owner: str | None) -> tuple[str, ...]:
    """Return the exchanges' documents in the order of attachment; with `owner`, only that user's."""
    own_exchanges = sorted((each for each in exchanges if owner in {None, each.user_id}), key=lambda each: each.order)
    return tuple(dict.fromkeys(name for exchange in own_exchanges for name in exchange.document_ids))


def _require_listed_owner(owner: str, cached: CacheRead, error: StoreUnavailable) -> None:
    """Check that L1's list shows this user as the owner, because L2 is down."""
    if not is_listed_owner(cached, owner):
        raise error


def _position(message: Message) -> tuple[UUID, int]:
    return message.order or UUID(int=0), int(message.role != "user")


def _is_after_position(message: Message, after: MessagePosition | None, *, descending: bool) -> bool:
    """Return whether a message comes after a position in the order of the page; True without a position."""
    if after is None:
        return True
    position, start = _position(message), (after.order, after.position)
    return position < start if descending else position > start


def _first_fitting(messages: list[Message]) -> list[Message]:
    """Return the first messages that fit into a response, at least one."""
    return messages[: max(1, fit_to_event(messages, Message.to_json))]
