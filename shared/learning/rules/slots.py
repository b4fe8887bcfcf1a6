"""Finds what a sentence about the user is about, so that it takes the place of a learned memory in other words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from shared.learning.rules.deriver import RuleDeriver
from shared.learning.statements import SourceExchange

# Any date: a sentence with a relative one says the same on another day.
_DATE: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SUBJECT: Final = re.compile(r"(?:the )?user(?P<own>'s)? ", re.IGNORECASE)
# `Is not allergic to nuts` is about the same as `Is allergic to nuts`.
_NEGATED: Final = (("is not ", "I am "), ("isn't ", "I am "), ("does not ", "I "), ("doesn't ", "I "))
# How a sentence about the user begins, and how the user says it. The first one that fits counts.
_FIRST_PERSON: Final = (
    ("is no longer ", "I am no longer "),
    ("no longer likes ", "I no longer like "),
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
        The slot, such as `home`; None if the sentence says something else, says more, or only says that a value has ended.
    """
    sentence = " ".join(text.split()).rstrip(" .!。")
    subject = _SUBJECT.match(sentence)
    rest = sentence[subject.end() :] if subject else sentence
    own = f"My {rest}" if subject and subject["own"] else _begun(rest, _FIRST_PERSON)
    for said in (sentence, own):
        if said and (slot := _slot(said)) is not None:
            return slot
    negated = _begun(rest, _NEGATED)
    slot = _slot(negated) if negated else None
    # That the user does not live in one place says nothing of another one.
    return slot if slot and ":" in slot else None


def _begun(sentence: str, beginnings: Sequence[tuple[str, str]]) -> str | None:
    """Return the sentence with another beginning; None if it has none of these."""
    lower = sentence.casefold()
    return next((said + sentence[len(start) :] for start, said in beginnings if lower.startswith(start)), None)


def _slot(said: str) -> str | None:
    (found,) = RuleDeriver().derive([SourceExchange(said, "", _DATE)])
    if len(found) != 1 or found[0].quote != said:
        return None
    # The end of one home says nothing of another one. Of several things, such as allergies, each has its own slot.
    return found[0].slot if ":" in found[0].slot or not found[0].is_end else None
