"""Memories are computed from statements, and what has ended ends only the value that it names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest

from shared.learning.fold import UserKnowledge, learned_memories, memories_of, refused_statements
from shared.learning.forgetting import Forgetting
from shared.learning.memories import ExplicitMemory, StoredStatement
from shared.learning.statements import FREE_SLOT, Statement

_START: Final = datetime(2026, 3, 12, 9, 15, tzinfo=UTC)


def _homes(*values: str) -> list[StoredStatement]:
    """Return a statement of each value of the slot `home`, a day apart."""
    return [
        StoredStatement(UUID(int=100 + day), _home(value), "t", UUID(int=day), moment, moment, UUID(int=day + 1))
        for day, value in enumerate(values)
        for moment in [_START + timedelta(days=day)]
    ]


def _home(value: str) -> Statement:
    return Statement("fact", "home", value, f"Lives in {value}", value or "moved out")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["rome", "!rome"], [("rome", 0, 1)]),
        (["rome", ""], [("rome", 0, 1)]),
        (["milan", "!rome"], [("milan", 0, None)]),
        (["rome", "milan", "!rome"], [("rome", 0, 1), ("milan", 1, None)]),
        (["rome", "!milan", "rome"], [("rome", 0, None)]),
        (["rome", "!rome", "!rome", "!milan"], [("rome", 0, 1)]),
        (["rome", "!rome", "rome"], [("rome", 0, 1), ("rome", 2, None)]),
        (["rome", "!rome", "milan"], [("rome", 0, 1), ("milan", 2, None)]),
        (["!rome", "rome"], [("rome", 1, None)]),
        (["!rome"], []),
        ([""], []),
    ],
)
def test_an_end_ends_the_value_that_it_names(values: list[str], expected: list[tuple[str, int, int | None]]) -> None:
    """An end ends the value that it names, and is no memory. Each memory: its value, its first day, its last day."""
    found = [
        (
            memory.text.removeprefix("Lives in "),
            (memory.valid_from - _START).days,
            None if memory.valid_to is None else (memory.valid_to - _START).days,
        )
        for memory in reversed(memories_of(UserKnowledge(_homes(*values))))
    ]
    assert found == expected


def test_an_end_is_no_successor() -> None:
    """An end is no successor."""
    ended, milan = reversed(memories_of(UserKnowledge(_homes("rome", "!rome", "milan"))))
    assert (ended.superseded_by, milan.superseded_by) == (None, None)


def test_the_end_of_another_value_proves_nothing() -> None:
    """The end of another value is no evidence of the current one."""
    [memory] = memories_of(UserKnowledge(_homes("rome", "!milan", "rome")))
    assert [each.exchange_id for each in memory.evidence] == [UUID(int=2), UUID(int=0)]


def test_a_deletion_reaches_the_ends_of_its_value() -> None:
    """A statement that a deleted value has ended names the value, so it is deleted with it."""
    statements = _homes("rome", "!rome", "milan", "!rome")
    forgetting = Forgetting(b"key")
    rome = next(learned_memories(UserKnowledge(statements)))
    deleted = forgetting.of_run("home", rome.run, rome.following, _START + timedelta(days=9))
    knowledge = UserKnowledge(statements, forgetting=forgetting.with_deletions([deleted]))
    assert refused_statements(knowledge) == [UUID(int=100), UUID(int=101), UUID(int=103)]
    assert [each.text for each in memories_of(knowledge)] == ["Lives in milan"]


def _explicit(number: int, slot: str, text: str, day: int) -> ExplicitMemory:
    moment = _START + timedelta(days=day)
    return ExplicitMemory(UUID(int=500 + number), "fact", slot, text, moment, moment)


def test_the_first_explicit_memory_of_a_slot_ends_what_was_learned() -> None:
    """Of two explicit memories of a slot, the newer is current. A later statement does not change that."""
    explicit = [_explicit(1, "home", "Lives in Oslo", 1), _explicit(2, "home", "Lives in Bergen", 3)]
    found = memories_of(UserKnowledge(_homes("rome", "rome", "milan"), explicit))
    ended = {memory.text: (memory.valid_to, memory.superseded_by) for memory in found}
    assert ended == {
        "Lives in rome": (_START + timedelta(days=1), UUID(int=102)),
        "Lives in milan": (_START + timedelta(days=2), explicit[0].memory_id),
        "Lives in Oslo": (_START + timedelta(days=3), explicit[1].memory_id),
        "Lives in Bergen": (None, None),
    }


def test_an_explicit_fact_replaces_a_similar_free_fact() -> None:
    """A model worded a fact a little differently. The explicit one takes its place."""
    slot = f"{FREE_SLOT}collect from old peru stamp"
    statement = Statement("fact", slot, "yes", "Collects old stamps from Peru", "stamps")
    (home,) = _homes("rome")
    learned = replace(home, statement=statement)
    explicit = _explicit(1, f"{FREE_SLOT}collect old peru stamp", "Collects old stamps of Peru", 1)
    found = memories_of(UserKnowledge([learned], [explicit]))
    assert [memory.text for memory in found if memory.valid_to is None] == ["Collects old stamps of Peru"]
