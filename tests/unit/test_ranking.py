"""Ranking of a user's exchanges by a query's words."""

from __future__ import annotations

import time
from collections import defaultdict
from itertools import permutations

import pytest

from shared.memory.search.ranking import (
    MAX_QUERY_TERMS,
    Document,
    document_keys,
    query_terms,
    rank,
)

Exchange = tuple[str, str, str]
# More than a hundred times what it takes.
_SECONDS_FOR_MANY_DOCUMENTS = 5


def _index(exchanges: list[Exchange]) -> tuple[dict[int, list[int]], dict[int, Document]]:
    """Return the postings and the documents of exchanges, each a thread, the user's and the assistant's message."""
    postings = defaultdict[int, list[int]](list)
    documents = {}
    for number, (thread, user_message, assistant_message) in enumerate(exchanges):
        terms = document_keys(user_message, assistant_message)
        documents[number] = Document(thread, float(number), terms.user_length, terms.length)
        for key in terms.keys:
            postings[key].append(number)
    return postings, documents


def _search(query: str, exchanges: list[Exchange]) -> list[tuple[int, float]]:
    """Return the numbers of the exchanges that a query finds, with their scores."""
    postings, documents = _index(exchanges)
    return rank(query_terms(query), postings, documents, len(documents))


def _found(query: str, exchanges: list[Exchange]) -> list[int]:
    """Return the numbers of the exchanges that a query finds, the best first."""
    return [number for number, _ in _search(query, exchanges)]


def test_keys_are_sorted_and_unique() -> None:
    """An exchange has a key for each term of each message, and the lengths of both."""
    terms = document_keys("The dog, the dog", "A dog")
    assert terms.keys == sorted(set(terms.keys))
    assert (len(terms.keys), terms.user_length, terms.length) == (4, 2, 4)
    assert document_keys("", "").keys == []


def test_keys_of_the_query_are_those_of_the_index() -> None:
    """A query has two keys a term: one in the user's message, one in the assistant's."""
    query = query_terms("dogs?")
    assert list(query.terms) == ["dog"]
    user_key, assistant_key = query.keys["dog"]
    assert document_keys("dog", "").keys == [user_key]
    assert document_keys("", "dog").keys == [assistant_key]
    assert query.all_keys() == sorted([user_key, assistant_key])


def test_a_long_query_has_a_bounded_number_of_terms() -> None:
    """A text that is pasted as a query asks for its first terms only."""
    query = query_terms(" ".join(f"w{number}" for number in range(1_000)))
    assert list(query.terms) == [f"w{number}" for number in range(MAX_QUERY_TERMS)]


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
    """Of equal scores, the newer exchange is first; of equal times, the later one of the documents."""
    exchanges = [(f"t{number}", "my dog", "ok") for number in range(5)]
    assert _found("dog", exchanges) == [4, 3, 2, 1, 0]
    postings, documents = _index(exchanges)
    same_time = {name: Document(document.thread, 0.0, 2, 3) for name, document in documents.items()}
    assert [name for name, _ in rank(query_terms("dog"), postings, same_time, 5)] == [4, 3, 2, 1, 0]


def test_the_order_does_not_depend_on_the_order_of_the_postings() -> None:
    """The same exchanges have the same scores and the same order, however the index lists them."""
    exchanges = [("a", "red dog", "blue"), ("a", "blue", "red"), ("b", "dog", "red blue"), ("b", "red", "dog")]
    postings, documents = _index(exchanges)
    results = set()
    for order in permutations(documents):
        listed = {key: [name for name in order if name in names] for key, names in postings.items()}
        shuffled = {name: documents[name] for name in order}
        results.add(tuple(rank(query_terms("red blue dog"), listed, shuffled, 4)))
    assert len(results) == 1


def test_scores_are_above_zero_and_at_most_one() -> None:
    """The best score is 1, the others are in order below it."""
    scores = [score for _, score in _search("red dog", [("a", "red dog", "red"), ("b", "dog", "x"), ("c", "x", "red")])]
    assert scores[0] == 1
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


def test_exchanges_that_are_no_document_are_left_out() -> None:
    """An exchange of the postings that is not among the documents is not found, but counts for how rare a word is."""
    postings, documents = _index([("a", "dog", "x"), ("b", "dog", "x")])
    del documents[0]
    assert [name for name, _ in rank(query_terms("dog"), postings, documents, 1)] == [1]
    assert rank(query_terms("dog"), postings, {}, 0) == []


def test_ten_thousand_documents_take_a_short_time() -> None:
    """Eight terms, each in a quarter of ten thousand exchanges, are ranked in bounded time."""
    documents = {number: Document(number // 40, float(number), 20, 200) for number in range(10_000)}
    query = query_terms("alpha beta gamma delta epsilon zeta theta kappa")
    postings = {key: list(range(index, 10_000, 4)) for index, key in enumerate(query.all_keys())}
    started = time.monotonic()
    assert len(rank(query, postings, documents, 10_000)) == 10_000
    assert time.monotonic() - started < _SECONDS_FOR_MANY_DOCUMENTS
