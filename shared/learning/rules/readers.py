"""Readers: each takes one sort of value, such as a place or a date, and refuses what is none."""

from __future__ import annotations

import re
from calendar import month_name
from collections.abc import Callable, Mapping
from typing import Final

from shared.learning.normalize import normalized
from shared.learning.rules import lexicon, nouns, people, programs
from shared.learning.rules.dates import find_date
from shared.learning.rules.occupations import is_occupation
from shared.learning.rules.reading import (
    Candidate,
    Value,
    are_letters,
    capitalized,
    cut,
    group,
    is_lower_case,
    rejected,
)

Reader = Callable[[Candidate], Value | None]
_ZONE: Final = re.compile(
    r"(?:the |in )?(?P<v>(?:UTC|GMT) ?(?:[+−-] ?\d{1,2}(?::?\d\d)?)?|[A-Z][a-z]+/[A-Z][a-zA-Z_]+|[A-Z]{2,5}\b(?: time)?|(?:[A-Z][\w-]+ ){0,3}?[A-Z][\w-]+(?: (?:time|standard time|daylight time))?)"
    r"(?! (?:i|you|he|she))"
)
_LOWER_ZONE: Final = re.compile(
    r"(?:the )?(?P<v>(?:utc|gmt) ?(?:[+-] ?\d{1,2}(?::?\d\d)?)?|cet|cest|est|pst|pdt|edt|cst|mst|ist|jst|bst|eet|wet|aest|msk|(?:eastern|pacific|central|mountain)(?: (?:standard |daylight )?time)?)\b",
    re.IGNORECASE,
)
_JOINT: Final = re.compile(r" (?:and|but|pero|y|mas|ma|mais|et|aber|und|ale|maar|en|e|i) ", re.IGNORECASE)
_MIN_DAYS_AHEAD: Final = 7
_MAX_ABBREVIATION: Final = 3
_MIN_GOAL_WORDS: Final = 2
_MAX_JOB_WORDS: Final = 5


def _place(candidate: Candidate) -> Value | None:
    found = group(candidate)
    if found is not None and candidate.language.unspaced:
        return None if rejected(found.words, candidate.language) else found
    text = candidate.text[candidate.start :]
    skipped = re.match(
        r"(?:the |rural |downtown |central |sunny |lovely |beautiful |greater |upstate |northern |southern |eastern |western |north |south |east |west |der |die |den |dem |het |la |le |l'|les |el |los )*(?=[A-ZÀ-Þ])",
        text,
    )
    found = capitalized(candidate._replace(start=candidate.start + (skipped.end() if skipped else 0)))
    if found is not None:
        is_program = (
            programs.is_language_or_editor(found.words)
            or lexicon.TOOL.match(found.words)
            or lexicon.CODE.match(found.words)
        )
        return None if found.words.lower() in nouns.NO_PLACES or is_program else _without_date(found, candidate)
    found = cut(candidate, 2)
    if found is None or not is_lower_case(candidate.text) or rejected(found.words, candidate.language):
        return None
    words = found.words.lower().split()
    return (
        found
        if not set(words) & nouns.NO_PLACES
        and (len(words) == 1 or found.words.lower() in nouns.PLACES_OF_TWO)
        and words[0].isalpha()
        and len(found.words) > _MAX_ABBREVIATION
        else None
    )


def _without_date(found: Value, candidate: Candidate) -> Value:
    """Return a place without the date behind it, such as that of `Berlin in May`."""
    first, _, rest = found.words.partition(" ")
    date = find_date(rest, candidate.today, -1) if rest else None
    if date is None:
        return found
    words = re.sub(r"(?i:\s+(?:in|im|en|em|w|v|au|since|on|a|à))?\s*$", "", f"{first} {rest[: date.start]}")
    return found._replace(words=words, end=found.end - len(found.words) + len(words))


def _since(candidate: Candidate) -> Value | None:
    found = _place(candidate)
    rest = candidate.text[found.end :] if found else ""
    return found if re.match(r" (?:since|for|all my life|my whole life|depuis|seit)\b", rest, re.IGNORECASE) else None


