"""Computes a user's memories from what is stored: statements, explicit memories, and deleted memories.

Memories are not stored, so none can outlive its evidence. The same stored data gives the same memories.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from shared.learning.forgetting import Forgetting
from shared.learning.memories import Evidence, ExplicitMemory, Forgotten, Memory, StoredStatement
from shared.learning.selection import covering_sentences
from shared.learning.statements import ENDED, FREE_SLOT, id_from

MAX_SUMMARY: Final = 2_000
"""The maximum number of characters of a thread's summary."""
# Two free facts are the same if both have this part of all their words.
_SIMILARITY: Final = 0.8


@dataclass(frozen=True, slots=True)
class UserKnowledge:
    """What is stored about a user.

    Attributes:
        statements: The statements of the user's exchanges, in any order.
        explicit: What the user set explicitly, and the user's preferences.
        forgetting: The user's deleted memories.
        summaries: The sentences of the summary of each long thread, oldest first.
    """

    statements: Sequence[StoredStatement] = ()
    explicit: Sequence[ExplicitMemory] = ()
    forgetting: Forgetting = field(default_factory=lambda: Forgetting(b""))
    summaries: Sequence[StoredStatement] = ()


@dataclass(frozen=True, slots=True)
class LearnedMemory:
    """A memory and the statements that it is learned from.

    Attributes:
        following: The order key of the exchange that states the slot's next value; None if there is none.
    """

    memory: Memory
    run: Sequence[StoredStatement]
    following: UUID | None = None


class Position(NamedTuple):
    """A memory's position among the user's memories. It changes only with the memory's first statement.

    Attributes:
        said_at: When it was said first, or set.
        order: The order key of the exchange that said it first; for an explicit memory its id.
    """

    said_at: datetime
    order: UUID
    memory_id: UUID


def memories_of(knowledge: UserKnowledge) -> list[Memory]:
    """Return all memories, also those that have ended, the newest first."""
    return [memory for _, memory in positioned_memories(knowledge)]


def positioned_memories(knowledge: UserKnowledge) -> list[tuple[Position, Memory]]:
    """Return all memories with their positions, also those that have ended, the newest first."""
    found = [(Position(each.valid_from, each.memory_id, each.memory_id), each) for each in explicit_memories(knowledge)]
    for learned in learned_memories(knowledge):
        first, memory = learned.run[0], learned.memory
        found.append((Position(first.said_at, first.order, memory.memory_id), memory))
    return sorted(found, key=lambda item: item[0], reverse=True)


def explicit_memories(knowledge: UserKnowledge) -> Iterator[Memory]:
    """Yield the memories that were set explicitly. Of each slot, the newest is current and ends the one before it."""
    following: dict[str, ExplicitMemory] = {}
    for each in sorted(knowledge.explicit, key=lambda each: each.set_at, reverse=True):
        if each.memory_id is not None:
            yield explicit_memory(each, each.memory_id, following.get(each.slot))
            # The slot of a long free fact is shortened, so two of them may have the same.
            if not each.slot.startswith(FREE_SLOT):
                following[each.slot] = each


def explicit_memory(each: ExplicitMemory, memory_id: UUID, following: ExplicitMemory | None = None) -> Memory:
    """Return an explicit memory as a memory that the following one of its slot has ended."""
    ended_at, superseded_by = (None, None) if following is None else (following.set_at, following.memory_id)
    started = each.set_at
    return Memory(
        memory_id, each.kind, each.slot, each.text, started, ended_at, superseded_by, (), "explicit", each.created_at
    )


def learned_memories(knowledge: UserKnowledge) -> Iterator[LearnedMemory]:
    """Yield the memories that are learned from statements."""
    forgetting = knowledge.forgetting
    allowed = _allowed(knowledge.statements, forgetting)
    free = _FreeSlots([*(each.slot for each in allowed), *(each.slot for each in knowledge.explicit)])
    slots = _by_slot(allowed, free)
    # The first one of a slot ended what was learned before it.
    newest_first = sorted(knowledge.explicit, key=lambda each: each.set_at, reverse=True)
    explicit = {free.united(each.slot): each for each in newest_first}
    # A preference's key may have several slots, such as `answer_style:length`. One that was set ends all of them.
    preferences = {each.slot: each for each in newest_first if each.kind == "preference"}
    for slot, statements in slots.items():
        of_key = preferences.get(slot.partition(":")[0]) if statements[-1].statement.kind == "preference" else None
        yield from _of_slot(slot, statements, explicit.get(slot) or of_key, forgetting.of_slot(slot))
    for slot, sentences in _by_slot(_allowed(knowledge.summaries, forgetting), free).items():
        yield _summary(slot, sentences)


def refused_statements(knowledge: UserKnowledge) -> list[UUID]:
    """Return the statements that a deletion refuses, so that their rows can be deleted."""
    every = [*knowledge.statements, *knowledge.summaries]
    return [each.statement_id for each in every if _is_refused(each, knowledge.forgetting)]


def _allowed(statements: Iterable[StoredStatement], forgetting: Forgetting) -> list[StoredStatement]:
    return [each for each in statements if not _is_refused(each, forgetting)]


def _is_refused(each: StoredStatement, forgetting: Forgetting) -> bool:
    return forgetting.refuses(each.statement, each.slot, each.exchange_id, each.revision, each.order, each.accepted_at)


