"""Readers of programs, programming languages and skills."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from shared.learning.normalize import normalized
from shared.learning.rules import lexicon, nouns
from shared.learning.rules.reading import Candidate, Value, capitalized, cut, group, rejected

_SKILL: Final = re.compile(
    r"(?:pretty |fairly |quite |very |still |completely |totally |relatively )?(?:an? )?(?P<l>(?:total |complete |absolute |near[- ])?(?:fluent|beginner|novice|expert|advanced|intermediate|proficient|native|bilingual|new|newbie|rusty|experienced|conversational|basic|some|a little|a bit of|broken))"
    r"(?: level)?(?: (?:in|at|with|to|when it comes to|on|speaker of))? (?P<v>[A-Za-z+#.][\w+#.]*(?: (?!and\b|but\b|so\b|speaker|user|programmer|player|here\b|myself|who|in\b)[\w+#.]+){0,2})",
    re.IGNORECASE,
)
# What people keep in programs, unlike money, bicycles and friends.
_STORED: Final = re.compile(
    r"\b(?:keep|store|track|manage|plan|take|organi[sz]e|save|log)\b.*\b(?:notes?|tasks?|to-?dos?|passwords?|photos?|files?|documents?|docs?|bookmarks?|recipes?|budgets?|expenses?|finances|time|hours|habits?"
    r"|reading|books|projects?|calendars?|everything|tickets?|bugs?|issues?|contacts?|invoices?|lists?|journal|diary|ideas?|schedule|meals?|sprints?|backups?|appointments?|research|references)\b",
    re.IGNORECASE,
)
_SPOKEN: Final = re.compile(r"(?P<v>[A-Z]\w+) (?P<l>fluently|natively)", re.IGNORECASE)


def _listed(pattern: re.Pattern[str], *, many: bool = False) -> Callable[[Candidate], Value | None]:
    def read(candidate: Candidate) -> Value | None:
        start = candidate.match.start("v") if group(candidate) else candidate.start
        match = pattern.match(candidate.text, start)
        if match is None:
            return None
        return Value(match["v"], match.end("v"), normalized(match["v"]) if many else "")

    return read


_listed_code: Final = _listed(lexicon.CODE, many=True)
_listed_tool: Final = _listed(lexicon.TOOL, many=True)


def code(candidate: Candidate) -> Value | None:
    """Take a programming language."""
    found = _listed_code(candidate)
    if found is None or re.match(
        r" (?:jokes?|memes?|tutorials?|docs|books?|songs?|questions?)\b", candidate.text[found.end :]
    ):
        return None
    is_doubtful = found.words.lower() in lexicon.DOUBTFUL_CODE
    if is_doubtful and not (
        found.words[0].isupper()
        and re.search(
            r"cod|program|develop|\bwrite\b|write everything|back ?end|entwickl|languag|stack",
            candidate.match[0],
            re.IGNORECASE,
        )
    ):
        return None
    return found


def is_language_or_editor(words: str) -> bool:
    """Return whether words are a programming language, an editor, a system or a spoken language: no employer."""
    lowered = words.lower()
    return lowered in lexicon.LANGUAGE_CODES or any(
        (match := pattern.fullmatch(words)) is not None and match["v"].lower() not in {"atom", "zed", "apex", "hack"}
        for pattern in (lexicon.EDITOR, lexicon.SYSTEM, lexicon.CODE)
    )


def tool(candidate: Candidate) -> Value | None:
    """Take another program."""
    found = _listed_tool(candidate)
    if found is not None:
        is_word = found.words.islower() and found.words in nouns.COMMON_WORDS
        return None if is_word else found
    if candidate.language.code != "en":
        return None
    found = capitalized(candidate, 3)
    if found is None or found.words.lower() in nouns.NO_NAMES or lexicon.LANGUAGE_CODES.get(found.words.lower()):
        return None
    if any(pattern.match(found.words) for pattern in (lexicon.EDITOR, lexicon.SYSTEM, lexicon.CODE)):
        return None
    if found.words.lower() in nouns.NO_TOOLS:
        return None
    is_stored = _STORED.search(candidate.match[0])
    is_used_for = re.match(r" (?:for|to|every day|daily|at work)\b", candidate.text[found.end :])
    return found._replace(tail=normalized(found.words)) if is_stored or is_used_for else None


def skill(candidate: Candidate) -> Value | None:
    """Take a level and its subject."""
    for pattern in (_SPOKEN, _SKILL):
        match = pattern.match(candidate.text, candidate.start)
        if match is not None:
            subject = match["v"].rstrip(". ")
            if subject.lower().split()[0] in nouns.NO_SKILLS or rejected(subject, candidate.language):
                return None
            return Value(
                f"{match['l']} {subject}", max(match.end("l"), match.start("v") + len(subject)), normalized(subject)
            )
    return None


def native(candidate: Candidate) -> Value | None:
    """Take a first language."""
    found = cut(candidate, 2)
    if found is None or found.words.lower() not in lexicon.LANGUAGE_CODES:
        return None
    return Value(f"native {found.words}", found.end, normalized(found.words))


def known(candidate: Candidate) -> Value | None:
    """Take a subject of many years, if the user names a level."""
    level, found = candidate.match.groupdict().get("l"), group(candidate)
    if not level or found is None:
        return None
    words = re.sub(r"treat me as an? ", "", level, flags=re.IGNORECASE)
    return Value(f"{words} {found.words}", candidate.match.end(), normalized(found.words))


editor: Final = _listed(lexicon.EDITOR)
system: Final = _listed(lexicon.SYSTEM)
