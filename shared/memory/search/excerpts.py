"""Shortens a message to its passages that match a query."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from shared.search_terms import text_terms

# A passage ends at a line end, or after a sentence.
_PASSAGE: Final = re.compile(r"[^\n]*?(?:[.!?](?=\s|$)|[\u3002\uff01\uff1f]|\n|$)|[^\n]+", re.DOTALL)
_ELLIPSIS: Final = "…"
# Only so many characters of a message are looked at.
_MAX_LENGTH: Final = 5_000


def excerpt(text: str, terms: Collection[str], max_length: int) -> str:
    """Return the text if it is short, otherwise its passages with the most of the terms, in the text's order.

    `…` stands for what is left out. The result has at most `max_length` characters, and one `…` between two passages.
    """
    if len(text) <= max_length:
        return text
    passages = [each for each in _passages(text[:_MAX_LENGTH]) if each.strip()]
    wanted = set(terms)
    matching = [len(wanted.intersection(text_terms(passage))) for passage in passages]
    # The first passages come first if several have equally many terms.
    order = sorted(range(len(passages)), key=lambda number: -matching[number])
    chosen: set[int] = set()
    left = max_length
    for number in order:
        cost = len(passages[number].strip()) + 2
        if cost <= left:
            chosen.add(number)
            left -= cost
    if not chosen:
        return passages[order[0]].strip()[: max_length - 1] + _ELLIPSIS
    return _joined(passages, chosen)


def _passages(text: str) -> list[str]:
    return [match[0] for match in _PASSAGE.finditer(text) if match[0]]


def _joined(passages: list[str], chosen: Collection[int]) -> str:
    parts: list[str] = []
    last = -1
    for number in sorted(chosen):
        if number != last + 1:
            parts.append(_ELLIPSIS)
        parts.append(passages[number].strip())
        last = number
    if last != len(passages) - 1:
        parts.append(_ELLIPSIS)
    return " ".join(parts)
