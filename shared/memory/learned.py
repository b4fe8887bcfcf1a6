"""What is known about a user: learned and explicit memories, for a turn and for the user's own view of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from shared.errors import MemoryNotFound, StoreUnavailable, add_half_deleted_outcome
from shared.ids import timestamp_of
from shared.learning.fold import (
    FREE_SLOT,
    LearnedMemory,
    UserKnowledge,
    explicit_memories,
    explicit_memory,
    learned_memories,
    memories_of,
    positioned_memories,
    refused_statements,
)
from shared.learning.forgetting import Forgetting
from shared.learning.memories import ExplicitMemory, Forgotten, Memory, summary_slot
from shared.learning.normalize import normalized
from shared.learning.statements import id_from
from shared.memory.memory import Memory as Stores
from shared.memory.memory_pages import MemoryPage, MemoryPages, cached_page
from shared.memory.messages import add_layer
from shared.search_terms import asked_terms
from shared.stores.cache import CachedMemories, CacheRead

_logger = logging.getLogger(__name__)
# The longest slot of a free fact that fits into its column. A longer text has the hash of its words as its slot.
_MAX_SLOT: Final = 255
ExplicitKind = Literal["preference", "fact"]


@dataclass(frozen=True, slots=True)
class KnownMemories:
    """What a turn knows about its user.

    Attributes:
        items: The API's JSON of each current memory, the newest first; without summaries.
        summary: The API's JSON of the summary of the turn's thread; None without one.
    """

    items: Sequence[dict[str, Any]] = ()
    summary: dict[str, Any] | None = None


NOTHING_KNOWN: Final = KnownMemories()


def load_memories(
    stores: Stores, user_id: str, thread_id: str | None, cached: CacheRead | None, degraded: list[str]
) -> KnownMemories:
    """Return what is known about a user from Redis if it has all, otherwise from PostgreSQL, and refill Redis."""
    now = datetime.fromtimestamp(stores.now(), UTC)
    if cached is not None and cached.memories is not None and (thread_id is None or cached.memories.summary):
        return _parsed(cached.memories, now)
    try:
        token = None
        if cached is not None and not cached.state.refuses_writes:
            token = _start_refill(stores, user_id, degraded)
        window = stores.settings.max_thread_messages
        memories = memories_of(stores.archive.knowledge(user_id, window, thread_id))
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return KnownMemories() if cached is None or cached.memories is None else _parsed(cached.memories, now)
    texts = _to_cache(memories, thread_id, now)
    if token is not None:
        _refill(stores, user_id, token, texts, degraded)
    return _parsed(CachedMemories(texts["current"], texts[_summary_field(thread_id)]), now)


def _start_refill(stores: Stores, user_id: str, degraded: list[str]) -> str | None:
    try:
        return stores.cache.start_refill(user_id)
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return None


def _refill(stores: Stores, user_id: str, token: str, texts: Mapping[str, str], degraded: list[str]) -> None:
    try:
        stores.cache.refill_memories(user_id, token, texts)
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)


def _summary_field(thread_id: str | None) -> str:
    return f"summary:{thread_id or ''}"


def _to_cache(memories: Sequence[Memory], thread_id: str | None, now: datetime) -> dict[str, str]:
    """Return the fields of the user's hash in Redis. A thread without a summary has `null`."""
    current = [each.to_json() for each in memories if each.is_current(now)]
    slot = summary_slot(thread_id or "")
    summary = next((each.to_json() for each in memories if each.slot == slot), None)
    return {
        "current": orjson.dumps([each for each in current if each["kind"] != "summary"]).decode(),
        _summary_field(thread_id): orjson.dumps(summary).decode(),
    }


def _parsed(cached: CachedMemories, now: datetime) -> KnownMemories:
    items = [each for each in orjson.loads(cached.current) if _is_current(each, now)]
    return KnownMemories(items, orjson.loads(cached.summary) if cached.summary else None)


def _is_current(memory: Mapping[str, Any], now: datetime) -> bool:
    valid_to = memory.get("valid_to")
    return valid_to is None or datetime.fromisoformat(valid_to) > now


@dataclass(frozen=True, slots=True)
class MemoryList:
    """A user's memories, the newest first.

    Attributes:
        degraded: Layers that did not respond. Without PostgreSQL, only current memories are listed.
    """

    items: Sequence[dict[str, Any]]
    degraded: list[str] = field(default_factory=list)


