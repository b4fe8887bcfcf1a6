"""What is known about a user: learned and explicit memories, for a turn and for the user's own view of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from shared.errors import MemoryNotFound, StoreUnavailable, add_half_deleted_outcome
from shared.ids import timestamp_of
from shared.learning.fold import (
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
from shared.learning.memories import ExplicitMemory, Forgotten, Memory
from shared.learning.normalize import free_slot, normalized
from shared.learning.statements import FREE_SLOT, id_from
from shared.memory.known import KnownMemories, parsed
from shared.memory.memory import Memory as Stores
from shared.memory.memory_pages import MemoryPage, MemoryPages, cached_page
from shared.search_terms import asked_terms

_logger = logging.getLogger(__name__)
ExplicitKind = Literal["preference", "fact"]


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
        return None if cached.memories is None else parsed(cached.memories, self._now())

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
        memory_id, known = _own_id(user_id, knowledge, kind, slot, text)
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
        slot = memory.slot
        if memory.kind == "fact":
            about = _slot_of_fact(knowledge, text)
            slot = slot if about.startswith(FREE_SLOT) and not slot.startswith(FREE_SLOT) else about
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
            if memory.source == "explicit" and memory.superseded_by is None and each.slot == memory.slot
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
        forgotten: list[Forgotten] = []
        runs = [learned] if learned is not None and memory.kind != "summary" else []
        if memory.kind == "summary" or (learned is None and memory.superseded_by is None):
            # What an explicit memory has ended goes with it. Otherwise it would be current again.
            forgotten.append(forgetting.of_slot_deletion(memory.slot, deleted_at))
            ended = (each for each in learned_memories(knowledge) if each.memory.superseded_by == memory.memory_id)
            runs += ended if memory.source == "explicit" else ()
        for each in runs:
            # Another process' clock may be ahead of this one's.
            at = max(deleted_at, *(said.accepted_at for said in each.run))
            run = {said.statement_id for said in each.run}
            others = [said for said in (*knowledge.statements, *knowledge.summaries) if said.statement_id not in run]
            forgotten += forgetting.of_learned(each.run, each.following, at, others)
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


def _own_id(
    user_id: str, knowledge: UserKnowledge, kind: ExplicitKind, slot: str, text: str
) -> tuple[UUID, ExplicitMemory | None]:
    """Return the id of an explicit memory, and the stored memory that it replaces.

    A fact's id is made from its words. If the memory with this id has been corrected to other words, the fact gets
    another id, so that the correction stays.
    """
    if kind == "preference":
        memory_id = id_from(user_id, kind, slot)
        return memory_id, next((each for each in knowledge.explicit if each.memory_id == memory_id), None)
    words = normalized(text)
    stored = {each.memory_id: each for each in knowledge.explicit}
    same = (each for each in knowledge.explicit if each.kind == "fact" and normalized(each.text) == words)
    if (known := next((each for each in same if each.memory_id is not None), None)) and known.memory_id is not None:
        return known.memory_id, known
    parts = [user_id, kind, f"{FREE_SLOT}{words}"]
    while (memory_id := id_from(*parts)) in stored:
        parts.append("")
    return memory_id, None


def _slot_of_fact(knowledge: UserKnowledge, text: str) -> str:
    """Return the slot of the learned facts that an explicit one replaces: what says the same, or is about the same."""
    from shared.learning.rules.slots import stated_slot  # noqa: PLC0415 - no turn needs the rules

    words = normalized(text)
    same = (each for each in memories_of(knowledge) if each.kind == "fact" and normalized(each.text) == words)
    return next((each.slot for each in same if each.source == "learned"), stated_slot(text) or free_slot(text))
