"""Ranking of a user's exchanges by a query's words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.memory.memory import Memory
from shared.memory.search.ranking import Matched, match_scores
from shared.memory.search.search import Search
from shared.search_keys import MAX_QUERY_TERMS, document_terms, matched_keys, query_terms
from shared.settings import MemorySettings
from shared.stores.search import SearchScope
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import said

# The thread, the user's message and the assistant's message.
_Exchange = tuple[str, str, str]
# More than a hundred times what it takes.
_SECONDS_FOR_MANY_EXCHANGES = 5
_WORDS = st.sampled_from(["red", "dog", "blue", "cat", "x"])


def _search(query: str, exchanges: list[_Exchange], limit: int = 100) -> list[tuple[int, float]]:
    """Return the numbers of the exchanges that a query finds, with their scores."""
    stored = [said(user_message, assistant_message, thread) for thread, user_message, assistant_message in exchanges]
    archive = InMemoryArchive()
    archive.store(stored)
    search = Search(Memory(InMemoryCache(), archive, InMemoryQueue(), MemorySettings()))
    numbers = {exchange.exchange_id: number for number, exchange in enumerate(stored)}
    answer = search.search(SearchScope("ana"), query, limit)
    return [(numbers[item.exchange.exchange_id], item.score) for item in answer.items]


def _found(query: str, exchanges: list[_Exchange], limit: int = 100) -> list[int]:
    """Return the numbers of the exchanges that a query finds, the best first."""
    return [number for number, _ in _search(query, exchanges, limit)]


def test_keys_are_sorted_and_unique() -> None:
    """An exchange has a key for each term of each message, and the lengths of both."""
    terms = document_terms("The dog, the dog", "A dog")
    assert terms.keys == sorted(set(terms.keys))
    assert (len(terms.keys), terms.user_length, terms.assistant_length) == (4, 2, 2)
    assert document_terms("", "").keys == []


def test_keys_of_the_query_are_those_of_the_index() -> None:
    """A query has two keys for each term: one in the user's message, one in the assistant's."""
    query = query_terms("dogs?")
    assert query.terms == ("dog",)
    user_key, assistant_key = query.keys
    assert document_terms("dog", "").keys == [user_key]
    assert document_terms("", "dog").keys == [assistant_key]
    assert [
        matched_keys(query.keys, document_terms(*texts)) for texts in (("dog", ""), ("", "dog"), ("dog", "dog"))
    ] == [
        1,
        2,
        3,
    ]


def test_a_long_query_has_a_bounded_number_of_terms() -> None:
    """A text that is pasted as a query asks for its first terms only."""
    query = query_terms(" ".join(f"w{number}" for number in range(1_000)))
    assert query.terms == tuple(f"w{number}" for number in range(MAX_QUERY_TERMS))


@pytest.mark.parametrize("query", ["", "?!", "unicorn"])
def test_nothing_is_found(query: str) -> None:
    """A query without words, or with words that no exchange has, finds nothing."""
    assert _found(query, [("t", "I have a dog", "Nice")]) == []
    assert _found(query, []) == []


def test_any_word_counts() -> None:
    """An exchange is found by any of the words, in either message; more words are better."""
    exchanges = [("a", "red", "x"), ("b", "x", "blue"), ("c", "red", "blue"), ("d", "x", "x")]
    assert _found("red blue", exchanges) == [2, 1, 0]


def test_rare_words_count_more() -> None:
    """A word that few exchanges have weighs more than one that many have."""
    exchanges = [(f"t{number}", "holiday plans", "Where?") for number in range(10)]
    exchanges += [("rare", "the Lofoten", "Where?")]
    assert _found("holiday Lofoten", exchanges)[0] == 10


def test_short_messages_count_more() -> None:
    """The same word weighs more in a short message than in a long one."""
    long_message = "dog " + " ".join(f"w{number}" for number in range(300))
    assert _found("dog", [("a", "dog", "ok"), ("b", long_message, "ok")]) == [0, 1]
    assert _found("dog", [("a", "ok", "dog"), ("b", "ok", long_message)]) == [0, 1]


def test_best_thread_is_preferred() -> None:
    """Of equal matches, the one in the thread with the better match is first, although it is older."""
    exchanges = [
        ("berlin", "hotel in Kreuzberg", "ok"),
        ("berlin", "x", "x"),
        ("berlin", "x", "x"),
        ("berlin", "hotel", "ok"),
        ("rome", "hotel", "ok"),
    ]
    found = _found("hotel Kreuzberg", exchanges)
    assert found[:2] == [0, 3]
    assert 4 in found


def test_the_answer_beside_a_match_is_found() -> None:
    """An exchange without a word of the query is found next to one with it, in the same thread only."""
    exchanges = [("a", "x", "x"), ("b", "Which car do you drive?", "x"), ("b", "An old Saab", "x"), ("b", "x", "x")]
    assert _found("car", exchanges) == [1, 2]


def test_equal_scores_are_ordered_by_time() -> None:
    """Of equal scores, the newer exchange is first."""
    exchanges = [(f"t{number}", "my dog", "ok") for number in range(5)]
    assert _found("dog", exchanges) == [4, 3, 2, 1, 0]


def test_scores_are_above_zero_and_at_most_one() -> None:
    """The best score is 1, the others are in order below it."""
    scores = [score for _, score in _search("red dog", [("a", "red dog", "red"), ("b", "dog", "x"), ("c", "x", "red")])]
    assert scores[0] == 1
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.lists(_WORDS, max_size=4), st.lists(_WORDS, max_size=4)), max_size=12
    ),
    st.lists(_WORDS, min_size=1, max_size=3),
)
def test_a_low_limit_returns_the_first_of_all(
    threads: list[tuple[str, list[str], list[str]]], query: list[str]
) -> None:
    """With a low limit, only the best exchanges and those next to them are compared. The result is the same."""
    exchanges = [(thread, " ".join(user), " ".join(assistant)) for thread, user, assistant in threads]
    everything = _search(" ".join(query), exchanges)
    assert _search(" ".join(query), exchanges, limit=2) == everything[:2]


def test_ten_thousand_exchanges_take_a_short_time() -> None:
    """Eight terms, each in a quarter of ten thousand exchanges, are scored in bounded time."""
    keys = [1 << number % 16 | 1 << number * 7 % 16 for number in range(10_000)]
    started = time.monotonic()
    assert len(match_scores(Matched(keys, [20] * 10_000, [200] * 10_000), 10_000)) == 10_000
    assert time.monotonic() - started < _SECONDS_FOR_MANY_EXCHANGES
