"""The memory within the limits consists of the newest whole exchanges of the window."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.memory.budget import Limits, ShownMemory, show, smaller
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
def test_limits_hold(contents: list[str], preferences: dict[str, str], tokens: int, exchanges: int | None) -> None:
    """The result is within the limits, and has only the newest whole exchanges."""
    messages = window(*contents)
    shown = show(messages, preferences, Limits(tokens, exchanges))
    assert count_tokens(shown.context) <= shown.tokens
    assert not tokens or shown.tokens <= tokens
    assert shown.messages == messages[len(messages) - len(shown.messages) :]
    assert len(shown.messages) % 2 == 0
    assert shown.omitted_exchanges == len(contents) - len(shown.messages) // 2
    assert list(shown.preferences) == sorted(preferences)[: len(shown.preferences)]
    if not tokens:
        assert shown.preferences == preferences
        assert shown.omitted_exchanges == max(0, len(contents) - (exchanges or len(contents)))


def test_preferences_come_first() -> None:
    """Preferences come first, then the newest exchanges.

    If an exchange does not fit, all older exchanges are omitted, too.
    """
    messages, preferences = window("short", "long " * 50, "short"), {"b": "2", "a": "1"}
    all_of_it = show(messages, preferences, Limits())
    assert (all_of_it.omitted_exchanges, list(all_of_it.preferences)) == (0, ["a", "b"])
    some = show(messages, preferences, Limits(40))
    assert some.context == ("Previous conversation:\nuser: short\nassistant: short\n\nUser preferences:\na: 1\nb: 2")
    assert some.omitted_exchanges == 2
    assert show(messages, preferences, Limits(1)).context == ""
    first = show(messages, {"a": "1", "b": "2 " * 200}, Limits(40))
    assert first.preferences == {"a": "1"}


def test_entries_of_another_program() -> None:
    """A group of entries without an exchange id counts as one exchange. Each `user` entry starts a new group."""
    messages = [Message("user", "a"), Message("assistant", "b"), Message("user", "c"), *window("d")]
    shown = show(messages, {}, Limits(exchanges=2))
    assert ([m.content for m in shown.messages], shown.omitted_exchanges) == (["c", "d", "d"], 1)


@pytest.mark.parametrize(("bounds", "least"), [((0, None), 0), ((0, 5), 5), ((7, None), 7), ((7, 5), 5), ((5, 7), 5)])
def test_the_smaller_bound_holds(bounds: tuple[int, int | None], least: int) -> None:
    """The smaller of the setting's limit and the request's limit applies."""
    assert smaller(*bounds) == least


def test_a_model_may_get_less() -> None:
    """A model may get less memory than the request allows, down to no memory."""
    memory = ShownMemory(Recall(window("a", "b", "c"), {"x": "y"}), 0)
    whole = memory.shown
    assert whole.omitted_exchanges == 0
    assert memory.at_most(whole.tokens // 2).tokens <= whole.tokens // 2
    assert memory.at_most(0).context == ""
    assert (memory.shown.tokens, memory.shown.omitted_exchanges) == (0, 3)