def _org(candidate: Candidate) -> Value | None:
    found = group(candidate)
    text = candidate.text[candidate.start :]
    article = re.match(
        r"(?:an?|the|one|einem|einer|der|dem|une?|la|le|l'|au|à l'|à la|una?|un|el|los|uno|uma?|um|o|een|het|de)(?: |(?<='))",
        text,
        re.IGNORECASE,
    )
    start = candidate.start + (article.end() if article else 0)
    if found is None and candidate.text[start : start + 1].isupper():
        found = capitalized(candidate._replace(start=start), 5)
        if (
            found is not None
            and found.words.lower() not in nouns.NO_NAMES
            and found.words.lower() not in nouns.NO_PLACES
            and not programs.is_language_or_editor(found.words)
            and not (article and candidate.language.code == "de" and not nouns.WORKPLACE.search(found.words))
            and not ("joined" in candidate.match[0].lower() and nouns.SERVICE.match(found.words))
        ):
            return found
        return None
    if found is None:
        found = cut(candidate._replace(start=start), 5)
    if found is None or rejected(found.words, candidate.language) or nouns.NO_DESKS.search(found.words):
        return None
    if article is None and group(candidate) is None:
        is_known = candidate.language.code == "en" or nouns.WORKPLACE.search(found.words) is not None
        is_one_name = is_known and is_lower_case(candidate.text) and len(found.words.split()) == 1
        return found if is_one_name and found.words.lower() not in nouns.NO_ORGS else None
    is_name = group(candidate) is not None and found.words[0].isupper()
    return found if is_name or nouns.WORKPLACE.search(found.words) else None


def _staffed(candidate: Candidate) -> Value | None:
    """Take an employer behind an occupation: `a nurse at`, but not `good at` and `a member at`."""
    words = candidate.match["j"].strip()
    is_job = is_occupation(words) if candidate.language.code == "en" else nouns.JOB.search(words.lower()) is not None
    return _org(candidate) if is_job and not _JOINT.search(words) else None


def _job(candidate: Candidate) -> Value | None:
    found = cut(candidate, 6)
    if found is None:
        return None
    words = re.split(r" (?:at|in|from|with|for|who|based|on) ", found.words)[0]
    found = Value(words, found.end - len(found.words) + len(words))
    return (
        found
        if is_occupation(words) and not rejected(words, candidate.language) and len(words.split()) <= _MAX_JOB_WORDS
        else None
    )


def _listed_job(candidate: Candidate) -> Value | None:
    """Take an occupation of the language's own list."""
    found = cut(candidate, 4)
    if found is None or rejected(found.words, candidate.language):
        return None
    return found if nouns.JOB.search(found.words.lower()) else None


def _role(candidate: Candidate) -> Value | None:
    found = cut(candidate, 6)
    if found is None or rejected(found.words, candidate.language):
        return None
    words = re.split(r" (?:at|in|from|with|for|bei|in|chez|dans|en|para|presso|bij|w) ", found.words)[0]
    return Value(words, found.end - len(found.words) + len(words)) if words.lower() not in nouns.NO_ROLES else None


def _subject(candidate: Candidate) -> Value | None:
    found = cut(candidate, 3)
    if found is None or rejected(found.words, candidate.language):
        return None
    words = re.split(r" (?:at|in|from|with|for|on|bei|an|chez|à|en|na|presso|bij|aan|w) ", found.words)[0]
    first = words.split()[0].lower()
    if (
        first in nouns.NO_SUBJECTS
        or any(find.match(words) for find in (lexicon.TOOL, lexicon.EDITOR, lexicon.CODE))
        or not are_letters(words)
    ):
        return None
    is_place = (
        candidate.language.code != "de"
        and words[0].isupper()
        and candidate.match[0].lower().rstrip().endswith((" in", " en", " em", " a", " à", " w"))
    )
    return None if is_place else Value(words, found.end - len(found.words) + len(words))


def _thing(candidate: Candidate) -> Value | None:
    found = cut(candidate, 5)
    if found is None or rejected(found.words, candidate.language):
        return None
    words = (
        re.sub(
            r"^(?:an?|the|any|all|eating|drinking|der|die|das|les|la|le|l'|los|las|el|il|lo|gli|i|o|os|as|a|de|het)(?: |(?<='))",
            "",
            found.words,
            flags=re.IGNORECASE,
        )
        or found.words
    )
    if words.split()[0].lower() in nouns.NO_THINGS or words.lower() in nouns.NO_THINGS or len(words) < 2:  # noqa: PLR2004
        return None
    return Value(words, found.end, normalized(words))


def _pronoun_free_thing(candidate: Candidate) -> Value | None:
    """Take a thing from a group of an unspaced language."""
    found = group(candidate) or cut(candidate, 1)
    return (
        None
        if found is None or rejected(found.words, candidate.language)
        else found._replace(tail=normalized(found.words))
    )


def _diet(candidate: Candidate) -> Value | None:
    match = nouns.DIET.match(candidate.text, candidate.start)
    return Value(match["v"], match.end("v")) if match else None


def _no_eat(candidate: Candidate) -> Value | None:
    found = cut(candidate, 4)
    if found is None or rejected(found.words, candidate.language) or found.words.split()[0].lower() in nouns.NO_FOOD:
        return None
    return found


