"""The memory within the limits consists of the newest whole exchanges of the window."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.memory.budget import Limits, SelectedMemory, lowest_limit, select
from shared.memory.recall import Recall
from shared.memory.token_count import count_tokens
from shared.models import Message


def window(*contents: str) -> list[Message]:
    """Return one exchange per content."""
    return [
        Message(role, content, UUID(int=number + 1))
        for number, content in enumerate(contents)
        for role in ("user", "assistant")
    ]


@given(
    st.lists(st.text(max_size=60), max_size=8),
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=30), max_size=4),
    st.integers(0, 200),
    st.none() | st.integers(1, 8),
)
def test_memory_is_within_the_limits(
    contents: list[str], preferences: dict[str, str], tokens: int, exchanges: int | None
) -> None:
    """The result is within the limits, and has only the newest whole exchanges."""
    messages = window(*contents)
    selection = select(messages, preferences, Limits(tokens, exchanges))
    assert count_tokens(selection.context) <= selection.tokens
    assert not tokens or selection.tokens <= tokens
    assert selection.messages == messages[len(messages) - len(selection.messages) :]
    assert len(selection.messages) % 2 == 0
    assert selection.omitted_exchanges == len(contents) - len(selection.messages) // 2
    assert list(selection.preferences) == sorted(preferences)[: len(selection.preferences)]
    if not tokens:
        assert selection.preferences == preferences
        assert selection.omitted_exchanges == max(0, len(contents) - (exchanges or len(contents)))


def test_preferences_are_selected_before_exchanges() -> None:
    """Preferences come first, then the newest exchanges.

    If an exchange does not fit, all older exchanges are omitted, too.
    """
    messages, preferences = window("short", "long " * 50, "short"), {"b": "2", "a": "1"}
    complete = select(messages, preferences, Limits())
    assert (complete.omitted_exchanges, list(complete.preferences)) == (0, ["a", "b"])
    limited = select(messages, preferences, Limits(40))
    assert limited.context == ("Previous conversation:\nuser: short\nassistant: short\n\nUser preferences:\na: 1\nb: 2")
    assert limited.omitted_exchanges == 2
    assert select(messages, preferences, Limits(1)).context == ""
    first = select(messages, {"a": "1", "b": "2 " * 200}, Limits(40))
    assert first.preferences == {"a": "1"}


def test_foreign_entries_are_counted_by_group() -> None:
    """A group of entries without an exchange id counts as one exchange. Each `user` entry starts a new group."""
    messages = [Message("user", "a"), Message("assistant", "b"), Message("user", "c"), *window("d")]
    selection = select(messages, {}, Limits(exchanges=2))
    assert ([message.content for message in selection.messages], selection.omitted_exchanges) == (["c", "d", "d"], 1)


@pytest.mark.parametrize(
    ("limits", "smallest"), [((0, None), 0), ((0, 5), 5), ((7, None), 7), ((7, 5), 5), ((5, 7), 5)]
)
def test_the_smaller_limit_applies(limits: tuple[int, int | None], smallest: int) -> None:
    """The lower of the setting's limit and the request's limit applies."""
    assert lowest_limit(*limits) == smallest


def test_a_model_may_get_less_memory() -> None:
    """A model may get less memory than the request allows, down to no memory."""
    memory = SelectedMemory(Recall(window("a", "b", "c"), {"x": "y"}), 0)
    complete = memory.selection
    assert complete.omitted_exchanges == 0
    assert memory.select(complete.tokens // 2).tokens <= complete.tokens // 2
    assert memory.select(0).context == ""
    assert (memory.selection.tokens, memory.selection.omitted_exchanges) == (0, 3)
