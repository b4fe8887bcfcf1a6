"""Finds what a sentence about the user is about, so that it takes the place of a learned memory in other words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from shared.learning.rules.deriver import RuleDeriver
from shared.learning.statements import ENDED, SourceExchange

# Any date: a sentence with a relative one says the same on another day.
_DATE: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SUBJECT: Final = re.compile(r"(?:the )?user(?P<own>'s)? ", re.IGNORECASE)
# How a sentence about the user begins, and how the user says it. The first one that fits counts.
_FIRST_PERSON: Final = (
    ("is no longer ", "I am no longer "),
    ("is ", "I am "),
    ("lives ", "I live "),
    ("comes ", "I come "),
    ("works on or studies ", "I study "),
    ("works ", "I work "),
    ("studies ", "I study "),
    ("likes ", "I like "),
    ("loves ", "I love "),
    ("dislikes ", "I dislike "),
    ("hates ", "I hate "),
    ("prefers ", "I prefer "),
    ("wants ", "I want "),
    ("uses the editor ", "I use "),
    ("uses ", "I use "),
    ("writes ", "I write "),
    ("has ", "I have "),
    ("moved ", "I moved "),
    ("diet: ", "I am "),
    ("name: ", "My name is "),
    ("birthday: ", "My birthday is "),
    ("hobby: ", "My hobby is "),
)


def stated_slot(text: str) -> str | None:
    """Return the slot of a sentence about the user, if the rules read it from its first to its last word.

    Args:
        text: A sentence in the words of this project (`Lives in Rome`), of an assistant (`The user lives in Rome`), or
            of the user (`I live in Rome`, `Ich wohne in Rom`).

    Returns:
        The slot, such as `home`; None if the sentence says something else, says more, or says that a value has ended.
    """
    sentence = " ".join(text.split()).rstrip(" .!。")
    for said in (sentence, _in_first_person(sentence)):
        if said and (slot := _slot(said)) is not None:
            return slot
    return None


def _in_first_person(sentence: str) -> str | None:
    subject = _SUBJECT.match(sentence)
    rest = sentence[subject.end() :] if subject else sentence
    if subject and subject["own"]:
        return f"My {rest}"
    lower = rest.casefold()
    starts = ((start, said) for start, said in _FIRST_PERSON if lower.startswith(start))
    return next((said + rest[len(start) :] for start, said in starts), None)


def _slot(said: str) -> str | None:
    (found,) = RuleDeriver().derive([SourceExchange(said, "", _DATE)])
    if len(found) != 1 or found[0].quote != said or found[0].value.startswith(ENDED) or not found[0].value:
        return None
    return found[0].slot