def _date(candidate: Candidate) -> Value | None:
    text = candidate.text[candidate.start : candidate.start + 40]
    found = find_date(text, candidate.today, -1)
    if found is None or found.start > 4:  # noqa: PLR2004 - `the`, `am`
        return None
    words = re.sub(
        r"^(?:on the|on|the|am|den|le|el|il|op|em|o|w dniu)\s",
        "",
        text[found.start : found.end].strip(),
        flags=re.IGNORECASE,
    )
    if not any(character.isdecimal() for character in words):
        # `tomorrow` means another day whenever it is read.
        words = "" if found.day is None else f"{found.day.day} {month_name[found.day.month]}"
    return Value(words, candidate.start + found.end) if words else None


def _hobby(candidate: Candidate) -> Value | None:
    found = cut(candidate, 6)
    if found is None or rejected(found.words, candidate.language) or found.words.split()[0].lower() in nouns.NO_HOBBIES:
        return None
    return found._replace(tail=normalized(found.words))


# What stands between a date and what happens then.
_JOINTS: Final = " ,.-、，。"


def _goal(candidate: Candidate) -> Value | None:
    start = candidate.match.start("v")
    text = re.split(
        r"[,;:!?()\0]|(?<!\d)\.\s| (?:and|but|so|und|aber|et|mais|y|pero|e|ma|mas|en|maar|i|ale) (?=i\b|we\b|what|how|ich|je|necesito|vorrei)",
        candidate.text[start:],
        maxsplit=1,
    )[0]
    found = find_date(text, candidate.today, 1)
    if found is None or (found.day - candidate.today).days < _MIN_DAYS_AHEAD:
        return None
    before, after = text[: found.start], text[found.end :].strip(_JOINTS)
    words = candidate.language.macro_subject.sub("", before).strip(_JOINTS)
    if len(words.split()) < _MIN_GOAL_WORDS and after:
        words = f"{words} {candidate.language.macro_subject.sub('', after)}".strip(_JOINTS)
    else:
        after = ""
    words = re.sub(
        r" (?:is|are|on|in|by|at|the|am|im|on the|to|since|due|ends?|est|le|en|el|para|il|a|op|w|na|for)$", "", words
    ).strip()
    if not words or len(words.split()) > 10:  # noqa: PLR2004
        return None
    end = len(text.rstrip(_JOINTS)) if after else found.end
    return Value(words, start + end, normalized(words), found.day)


def _zone(candidate: Candidate) -> Value | None:
    match = _ZONE.match(candidate.text, candidate.start) or _LOWER_ZONE.match(candidate.text, candidate.start)
    if match is None or match["v"].lower() in nouns.NO_NAMES:
        return None
    return Value(match["v"].strip(), match.end("v"))


def _whole(candidate: Candidate) -> Value | None:
    found = group(candidate)
    if found is None:
        return None
    stop = candidate.language.stop_pattern.search(found.words)
    words = found.words[: stop.start()] if stop and stop.start() else found.words
    return Value(words, found.end - len(found.words) + len(words))


def _business(candidate: Candidate) -> Value | None:
    """Take what the user runs or owns, if it is a business."""
    found = _whole(candidate)
    return found if found is not None and nouns.WORKPLACE.search(found.words) else None


def _fixed(candidate: Candidate) -> Value | None:
    found = group(candidate)
    return found._replace(tail=normalized(found.words)) if found else None


def _is(words: str) -> Reader:
    """Return a reader of one value, which the pattern as a whole means."""
    return lambda candidate: Value(words, candidate.match.end())


def _words(candidate: Candidate) -> Value | None:
    """Take the rule's own group, unless it begins as no value does."""
    found = group(candidate)
    return None if found is None or rejected(found.words, candidate.language) else found


def _uncased(candidate: Candidate) -> Value | None:
    """Take a name of a script without capital letters."""
    return cut(candidate, 3) if (found := cut(candidate, 3)) and not rejected(found.words, candidate.language) else None


READERS: Final[Mapping[str, Reader]] = {
    "place": _place,
    "since": _since,
    "name": people.name,
    "greeted": people.greeted,
    "title": people.title,
    "org": _org,
    "staff": _staffed,
    "job": _job,
    "listed_job": _listed_job,
    "role": _role,
    "subject": _subject,
    "thing": _thing,
    "plain": _pronoun_free_thing,
    "words": _words,
    "called": _uncased,
    "diet": _diet,
    "noeat": _no_eat,
    "date": _date,
    "related": people.related,
    "petname": people.pet_name,
    "editor": programs.editor,
    "system": programs.system,
    "code": programs.code,
    "tool": programs.tool,
    "skill": programs.skill,
    "native": programs.native,
    "known": programs.known,
    "hobby": _hobby,
    "goal": _goal,
    "zone": _zone,
    "pronouns": people.pronoun_pair,
    "whole": _whole,
    "business": _business,
    "fixed": _fixed,
    "informal": _is("informal"),
    "formal": _is("formal"),
}
