"""A sentence that a user sets explicitly is about the same as learned statements in other words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.learning.rules.slots import stated_slot


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("Lives in Paris", "home"),
        ("The user lives in Paris.", "home"),
        ("I live in Paris", "home"),
        ("Ich wohne in Paris", "home"),
        ("The user's name is Ada", "name"),
        ("Is called Ada", "name"),
        ("Works as nurse", "role"),
        ("Works at Siemens", "workplace"),
        ("Diet: vegan", "diet"),
        ("Uses the editor Vim", "editor"),
        ("Birthday: 3 May", "birthday"),
        ("Prefers metric units", "units"),
        ("Dislikes olives", "likes:oliv"),
        ("Does not like olives", "likes:oliv"),
        ("The user is not allergic to nuts.", "allergy:nut"),
    ],
)
def test_a_sentence_about_the_user_has_its_slot(text: str, slot: str) -> None:
    """The words of this project, of an assistant and of the user have the same slot."""
    assert stated_slot(text) == slot


@pytest.mark.parametrize(
    "text",
    [
        "Lives in Rome in winter",
        "Lives in Rome and works at Siemens",
        "No longer lives in Rome",
        "Does not live in Rome",
        "Has two cats",
        "Her sister lives in Rome",
        "Might live in Rome",
    ],
)
def test_a_sentence_that_says_more_or_something_else_has_none(text: str) -> None:
    """Such a sentence replaces nothing, so no fact is lost."""
    assert stated_slot(text) is None


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    """No text makes it fail."""
    assert stated_slot(text) != ""
