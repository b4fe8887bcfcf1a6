"""Divides a text into sentences and clauses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from shared.learning.rules.language import Language

# A full stop ends a sentence before a space, unless it belongs to an abbreviation or a number.
_END: Final = re.compile(r"[.!?…]+[\"')\]]*(?=\s|\Z)|[。！？؟।]+|\n+")
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|prof|st|e\.g|i\.e|etc|vs|approx|no|nr|z\.b|bzw|ca|sr|sra|dott|sig|mme|ing|jr|u\.s|\d|[a-z]))\.\Z",
    re.IGNORECASE,
)
# A German date, such as `4. März`.
_MONTH: Final = re.compile(r" (?:jan|feb|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez)", re.IGNORECASE)
_MAX_SENTENCE: Final = 600


class Sentence(NamedTuple):
    """A sentence of a text.

    Attributes:
        text: Its words, with its punctuation mark.
        start: Where it begins in the text.
        is_question: Whether it ends with a question mark.
        after: What follows its end, at most a few characters.
    """

    text: str
    start: int
    is_question: bool
    after: str


def sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences of a text that are not too long to be one."""
    start = 0
    for match in _END.finditer(text):
        ends = match[0]
        if ends == "." and _MONTH.match(text, match.end()) and text[match.start() - 1 : match.start()].isdecimal():
            continue
        if ends == "." and _ABBREVIATION.search(text, max(start, match.start() - 6), match.end()):
            continue
        if (sentence := _sentence(text, start, match.end())) is not None:
            yield sentence
        start = match.end()
    if (sentence := _sentence(text, start, len(text))) is not None:
        yield sentence


def _sentence(text: str, start: int, end: int) -> Sentence | None:
    if end - start > _MAX_SENTENCE:
        return None
    start += len(text[start:end]) - len(text[start:end].lstrip())
    body = text[start:end]
    if not body.strip(" \n\0.,"):
        return None
    is_question = body.rstrip(" \n\"')]").endswith(("?", "？", "؟"))
    return Sentence(body, start, is_question, text[end : end + 6])


def clause_starts(sentence: str, language: Language) -> list[int]:
    """Return where a clause of a sentence may begin, without the words that may precede a statement."""
    starts = [
        0,
        *(match.end() for match in language.joint_pattern.finditer(sentence)),
    ]
    return sorted({*starts, *(language.lead_pattern.match(sentence, start).end() for start in starts)})  # type: ignore[union-attr] # it matches anywhere
