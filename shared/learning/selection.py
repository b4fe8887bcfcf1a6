"""Selects the sentences of a summary: those that together cover most of what a conversation is about."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Final

from shared.search_terms import asked_terms

# Between two sentences stands a space.
_SEPARATOR: Final = 1


def covering_sentences(sentences: Sequence[str], max_characters: int) -> list[int]:
    """Return the indexes of the sentences that cover most of the terms of all within a length, in their order.

    A term counts as often as sentences have it, and only once for the result. The sentence with the most new terms a
    character is taken next: the greedy algorithm for the budgeted maximum coverage problem (Khuller, Moss, Naor:
    The budgeted maximum coverage problem, 1999; Takamura, Okumura: Text Summarization Model based on Maximum
    Coverage Problem, 2009).

    Args:
        sentences: The sentences of a thread's summary, oldest first.
        max_characters: The greatest length of the result, with one space between two sentences.
    """
    if sum(len(each) + _SEPARATOR for each in sentences) <= max_characters + _SEPARATOR:
        return list(range(len(sentences)))
    terms = [set(asked_terms(sentence)) for sentence in sentences]
    weights = Counter(term for each in terms for term in each)
    costs = [len(sentence) + _SEPARATOR for sentence in sentences]

    def gain(index: int) -> tuple[float, int]:
        # Of two sentences that add equally much, the newer one counts.
        return -sum(weights[term] for term in terms[index]) / costs[index], -index

    # What a sentence adds only falls while others are taken, so an old value is a bound (lazy evaluation; Minoux:
    # Accelerated greedy algorithms for maximizing submodular set functions, 1978).
    queue = [(gain(index), index) for index in range(len(sentences))]
    heapq.heapify(queue)
    chosen: list[int] = []
    left = max_characters + _SEPARATOR
    while queue:
        bound, index = heapq.heappop(queue)
        if costs[index] > left:
            continue
        if (current := gain(index)) != bound:
            heapq.heappush(queue, (current, index))
            continue
        chosen.append(index)
        left -= costs[index]
        for term in terms[index]:
            weights[term] = 0
    return sorted(chosen)