class LearnedMemories:
    """Operations on a user's memories. A change is in PostgreSQL before the response is sent."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def list_for(self, user_id: str, *, include_superseded: bool = False) -> MemoryList:
        """Return a user's memories: the current ones, or all.

        Raises:
            StoreUnavailable: PostgreSQL did not respond, and Redis does not have the memories.
        """
        try:
            memories = memories_of(self._knowledge(user_id))
        except StoreUnavailable as error:
            cached = None if include_superseded else self._cached(user_id)
            if cached is None:
                raise
            return MemoryList(cached.items, [error.layer])
        now = self._now()
        return MemoryList([each.to_json() for each in memories if include_superseded or each.is_current(now)])

    def page(
        self, user_id: str, limit: int | None, cursor: str | None, *, include_superseded: bool = False
    ) -> MemoryPage:
        """Return a page of a user's memories: of the current ones, or of all.

        Raises:
            InvalidCursor: The cursor does not belong to this list.
            StoreUnavailable: PostgreSQL did not respond, and Redis does not have this page.
        """
        pages = MemoryPages(user_id, include_superseded=include_superseded)
        after = None if cursor is None else pages.position_in(cursor)
        try:
            memories = positioned_memories(self._knowledge(user_id))
        except StoreUnavailable as error:
            # The cached memories have no positions.
            cached = None if include_superseded or after is not None else self._cached(user_id)
            if cached is None:
                raise
            return cached_page(cached.items, limit, error.layer)
        return pages.page(memories, limit, after, self._now())

    def _cached(self, user_id: str) -> KnownMemories | None:
        try:
            cached = self._stores.cache.peek(None, user_id, has_memories=True)
        except StoreUnavailable:
            return None
        return None if cached.memories is None else _parsed(cached.memories, self._now())

    def get(self, user_id: str, memory_id: UUID) -> dict[str, Any]:
        """Return one memory, even if it was superseded.

        Raises:
            MemoryNotFound: The user has no such memory.
            StoreUnavailable: PostgreSQL did not respond.
        """
        return _find(self._knowledge(user_id), memory_id)[0].to_json()

    def matching(self, user_id: str, query: str, limit: int) -> list[dict[str, Any]]:
        """Return the current memories that contain any of a query's terms, the best first, each with its `score`.

        The score is the part of the query's terms that the memory and its quotes contain.

        Raises:
            StoreUnavailable: PostgreSQL did not respond, and Redis does not have the memories.
        """
        asked = set(asked_terms(query))
        found: list[dict[str, Any]] = []
        for each in self.list_for(user_id).items:
            quotes = " ".join(evidence["quote"] for evidence in each["evidence"])
            terms = set(asked_terms(f"{each.get('key', '')} {each['text']} {quotes}"))
            if score := len(asked & terms):
                found.append({**each, "score": score / len(asked)})
        # The newest of equally good ones comes first.
        return sorted(found, key=lambda each: each["score"], reverse=True)[:limit]

    def add(self, user_id: str, kind: ExplicitKind, text: str, key: str | None = None) -> dict[str, Any]:
        """Store an explicit memory and return it. The same memory twice is one; a preference replaces that of its key.

        Raises:
            TooManyMemories: The user has too many explicit memories.
            StoreUnavailable: A layer did not respond; a retry completes the change.
        """
        now, knowledge = self._now(), self._knowledge(user_id)
        slot = key if kind == "preference" and key is not None else _slot_of_fact(knowledge, text)
        memory_id = id_from(user_id, kind, slot if kind == "preference" else free_slot(text))
        known = next((each for each in knowledge.explicit if each.memory_id == memory_id), None)
        created_at = now if known is None else known.created_at
        return self._set(user_id, ExplicitMemory(memory_id, kind, slot, text, created_at, now), memory_id)

    def correct(self, user_id: str, memory_id: UUID, text: str) -> dict[str, Any]:
        """Replace a memory's text and return the memory, which is then explicit. The old value is not learned again.

        Raises:
            MemoryNotFound: The user has no such current memory, or it is a summary.
            StoreUnavailable: A layer did not respond; a retry completes the change.
        """
        knowledge, now = self._knowledge(user_id), self._now()
        memory, learned = _find(knowledge, memory_id)
        if memory.kind == "summary" or not memory.is_current(now):
            raise MemoryNotFound(str(memory_id))
        forgotten, statement_ids = self._forgotten(user_id, knowledge, memory, learned)
        slot = _slot_of_fact(knowledge, text) if memory.slot.startswith(FREE_SLOT) else memory.slot
        explicit = ExplicitMemory(memory_id, memory.kind, slot, text, memory.created_at, now)
        return self._set(user_id, explicit, memory_id, forgotten, statement_ids)

    def forget(self, user_id: str, memory_id: UUID) -> None:
        """Delete a memory. It is not learned again from earlier exchanges.

        Raises:
            MemoryNotFound: The user has no such memory.
            StoreUnavailable: A layer did not respond, so the deletion is incomplete; a retry completes it.
        """
        knowledge = self._knowledge(user_id)
        try:
            memory, learned = _find(knowledge, memory_id)
        except MemoryNotFound:
            # An earlier request may have deleted it from PostgreSQL only.
            with add_half_deleted_outcome("memory"):
                self._stores.cache.forget_memories([user_id])
            raise
        forgotten, statement_ids = self._forgotten(user_id, knowledge, memory, learned)
        # What an explicit memory has replaced goes with it. Otherwise it would be current again.
        replaced = [
            each.memory_id
            for each in explicit_memories(knowledge)
            if memory.source == "explicit" and each.slot == memory.slot and each.valid_from < memory.valid_from
        ]
        self._stores.archive.forget_memories(user_id, forgotten, statement_ids, [memory_id, *replaced])
        with add_half_deleted_outcome("memory"):
            self._stores.cache.forget_memories([user_id])

    def forget_all(self, user_id: str) -> None:
        """Delete all memories of a user. They are not learned again from earlier exchanges.

        Raises:
            StoreUnavailable: A layer did not respond, so the deletion is incomplete; a retry completes it.
        """
        knowledge = self._knowledge(user_id)
        # Another process' clock may be ahead of this one's.
        accepted = [each.accepted_at for each in (*knowledge.statements, *knowledge.summaries)]
        deleted_at = max([timestamp_of(self._stores.new_cutoff()), *accepted])
        forgetting = Forgetting(self._stores.archive.hash_key(user_id))
        self._stores.archive.forget_all_memories(user_id, forgetting.of_everything(deleted_at))
        with add_half_deleted_outcome("memories"):
            self._stores.cache.forget_memories([user_id])

    def _set(
        self,
        user_id: str,
        explicit: ExplicitMemory,
        memory_id: UUID,
        forgotten: Sequence[Forgotten] = (),
        statement_ids: Sequence[UUID] = (),
    ) -> dict[str, Any]:
        """Store an explicit memory, and the records of the one that it corrects; return it."""
        self._stores.archive.set_explicit(user_id, explicit, forgotten, statement_ids)
        try:
            self._stores.cache.forget_memories([user_id])
        except StoreUnavailable as error:
            # PostgreSQL has recorded that Redis needs an update.
            _logger.warning("memories in redis are old until the next sweep", extra={"error": str(error)})
        return explicit_memory(explicit, memory_id).to_json()

    def _forgotten(
        self, user_id: str, knowledge: UserKnowledge, memory: Memory, learned: LearnedMemory | None
    ) -> tuple[list[Forgotten], list[UUID]]:
        """Return the records of a memory's deletion, and the statements that they refuse."""
        deleted_at = timestamp_of(self._stores.new_cutoff())
        forgetting = Forgetting(self._stores.archive.hash_key(user_id))
        if learned is None or memory.kind == "summary":
            forgotten = [forgetting.of_slot_deletion(memory.slot, deleted_at)]
        else:
            # Another process' clock may be ahead of this one's.
            deleted_at = max(deleted_at, *(each.accepted_at for each in learned.run))
            forgotten = forgetting.of_learned(learned.run, learned.following, deleted_at)
        refusing = forgetting.with_deletions(forgotten)
        return forgotten, refused_statements(replace(knowledge, forgetting=refusing))

    def _knowledge(self, user_id: str) -> UserKnowledge:
        return self._stores.archive.knowledge(user_id, self._stores.settings.max_thread_messages)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._stores.now(), UTC)


