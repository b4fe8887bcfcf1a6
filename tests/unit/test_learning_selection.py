"""A summary covers what a conversation is about, within its length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.learning.selection import covering_sentences

_SENTENCES = [
    "The export of invoices fails.",
    "Lunch was fine.",
    "The export of invoices fails again.",
    "The export needs a disk.",
]


def _text(limit: int) -> str:
    return " ".join(_SENTENCES[index] for index in covering_sentences(_SENTENCES, limit))


def test_all_sentences_that_fit_are_kept() -> None:
    """A conversation whose sentences fit keeps all of them, in their order."""
    assert _text(len(" ".join(_SENTENCES))) == " ".join(_SENTENCES)


def test_what_is_said_often_is_covered_first_and_once() -> None:
    """The sentence about the conversation's subject comes first, and its repetition adds nothing."""
    assert _text(30) == "The export of invoices fails."
    assert "again" not in _text(len(" ".join(_SENTENCES)) - 10)


def test_a_sentence_that_is_too_long_is_left_out() -> None:
    """No sentence is cut."""
    assert covering_sentences(_SENTENCES, 3) == []


@given(st.lists(st.text(max_size=40), max_size=12), st.integers(0, 200))
def test_the_length_is_kept(sentences: list[str], limit: int) -> None:
    """Whatever the sentences are, the selected ones fit, in their order, and none is left that would fit."""
    chosen = covering_sentences(sentences, limit)
    assert chosen == sorted(set(chosen))
    length = len(" ".join(sentences[index] for index in chosen))
    assert not chosen or length <= limit
    left = limit - length - bool(chosen)
    assert all(len(sentences[index]) > left for index in range(len(sentences)) if index not in chosen)
