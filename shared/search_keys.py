"""The keys of terms in the search index: what an exchange is indexed by, and what a query asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.search_terms import Field, asked_terms, term_key, text_keys

# A query has at most this many terms, so that two bits for each fit into PostgreSQL's bigint. The first ones count, for
# a text that is pasted as a query.
MAX_QUERY_TERMS: Final = 31
# Only so many characters of a query are looked at.
_MAX_QUERY_LENGTH: Final = 10_000
_FIELDS: Final[tuple[Field, Field]] = ("u", "a")


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """The terms of a query.

    Attributes:
        terms: The terms in the order of the query, each once.
        keys: The keys, two for each term: the key of the term in the user's message, then in the assistant's.
    """

    terms: tuple[str, ...]
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DocumentTerms:
    """What an exchange is indexed by.

    Attributes:
        keys: The keys of the terms in both messages, sorted, each once.
        user_length: The number of different terms in the user's message.
        assistant_length: The number of different terms in the assistant's message.
    """

    keys: list[int]
    user_length: int
    assistant_length: int


def query_terms(text: str) -> QueryTerms:
    """Return the terms of a query with their keys."""
    terms = tuple(asked_terms(text[:_MAX_QUERY_LENGTH])[:MAX_QUERY_TERMS])
    return QueryTerms(terms, tuple(term_key(field, term) for term in terms for field in _FIELDS))


def document_terms(user_message: str, assistant_message: str) -> DocumentTerms:
    """Return what an exchange is indexed by."""
    user_keys, assistant_keys = text_keys("u", user_message), text_keys("a", assistant_message)
    return DocumentTerms(sorted(user_keys | assistant_keys), len(user_keys), len(assistant_keys))


def matched_keys(keys: Sequence[int], document: DocumentTerms) -> int:
    """Return which of a query's keys an exchange has: bit n is set if it has the n-th key."""
    own = set(document.keys)
    return sum(1 << number for number, key in enumerate(keys) if key in own)
