"""Ranks the exchanges of a user by a query's words.

Each message of an exchange is scored by itself: the sum of the weights of the query's terms in it, where a rare term
weighs more (the inverse document frequency of BM25, within the user), divided by a measure of its length. An exchange
has the sum of its two messages, a share of the exchanges next to it, because an answer is often next to the words that
ask for it, and a share of the best exchange in its thread. Of equal scores, the newer exchange is first.

The index tells only whether a term occurs, not how often: counting changed the results no more than chance does, on the
data that the constants below were chosen with.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from shared.search_terms import asked_terms, term_key, text_terms

DocumentId = TypeVar("DocumentId", bound=Hashable)

# A query has at most as many terms. The first ones count, for a text that is pasted as a query.
MAX_QUERY_TERMS: Final = 64
# A message with this many different terms scores half of what a very short one scores with the same matches.
_HALF_LENGTH: Final = 80
# What an exchange gets of the scores of the two exchanges next to it in its thread.
_NEIGHBOUR_SHARE: Final = 0.2
# What an exchange gets of the best score in its thread.
_THREAD_SHARE: Final = 0.3


@dataclass(frozen=True)
class QueryTerms:
    """The terms of a query.

    Attributes:
        keys: For each term, its key in the user's message and its key in the assistant's message.
    """

    keys: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def terms(self) -> Collection[str]:
        """The terms, in the order of the query."""
        return self.keys.keys()

    def all_keys(self) -> list[int]:
        """Return all keys, to ask the index for."""
        return sorted({key for pair in self.keys.values() for key in pair})


@dataclass(frozen=True)
class DocumentTerms:
    """What an exchange is indexed by.

    Attributes:
        keys: The keys of the terms in both messages, sorted, each once.
        user_length: The number of different terms in the user's message.
        length: The number of different terms in the user's message, plus those of the assistant's.
    """

    keys: list[int]
    user_length: int
    length: int


@dataclass(frozen=True, slots=True)
class Document:
    """What the ranking knows of an exchange.

    Attributes:
        thread: The thread that it is in.
        time: When it was created; only the order counts.
        user_length: As in `DocumentTerms`.
        length: As in `DocumentTerms`.
    """

    thread: Hashable
    time: float
    user_length: int
    length: int


def query_terms(text: str) -> QueryTerms:
    """Return the terms of a query with their keys."""
    return QueryTerms(
        {term: (term_key("u", term), term_key("a", term)) for term in asked_terms(text)[:MAX_QUERY_TERMS]}
    )


def document_keys(user_message: str, assistant_message: str) -> DocumentTerms:
    """Return what an exchange is indexed by."""
    in_user, in_assistant = text_terms(user_message), text_terms(assistant_message)
    keys = {term_key("u", term) for term in in_user} | {term_key("a", term) for term in in_assistant}
    return DocumentTerms(sorted(keys), user_length=len(in_user), length=len(in_user) + len(in_assistant))


def rank(
    query: QueryTerms,
    postings: Mapping[int, Collection[DocumentId]],
    documents: Mapping[DocumentId, Document],
    total: int,
) -> list[tuple[DocumentId, float]]:
    """Return the exchanges that a query finds, the best first.

    Args:
        query: The terms of the query.
        postings: For each key of the query, the exchanges that have it, each once. Only `documents` are found.
        documents: The exchanges, as for `add_context`. Of equal times, the later one here is the newer.
        total: The number of the user's exchanges.

    Returns:
        Exchanges with their scores. The best score is 1; each score is above 0.
    """
    scores = add_context(match_scores(query, postings, documents, total), documents)
    highest = max(scores.values(), default=1.0)
    found = [name for name in reversed(list(documents)) if name in scores]
    found.sort(key=lambda name: documents[name].time, reverse=True)
    found.sort(key=scores.__getitem__, reverse=True)
    return [(name, scores[name] / highest) for name in found]


def match_scores(
    query: QueryTerms,
    postings: Mapping[int, Collection[DocumentId]],
    documents: Mapping[DocumentId, Document],
    total: int,
) -> dict[DocumentId, float]:
    """Return the score of each exchange that has a term of the query, by its own two messages alone.

    The arguments are those of `rank`.
    """
    in_user: defaultdict[DocumentId, float] = defaultdict(float)
    in_assistant: defaultdict[DocumentId, float] = defaultdict(float)
    for user_key, assistant_key in query.keys.values():
        users, assistants = postings.get(user_key, ()), postings.get(assistant_key, ())
        weight = _inverse_document_frequency(len(set(users).union(assistants)), total)
        for name in users:
            in_user[name] += weight
        for name in assistants:
            in_assistant[name] += weight
    scores = {}
    for name in in_user.keys() | in_assistant.keys():
        if document := documents.get(name):
            by_user = in_user.get(name, 0.0) / (1 + document.user_length / _HALF_LENGTH)
            assistant_length = document.length - document.user_length
            scores[name] = by_user + in_assistant.get(name, 0.0) / (1 + assistant_length / _HALF_LENGTH)
    return scores


def add_context(
    scores: Mapping[DocumentId, float], documents: Mapping[DocumentId, Document]
) -> dict[DocumentId, float]:
    """Return scores with what each exchange gets from those next to it and from the best one in its thread.

    Exchanges of a thread are next to each other when they follow each other by time in `documents`. An exchange without
    a score gets one if it is next to an exchange with a score. So `documents` should have all exchanges of the user, or
    those with a score and those next to them. If it has only those with a score, fewer answers are found.
    """
    result: dict[DocumentId, float] = {}
    for thread in _threads(documents):
        own = [scores.get(name, 0.0) for name in thread]
        from_thread = _THREAD_SHARE * max(own)
        if not from_thread:
            continue
        for name, score, before, after in zip(thread, own, [0.0, *own], [*own[1:], 0.0], strict=False):
            if score or before or after:
                result[name] = score + _NEIGHBOUR_SHARE * (before + after) + from_thread
    return result


def _inverse_document_frequency(frequency: int, total: int) -> float:
    """Return the weight of a term that so many of the exchanges have."""
    return math.log1p((max(total - frequency, 0) + 0.5) / (frequency + 0.5))


def _threads(documents: Mapping[DocumentId, Document]) -> Iterable[list[DocumentId]]:
    """Return the exchanges of each thread, in the order of time."""
    threads: defaultdict[Hashable, list[DocumentId]] = defaultdict(list)
    for name, document in documents.items():
        threads[document.thread].append(name)
    for names in threads.values():
        names.sort(key=lambda name: documents[name].time)
    return threads.values()
