"""Combines the scores of the words and of the meanings into one score for each exchange.

Both scores are normalised within the query: the words' by their maximum, the cosines by their range. On two public sets
of questions, their weighted sum found more than a fusion of ranks. An exchange also gets a share of the best exchange
in its thread.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Final, TypeVar

_Name = TypeVar("_Name", bound=Hashable)

# Weights from 0.4 to 0.6 differ by less than chance.
_WEIGHT_OF_WORDS: Final = 0.5
# What an exchange gets of the best score in its thread.
_THREAD_SHARE: Final = 0.3


def best_of_threads(threads: Collection[Hashable], scores: Iterable[float]) -> dict[Hashable, float]:
    """Return the best score of each thread."""
    best = dict.fromkeys(threads, 0.0)
    for thread, score in zip(threads, scores, strict=True):
        # For thousands of scores, this takes half of the time of `max`.
        if score > best[thread]:  # noqa: PLR1730
            best[thread] = score
    return best


def with_thread_share(score: float, best: float) -> float:
    """Return an exchange's score with its share of the best one in its thread."""
    return score + _THREAD_SHARE * best


def fuse(
    words: Mapping[_Name, float], cosines: Mapping[_Name, float], threads: Mapping[_Name, Hashable]
) -> dict[_Name, float]:
    """Return the score of each exchange.

    An exchange without a vector, which the derivation has not reached yet, is scored by its words alone.

    Args:
        words: The scores by words.
        cosines: The cosines of the vectors with the query's; empty if the search compares no meanings.
        threads: The thread of each exchange.
    """
    most = max(words.values(), default=0.0)
    lowest, highest = min(cosines.values(), default=0.0), max(cosines.values(), default=0.0)
    scores: dict[_Name, float] = {}
    for name in words.keys() | cosines.keys():
        by_words = words.get(name, 0.0) / most if most else 0.0
        by_meaning = by_words
        if name in cosines:
            by_meaning = (cosines[name] - lowest) / (highest - lowest) if highest > lowest else 1.0
        scores[name] = _WEIGHT_OF_WORDS * by_words + (1 - _WEIGHT_OF_WORDS) * by_meaning
    best = best_of_threads([threads[name] for name in scores], scores.values())
    highest_of_all = max(best.values(), default=0.0) or 1.0
    return {name: with_thread_share(score, best[threads[name]] / highest_of_all) for name, score in scores.items()}
