"""A deleted or corrected memory does not return, whoever derives its exchanges again. Nothing else is lost with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import pytest

from functions.derive.learning import LearningDerivation
from shared.learning.normalize import free_slot
from shared.learning.rules.deriver import RuleDeriver
from shared.learning.statements import Deriver, SourceExchange, Statement
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.models import Exchange
from tests.support.exchanges import exchange

MakeProcess = Callable[..., Memory]
_ROME: Final = "I live in Rome"
_HOME: Final = Statement("fact", "home", "rome", "Lives in Rome", _ROME)


class _Fixed:
    """A deriver that finds the same statements in a message each time."""

    def __init__(self, statements: dict[str, list[Statement]]) -> None:
        self.name = "fixed:1"
        self._statements = statements

    def derive(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return the statements of each exchange."""
        return [self._statements.get(each.user_message, []) for each in exchanges]

    def summarize(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return no sentences."""
        return [[] for _ in exchanges]


@pytest.fixture
def memory(process: MakeProcess) -> Memory:
    """Return an empty memory."""
    return process()


def _say(memory: Memory, text: str) -> Exchange:
    said = replace(exchange(0, "t", "ana"), user_message=text)
    memory.archive.store([said])
    return said


def _learn(memory: Memory, deriver: Deriver) -> None:
    memory.archive.mark_user("ana")
    LearningDerivation(memory.archive, deriver, 50, memory.cache.forget_memories).derive("t", 30)


def _current(memory: Memory) -> list[str]:
    return sorted(each["text"] for each in LearnedMemories(memory).list_for("ana").items)


def _id_of(memory: Memory, text: str) -> UUID:
    (found,) = [each["id"] for each in LearnedMemories(memory).list_for("ana").items if each["text"] == text]
    return UUID(found)


@pytest.mark.parametrize(
    "other",
    [
        replace(_HOME, slot=free_slot("Lives in Rome")),
        replace(_HOME, slot="origin", text="Comes from Rome"),
        replace(_HOME, slot=free_slot("Rome is home"), text="Rome is home", quote="Rome"),
    ],
)
def test_another_deriver_does_not_bring_a_deleted_memory_back(memory: Memory, other: Statement) -> None:
    """The exchange of a deleted memory teaches nothing new: not in another slot, and not with another quote."""
    _say(memory, _ROME)
    _learn(memory, RuleDeriver())
    LearnedMemories(memory).forget("ana", _id_of(memory, "Lives in Rome"))
    _learn(memory, _Fixed({_ROME: [other]}))
    assert LearnedMemories(memory).list_for("ana", include_superseded=True).items == []


def test_what_else_an_exchange_says_stays_known(memory: Memory) -> None:
    """Of two facts of one sentence, one is deleted, and the other one is derived again."""
    text = "I live in Rome and I work at Acme"
    _say(memory, text)
    acme = Statement("fact", "workplace", "acme", "Works at Acme", text)
    deriver = _Fixed({text: [replace(_HOME, quote=text), acme]})
    _learn(memory, deriver)
    LearnedMemories(memory).forget("ana", _id_of(memory, "Lives in Rome"))
    _learn(memory, deriver)
    assert _current(memory) == ["Works at Acme"]
    LearnedMemories(memory).forget("ana", _id_of(memory, "Works at Acme"))
    _learn(memory, deriver)
    assert LearnedMemories(memory).list_for("ana", include_superseded=True).items == []


def test_a_replaced_exchange_may_say_something_else(memory: Memory) -> None:
    """The new text of an exchange whose memory was deleted teaches what it says."""
    said = _say(memory, _ROME)
    _learn(memory, RuleDeriver())
    LearnedMemories(memory).forget("ana", _id_of(memory, "Lives in Rome"))
    memory.archive.store([replace(said, user_message="I work at Acme", revision=1)])
    _learn(memory, RuleDeriver())
    assert _current(memory) == ["Works at Acme"]


def test_the_deletion_of_an_explicit_fact_deletes_what_it_ended(memory: Memory) -> None:
    """A learned fact in similar words does not become current again."""
    text = "plays the guitar every sunday evening with old friends in the park"
    _say(memory, "guitar")
    _learn(memory, _Fixed({"guitar": [Statement("fact", free_slot(text), "guitar", text, "guitar")]}))
    added = LearnedMemories(memory).add("ana", "fact", f"{text} happily")
    assert _current(memory) == [f"{text} happily"]
    LearnedMemories(memory).forget("ana", UUID(added["id"]))
    assert LearnedMemories(memory).list_for("ana", include_superseded=True).items == []


def test_the_deletion_of_an_ended_explicit_fact_deletes_only_it(memory: Memory) -> None:
    """What was learned before stays in the history, and the newer explicit fact stays current."""
    memories = LearnedMemories(memory)
    _say(memory, _ROME)
    _learn(memory, RuleDeriver())
    oslo = memories.add("ana", "fact", "Lives in Oslo")
    memories.add("ana", "fact", "Lives in Bergen")
    memories.forget("ana", UUID(oslo["id"]))
    history = sorted(each["text"] for each in memories.list_for("ana", include_superseded=True).items)
    assert history == ["Lives in Bergen", "Lives in Rome"]


def test_a_corrected_fact_is_not_overwritten(memory: Memory) -> None:
    """The words of the fact before its correction are another fact."""
    memories = LearnedMemories(memory)
    red = memories.add("ana", "fact", "Owns a red bicycle")
    memories.correct("ana", UUID(red["id"]), "Owns a blue car")
    memories.add("ana", "fact", "Owns a red bicycle")
    memories.add("ana", "fact", "owns a RED bicycle")
    assert _current(memory) == ["Owns a blue car", "owns a RED bicycle"]


def test_a_correction_to_another_subject_changes_what_it_is_about(memory: Memory) -> None:
    """It then ends what was learned about that subject, and a new home does not end it."""
    memories = LearnedMemories(memory)
    _say(memory, "I work at Acme")
    _learn(memory, RuleDeriver())
    home = memories.add("ana", "fact", "Lives in Rome")
    memories.correct("ana", UUID(home["id"]), "Works at Google")
    memories.add("ana", "fact", "Lives in Oslo")
    assert _current(memory) == ["Lives in Oslo", "Works at Google"]


@pytest.mark.parametrize("route", ["memories", "preferences"])
def test_a_preference_ends_all_that_is_learned_under_its_key(memory: Memory, route: str) -> None:
    """Rules have several slots for a key, such as the length and the form of answers."""
    _say(memory, "I prefer short answers")
    _learn(memory, RuleDeriver())
    assert _current(memory) == ["short"]
    if route == "preferences":
        memory.archive.change_preferences("ana", {"answer_style": "long"}, replace=False, update_cache=lambda _: True)
    else:
        LearnedMemories(memory).add("ana", "preference", "long", "answer_style")
    assert _current(memory) == ([] if route == "preferences" else ["long"])


@pytest.mark.parametrize(
    ("said", "text"),
    [("I like sushi", "Does not like sushi"), ("I am allergic to nuts", "Is not allergic to nuts")],
)
def test_a_negated_fact_ends_what_it_negates(memory: Memory, said: str, text: str) -> None:
    """What the user says is not so is not shown beside it."""
    _say(memory, said)
    _learn(memory, RuleDeriver())
    LearnedMemories(memory).add("ana", "fact", text)
    assert _current(memory) == [text]