def _by_slot(statements: Iterable[StoredStatement], free: _FreeSlots) -> dict[str, list[StoredStatement]]:
    """Return the statements of each slot, oldest first. Similar free facts are in one slot."""
    slots: dict[str, list[StoredStatement]] = {}
    for each in sorted(statements, key=lambda each: (each.order, each.statement_id)):
        slots.setdefault(free.united(each.slot), []).append(each)
    return slots


class _FreeSlots:
    """Finds free facts that say the same: most of their words are the same.

    Two sets that are so similar have one of their rarest words in common, so only facts with such a word are compared
    (prefix filtering; Chaudhuri, Ganti, Kaushik: A Primitive Operator for Similarity Joins in Data Cleaning, 2006).
    """

    def __init__(self, slots: Iterable[str]) -> None:
        free = {slot for slot in slots if slot.startswith(FREE_SLOT)}
        self._counts = Counter(word for slot in free for word in _words(slot))
        self._by_word: dict[str, list[tuple[frozenset[str], str]]] = {}
        self._known: dict[str, str] = {}

    def united(self, slot: str) -> str:
        """Return the earlier slot of a free fact that says the same; the slot itself if there is none."""
        if not slot.startswith(FREE_SLOT):
            return slot
        if slot not in self._known:
            self._known[slot] = self._find(slot)
        return self._known[slot]

    def _find(self, slot: str) -> str:
        words = _words(slot)
        rarest = sorted(words, key=lambda word: (self._counts[word], word))
        prefix = rarest[: len(words) - math.ceil(_SIMILARITY * len(words)) + 1]
        for word in prefix:
            for other_words, other in self._by_word.get(word, ()):
                if len(words & other_words) >= _SIMILARITY * len(words | other_words):
                    return other
        for word in prefix:
            self._by_word.setdefault(word, []).append((words, slot))
        return slot


def _words(slot: str) -> frozenset[str]:
    return frozenset(slot.removeprefix(FREE_SLOT).split())


def _of_slot(
    slot: str, statements: Sequence[StoredStatement], explicit: ExplicitMemory | None, deleted: Sequence[Forgotten]
) -> Iterator[LearnedMemory]:
    """Yield the memories of a slot: one for each run of equal values. A run ends where the next one starts."""
    runs = _runs(slot, statements)
    for number, run in enumerate(runs):
        following = runs[number + 1] if number + 1 < len(runs) else None
        if run[0].statement.is_end:
            continue
        started = run[0].valid_from
        ends = [each.said_from for each in deleted if each.first > run[0].order]
        superseded_by = None
        if following is not None:
            ends.append(following[0].valid_from)
            superseded_by = None if following[0].statement.is_end else following[0].statement_id
        if explicit is not None:
            # What the user set explicitly is stronger than a later statement, too, which then ends at its start.
            ends.append(explicit.set_at)
            superseded_by = superseded_by or explicit.memory_id
        valid_to = max(started, min(ends)) if ends else None
        next_order = None if following is None else following[0].order
        yield LearnedMemory(_memory(slot, run, valid_to, superseded_by), run, next_order)


def _runs(slot: str, statements: Sequence[StoredStatement]) -> list[list[StoredStatement]]:
    """Return the statements divided where the value changes. A free fact is always one run.

    A statement that another value than the current one has ended changes nothing, so no run has it.
    """
    runs: list[list[StoredStatement]] = []
    is_free = slot.startswith(FREE_SLOT)
    for each in statements:
        newest = runs[-1][0] if runs else None
        value = each.statement.value
        if newest is not None and (
            newest.statement.value == value or (is_free and not each.statement.is_end and not newest.statement.is_end)
        ):
            runs[-1].append(each)
        elif not value.startswith(ENDED) or (newest is not None and value == ENDED + newest.statement.value):
            runs.append([each])
    return runs


def _memory(slot: str, run: Sequence[StoredStatement], valid_to: datetime | None, superseded_by: UUID | None) -> Memory:
    first, newest = run[0], run[-1]
    return Memory(
        first.statement_id,
        newest.statement.kind,
        slot,
        newest.statement.text,
        first.valid_from,
        valid_to,
        superseded_by,
        _evidence(run),
        "learned",
        first.accepted_at,
    )


def _evidence(run: Sequence[StoredStatement]) -> tuple[Evidence, ...]:
    return tuple(Evidence(each.thread_id, each.exchange_id, each.statement.quote) for each in reversed(run))


def _summary(slot: str, sentences: Sequence[StoredStatement]) -> LearnedMemory:
    """Return the summary of a thread. Its id is made from its sentences, so a summary that changes is another one."""
    # A longer summary would displace the conversation itself.
    texts = [each.statement.text for each in sentences]
    sentences = [sentences[index] for index in covering_sentences(texts, MAX_SUMMARY)]
    text = " ".join(each.statement.text for each in sentences)
    memory = Memory(
        id_from(slot, *(str(each.statement_id) for each in sentences)),
        "summary",
        slot,
        text,
        sentences[0].said_at,
        None,
        None,
        _evidence(sentences),
        "learned",
        sentences[-1].accepted_at,
    )
    return LearnedMemory(memory, sentences)