def _find(knowledge: UserKnowledge, memory_id: UUID) -> tuple[Memory, LearnedMemory | None]:
    """Return a memory, and what it is learned from; None if it is explicit.

    Raises:
        MemoryNotFound: The user has no such memory.
    """
    for explicit in explicit_memories(knowledge):
        if explicit.memory_id == memory_id:
            return explicit, None
    for learned in learned_memories(knowledge):
        if learned.memory.memory_id == memory_id:
            return learned.memory, learned
    raise MemoryNotFound(str(memory_id))


def _slot_of_fact(knowledge: UserKnowledge, text: str) -> str:
    """Return the slot of the learned facts that an explicit one replaces: what says the same, or is about the same."""
    from shared.learning.rules.slots import stated_slot  # noqa: PLC0415 - no turn needs the rules

    words = normalized(text)
    same = (each for each in memories_of(knowledge) if each.kind == "fact" and normalized(each.text) == words)
    return next((each.slot for each in same if each.source == "learned"), stated_slot(text) or free_slot(text))


def free_slot(text: str) -> str:
    """Return the slot of a fact whose wording is free."""
    slot = f"{FREE_SLOT}{normalized(text)}"
    return slot if len(slot) <= _MAX_SLOT else f"{FREE_SLOT}{id_from(slot)}"
