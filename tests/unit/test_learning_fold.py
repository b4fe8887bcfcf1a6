"""Memories are computed from statements, and what has ended ends only the value that it names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest

from shared.learning.fold import UserKnowledge, learned_memories, memories_of, refused_statements
from shared.learning.forgetting import Forgetting
from shared.learning.memories import StoredStatement
from shared.learning.statements import Statement

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
