"""The extractive summary of a conversation, without a model: sentences that the conversation itself has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from shared.learning.injected import without_injected
from shared.learning.normalize import normalized
from shared.learning.statements import SUMMARY_SLOT, SourceExchange, Statement
from shared.models import Role
from shared.search_terms import asked_terms

# Shorter exchanges are cheap to keep whole, and their sentences say little by themselves.
_MIN_EXCHANGE: Final = 200
# An exchange of this length has a sentence of each side.
_LONG_EXCHANGE: Final = 500
_MIN_SENTENCE: Final = 25
_MAX_SENTENCE: Final = 300
_MAX_READ: Final = 20_000
_MAX_VALUE: Final = 500
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_SENTENCE: Final = re.compile(r"[^\n\0.!?。！？]+(?:[.!?](?!\s|\Z)[^\n\0.!?。！？]*)*[.!?。！？]*")
_MARKUP: Final = re.compile(r"^[\s>*#|•–—-]+|^\d+[.)]\s+")
# A sentence without many terms says little, and many terms in a long sentence are not better than few in a short one.
_SMOOTHING: Final = 5


class _Scored(NamedTuple):
    role: Role
    text: str
    score: float


def summary_statements(exchange: SourceExchange) -> list[Statement]:
    """Return the sentences that carry most of an exchange's information: one of the user, and one of the assistant.

    A short exchange has none, and the assistant's is only there if the exchange is long.
    """
    length = len(exchange.user_message) + len(exchange.assistant_message)
    if length < _MIN_EXCHANGE:
        return []
    sides: list[tuple[Role, str]] = [("user", exchange.user_message), ("assistant", exchange.assistant_message)]
    found = [(role, sentence) for role, text in sides for sentence in _sentences(text)]
    terms = [asked_terms(sentence) for _, sentence in found]
    counts = Counter(term for each in terms for term in set(each))
    scored = [
        _Scored(role, sentence, _score(each, counts)) for (role, sentence), each in zip(found, terms, strict=True)
    ]
    best = [
        max(of_side, key=lambda each: each.score)
        for role, _ in sides
        if (of_side := [s for s in scored if s.role == role])
    ]
    if length < _LONG_EXCHANGE:
        best = best[:1]
    return [_statement(each) for each in best]


def _sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a message that may stand in a summary: no code, and nothing that was injected."""
    visible = _CODE.sub(lambda match: "\0" * len(match[0]), without_injected(text[:_MAX_READ]))
    for match in _SENTENCE.finditer(visible):
        sentence = _MARKUP.sub("", match[0]).strip()
        if _MIN_SENTENCE <= len(sentence) <= _MAX_SENTENCE:
            yield sentence


def _score(terms: Sequence[str], counts: Counter[str]) -> float:
    """Return how central the terms of a sentence are: their frequency in all sentences, in the mean."""
    return sum(counts[term] for term in set(terms)) / (len(terms) + _SMOOTHING)


def _statement(sentence: _Scored) -> Statement:
    value = normalized(sentence.text)[:_MAX_VALUE]
    return Statement("summary", SUMMARY_SLOT, value, sentence.text, sentence.text, sentence.role)
