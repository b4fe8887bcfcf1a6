"""Readers of names, titles, relatives and pets."""

from __future__ import annotations

import re
from typing import Final

from shared.learning.normalize import normalized
from shared.learning.rules import nouns
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

_GREETING: Final = re.compile(
    r"(?:^|[\s,.!])(?:hi|hello|hey|hiya|hallo|moin|servus|guten (?:tag|morgen|abend)|bonjour|salut|coucou|hola|buenas|buenos días|ciao|salve|buongiorno|olá|oi|hoi|dag|cześć|hej|dzień dobry|greetings|good (?:morning|evening|afternoon))"
    r"(?: (?:there|all|everyone|everybody|team|folks|zusammen|à tous|a tutti|todos|allemaal))?[\s,.!:–-]*\Z",
    re.IGNORECASE,
)
_PRONOUNS: Final = re.compile(r"(?P<v>[a-zà-ÿ]{1,6}(?:/[a-zà-ÿ]{1,6}){1,2})\b", re.IGNORECASE)
_TITLE: Final = re.compile(
    r"(?P<v>(?:dr|mr|mrs|ms|miss|mx|prof|professor|doctor|sir|madam|ma'am|captain|sensei|herr|frau|rev|reverend|chef|coach|madame|monsieur|señor|señora|don|doña|signor|signora|dottor|dottoressa|senhor|senhora|mevrouw|meneer|pan|pani)"
    r"\b\.?(?: (?:dr|prof)\.?)?(?: [A-ZÀ-Þ][\w'-]+){0,3})",
    re.IGNORECASE,
)


def name(candidate: Candidate) -> Value | None:
    """Take the name of the user."""
    found = group(candidate) or capitalized(candidate)
    if found is None and re.search(
        r"(?:name|nombre|nome|naam|imię|heiß|appelle|llamo|chiamo|heet|chamo)", candidate.match[0], re.IGNORECASE
    ):
        found = cut(candidate, 2)
        if found is not None and (not is_lower_case(candidate.text) or len(found.words.split()) > 1):
            found = None
    if (
        found is None
        or rejected(found.words, candidate.language)
        or found.words.lower() in nouns.NO_NAMES
        or not are_letters(found.words)
    ):
        return None
    if _TITLE.match(found.words + " ") and not re.search(r"\bname", candidate.match[0]):
        return None
    return found


def greeted(candidate: Candidate) -> Value | None:
    """Take a name behind a greeting: `Hi, I'm Anna`."""
    found = capitalized(candidate, 3)
    is_opening = not candidate.before.strip() and re.match(
        r" and i(?:'m|m|'ve|'d)?\b", candidate.text[found.end :] if found else "", re.IGNORECASE
    )
    if (
        found is None
        or not (is_opening or _GREETING.search(candidate.before))
        or found.words.lower() in nouns.NO_NAMES
        or not are_letters(found.words)
    ):
        return None
    rest = candidate.text[found.end :]
    return (
        found
        if re.match(r"\W*(?:$|[,.!;–—-]|and\b|from\b|und\b|aus\b|et\b|y\b|e\b|de\b)", rest, re.IGNORECASE)
        and not rest.startswith("'")
        else None
    )


def title(candidate: Candidate) -> Value | None:
    """Take a title, with or without a name."""
    match = _TITLE.match(candidate.text, candidate.start)
    return Value(match["v"].strip(), match.end("v")) if match else None


def called(candidate: Candidate) -> Value | None:
    """Take a name of somebody else."""
    found = group(candidate) or capitalized(candidate, 3)
    if found is None and re.search(
        r"(?:nam|heiß|heet|appelle|llama|chiama|chama|imię|call)\w*(?: is)?\s*$", candidate.match[0], re.IGNORECASE
    ):
        found = cut(candidate, 1)
    if (
        found is None
        or found.words.lower() in nouns.NO_NAMES
        or rejected(found.words, candidate.language)
        or not are_letters(found.words)
    ):
        return None
    return found


def related(candidate: Candidate) -> Value | None:
    """Take a relation and a name."""
    found = called(candidate)
    if found is None:
        return None
    relation = candidate.match["r"].lower() or "partner"
    tail = relation if relation in nouns.SINGLE_RELATIONS else f"{relation} {normalized(found.words)}"
    return Value(f"{candidate.match['r']} {found.words}".strip(), found.end, tail)


def pet_name(candidate: Candidate) -> Value | None:
    """Take a kind of animal and a name."""
    found = called(candidate)
    if found is None:
        return None
    kind = candidate.match["r"]
    return Value(f"{kind} {found.words}".strip(), found.end, f"{kind.lower()} {normalized(found.words)}")


def pronoun_pair(candidate: Candidate) -> Value | None:
    """Take pronouns such as `they/them`."""
    start = (
        candidate.start + len(candidate.text[candidate.start :]) - len(candidate.text[candidate.start :].lstrip(" :"))
    )
    match = _PRONOUNS.match(candidate.text, start)
    return Value(match["v"], match.end("v")) if match else None
