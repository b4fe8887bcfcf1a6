"""The parts of a message that match a query."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from shared.memory.search.results import Highlight
from shared.models import Exchange
from shared.search_terms import term_spans

# The maximum number of highlights in one message.
_MAX_HIGHLIGHTS: Final = 50
# Only so many characters of a message are looked at.
_MAX_LENGTH: Final = 10_000


def highlights_of(exchange: Exchange, terms: Collection[str]) -> list[Highlight]:
    """Return the words of an exchange that the query also has. Adjacent n-grams form one highlight."""
    return [
        *_highlights("user_message", exchange.user_message, terms),
        *_highlights("assistant_message", exchange.assistant_message, terms),
    ]


def _highlights(field: str, text: str, terms: Collection[str]) -> list[Highlight]:
    spans: list[tuple[int, int]] = []
    for _, start, end, _ in term_spans(text[:_MAX_LENGTH], frozenset(terms)):
        if spans and start < spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        elif len(spans) == _MAX_HIGHLIGHTS:
            break
        else:
            spans.append((start, end))
    return [Highlight(field, start, end) for start, end in spans]
