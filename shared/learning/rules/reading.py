"""What readers are given, what they return, and how a value is cut out of a sentence."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, NamedTuple

from shared.learning.rules.language import Language

_HARD_END: Final = re.compile(
    r"[,;:!?()\[\]\0\n\"“”„«»、，。！？；：（）…|=]|[.](?=\s|\Z)|\s[-–—/]+\s|—|–|\.\.|[\U0001f300-\U0001faff\u2600-\u27bf]"
)
_WORD: Final = re.compile(r"\S+")
_PARTICLES: Final = re.compile(
    r"(?:de|del|della|di|da|do|dos|das|la|le|les|el|los|al|du|des|van|der|den|von|zu|am|an|a|à|upon|on|of|the|sur|sous|im|in|und|y|e|i|\&|'s|of'|ter|ten|op)"
)


class Candidate(NamedTuple):
    """Where a value may be.

    Attributes:
        text: The sentence.
        match: What of the sentence matched the rule.
        start: Where the value begins.
        before: What precedes the match in the message, at most some characters.
        today: The day of the exchange.
        language: The language of the rule.
    """

    text: str
    match: re.Match[str]
    start: int
    before: str
    today: date
    language: Language


class Value(NamedTuple):
    """A value in a sentence.

    Attributes:
        words: The value.
        end: Where it ends in the sentence.
        tail: What distinguishes the slot from others of its key, such as `sushi` in `likes:sushi`.
        day: From when it is true, or when it is due.
        key: The key, if it is not the rule's.
    """

    words: str
    end: int
    tail: str = ""
    day: date | None = None
    key: str = ""


def group(candidate: Candidate) -> Value | None:
    """Return the rule's own group as the value, or None."""
    found = candidate.match.groupdict().get("v")
    return Value(found.strip(), candidate.match.end("v")) if found and found.strip() else None


def cut(candidate: Candidate, most: int = 6, *, stops: bool = True) -> Value | None:
    """Return the words up to the end of the clause, at most so many; None if there are none or more."""
    if (found := group(candidate)) is not None:
        return found if len(found.words.split()) <= most else None
    text = candidate.text[candidate.start : candidate.start + 120]
    if (hard := _HARD_END.search(text)) is not None:
        text = text[: hard.start()]
    if stops and (stop := candidate.language.stop_pattern.search(text)) is not None:
        text = text[: stop.start()]
    text = text.rstrip(" .'-")
    words = text.strip()
    if not words or len(words.split()) > most:
        return None
    return Value(words, candidate.start + len(text))


def rejected(words: str, language: Language) -> bool:
    """Return whether words begin as no value does."""
    return language.rejected_pattern.match(words) is not None


def capitalized(candidate: Candidate, most: int = 4) -> Value | None:
    """Return the words that begin with capital letters, with the small ones between them, or None."""
    whole = cut(candidate, 99, stops=False)
    if whole is None:
        return None
    start = whole.end - len(whole.words)
    end, count, last = start, 0, start
    for word in _WORD.finditer(whole.words):
        token = word[0]
        if token[:1].isupper() or (count and token[:1].isdigit()) or _is_prefixed(token):
            count += 1
            end = start + word.end()
        elif not count or not _PARTICLES.fullmatch(token.lower()):
            break
        last = end
    if not count or count > most:
        return None
    words = re.sub(r"'s$", "", candidate.text[start:last]).strip(" .'-")
    return Value(words, start + len(words)) if words else None


def _is_prefixed(token: str) -> bool:
    """Return whether a small letter and an apostrophe precede the capital, as in `l'Aquila` and `d'Arc`."""
    return re.match(r"(?:[ldLD]|dell|all)'[A-ZÀ-Þ]", token) is not None


def is_lower_case(text: str) -> bool:
    """Return whether somebody wrote a sentence without capital letters, apart from `I` and abbreviations."""
    return not re.search(r"\b[A-ZÀ-Þ][a-zà-ÿ]", text)


def are_letters(words: str) -> bool:
    """Return whether words consist of letters, as names do."""
    return all(character.isalpha() or character in " '.-·" or not character.isascii() for character in words)
