"""Ranks the exchanges of a user by a query's words.

Each message of an exchange is scored by itself: the sum of the weights of the query's terms in it, divided by a measure
of its length. A rare term weighs more (the inverse document frequency of BM25, within the user). The score of an
exchange is the sum of its two messages, and a share of the exchanges next to it, because an answer is often beside the
words that ask for it.

The index tells only whether a term occurs, not how often: on the data that the constants below were chosen with,
counting changed no result by more than chance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_Name = TypeVar("_Name", bound=Hashable)

# A message of this many different terms scores half of what the shortest would score with the same matches.
_HALF_LENGTH: Final = 80
# What an exchange gets of the scores of the two exchanges next to it in its thread.
_NEIGHBOUR_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Matched:
    """The exchanges that have any of a query's keys, as parallel sequences.

    Attributes:
        keys: The keys that each exchange has: bit n is set if it has the query's n-th key. A term has two keys: in the
            user's message and in the assistant's.
        user_lengths: The number of different terms in each user's message.
        assistant_lengths: The number of different terms in each assistant's message.
    """

    keys: Sequence[int]
    user_lengths: Sequence[int]
    assistant_lengths: Sequence[int]


def match_scores(matched: Matched, total: int) -> list[float]:
    """Return each exchange's score by its own messages alone.

    Args:
        matched: All exchanges of the user that have any of the query's keys.
        total: The number of the user's exchanges.
    """
    # Thousands of exchanges have only few different sets of keys.
    counts = Counter(matched.keys)
    weights = _term_weights(counts, max(total, len(matched.keys)))
    by_keys = {keys: _side_weights(keys, weights) for keys in counts}
    return [
        by_keys[keys][0] / (1 + user_length / _HALF_LENGTH) + by_keys[keys][1] / (1 + assistant_length / _HALF_LENGTH)
        for keys, user_length, assistant_length in zip(
            matched.keys, matched.user_lengths, matched.assistant_lengths, strict=True
        )
    ]


def _term_weights(counts: Mapping[int, int], total: int) -> list[float]:
    """Return the weight of each term: the rarer it is among the user's exchanges, the higher."""
    terms = (max(counts, default=0).bit_length() + 1) // 2
    frequencies = [sum(count for keys, count in counts.items() if keys >> 2 * term & 3) for term in range(terms)]
    return [math.log1p((total - frequency + 0.5) / (frequency + 0.5)) for frequency in frequencies]


def _side_weights(keys: int, weights: Sequence[float]) -> tuple[float, float]:
    """Return the sums of the weights of the terms in the user's message and in the assistant's."""
    user = sum(weight for term, weight in enumerate(weights) if keys >> 2 * term & 1)
    assistant = sum(weight for term, weight in enumerate(weights) if keys >> 2 * term & 2)
    return user, assistant


class Ranking(Generic[_Name]):
    """Combines the scores of exchanges with those of their neighbours.

    Attributes:
        scores: The score of each exchange.
        threads: The thread of each exchange.
    """

    def __init__(self) -> None:
        self.scores: dict[_Name, float] = {}
        self.threads: dict[_Name, Hashable] = {}

    def add(self, run: Sequence[tuple[_Name | None, float]], thread: Hashable) -> None:
        """Add exchanges that are next to each other in a thread, except the first and the last one.

        The first and the last one only contribute to their neighbours, because one of their own neighbours is unknown.

        Args:
            run: The names and the scores by their own messages, oldest first. None if there is no exchange.
            thread: Their thread.
        """
        for (_, before), (name, score), (_, after) in zip(run, run[1:], run[2:], strict=False):
            if name is not None and (score or before or after):
                self.scores[name] = score + _NEIGHBOUR_SHARE * (before + after)
                self.threads[name] = thread
