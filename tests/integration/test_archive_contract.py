"""The contract of L2 and of the in-memory L2. Each test runs on both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.ids import ExchangeIds
from shared.models import ExchangeTexts
from shared.search_keys import query_terms
from shared.stores.archive import Archive, MessagePosition
from shared.stores.search import SearchScope
from shared.testing import InMemoryArchive
from tests.support.exchanges import MOMENT, contents_of, exchange, exchanges, texts


@pytest.fixture(params=["real", "in memory"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """Return L2 or the in-memory L2."""
    if request.param == "in memory":
        return InMemoryArchive()
    make: Callable[[], Archive] = request.getfixturevalue("real_archive")
    return make()


def _done(_: Any) -> bool:
    return True


def test_a_page_starts_at_any_position_in_either_direction(archive: Archive) -> None:
    """A page of messages can start at any position, in both directions."""
    created = exchanges(5)
    archive.store(created)
    assert texts(archive.messages("t", 3, None, descending=False)) == ["q0", "a0", "q1"]
    assert texts(archive.messages("t", 3, None, descending=True)) == ["a4", "q4", "a3"]
    middle = MessagePosition(created[2].order, 0)
    assert texts(archive.messages("t", 9, middle, descending=False)) == ["a2", *contents_of(3, 4)]
    assert texts(archive.messages("t", 9, middle, descending=True)) == contents_of(0, 1)[::-1]
    assert archive.messages("other", 9, None, descending=False) == []


def test_messages_have_their_order_key(archive: Archive) -> None:
    """Each message has its exchange's id, time and order key."""
    created = exchange(1, user_id="ana")
    archive.store([created])
    for message, position in zip(archive.messages("t", 9, None, descending=False), created.messages, strict=True):
        assert (message.role, message.exchange_id, message.created_at, message.order) == (
            position.role,
            created.exchange_id,
            created.created_at,
            created.order,
        )


def test_threads_are_listed_by_last_use(archive: Archive) -> None:
    """Pages list one user's threads by their last use, newest first."""
    for number in (3, 1, 2):
        archive.store([exchange(0, f"t{number}", "ana", created_at=MOMENT + timedelta(seconds=number))])
    archive.store([exchange(1, "t1", "ana", created_at=MOMENT + timedelta(seconds=9)), exchange(0, "other", "bob")])
    (first, place), (second, _) = archive.threads("ana", 2, None)
    assert (first.thread_id, second.thread_id, first.message_count, first.document_ids) == ("t1", "t3", 4, None)
    next_page = archive.threads("ana", 9, place)
    assert [thread.thread_id for thread, _ in next_page] == ["t3", "t2"]


def test_thread_returns_a_thread_with_its_documents_or_none(archive: Archive) -> None:
    """`thread` returns a thread with its documents, or None if the thread does not exist."""
    archive.store([exchange(0, user_id="ana", document_ids=("d1",))])
    thread = archive.thread("t")
    assert thread is not None
    assert (thread.user_id, thread.title, thread.message_count, thread.document_ids) == ("ana", "q0", 2, ("d1",))
    assert (archive.thread("other"), archive.rename("other", "x")) == (None, None)


def test_a_deletion_returns_the_cutoff_and_whether_the_thread_existed(archive: Archive) -> None:
    """A deletion returns whether the thread existed, and the cutoff. An earlier cutoff does not replace a later one."""
    created = exchanges(3)
    archive.store(created[:2])
    assert archive.forget_thread("t", created[0].order) == (True, created[1].order)
    assert archive.forget_thread("t", created[0].order) == (False, created[1].order)
    window = archive.window("t", 5)
    assert (window.exchanges, window.is_all, window.cutoff) == ([], True, created[1].order)
    assert archive.store(created).tombstoned == 2


def test_a_window_names_the_owner(archive: Archive) -> None:
    """`window` and `owner` return the same owner of a thread.

    The thread may be claimed (L2 has its owner), stored, deleted or unknown.
    """
    archive.store([exchange(0, "stored", "ana"), exchange(1, "both", "ana"), exchange(2, "unowned")])
    archive.claim_ownership("both", "ana")
    archive.claim_ownership("claimed", "bob")
    archive.claim_ownership("deleted", "bob")
    archive.forget_thread("deleted", exchange(3).order)
    for thread_id in ("stored", "both", "unowned", "claimed", "deleted", "unknown"):
        assert archive.window(thread_id, 5).owner == archive.owner(thread_id), thread_id
    assert archive.window("claimed", 5).owner.user_id == "bob"


def test_a_users_deletion_deletes_the_users_data_only(archive: Archive) -> None:
    """A deletion deletes the user's preferences and threads, including threads in L1 only. Other users' data stays."""
    created = [exchange(0, "t1", "ana"), exchange(1, "t2", "bob"), exchange(2, "t1", "bob")]
    archive.store(created)
    archive.change_preferences("ana", {"a": "1"}, replace=True, update_cache=_done)
    cutoff = created[0].order
    of_user, of_threads = archive.forget_user("ana", cutoff, ["t2", "t3"])
    assert (of_user, of_threads) == (created[2].order, {"t1": created[2].order, "t3": of_user})
    assert (archive.thread("t1"), archive.preferences("ana")) == (None, {})
    assert archive.thread("t2") is not None
    assert archive.user_cutoffs(["ana", "bob", "eve"]) == {"ana": of_user}
    assert archive.window("t2", 5, ["ana", "bob", "eve"]).user_cutoffs == {"ana": of_user}
    assert archive.window("t2", 5).user_cutoffs == {}
    assert archive.store([exchange(3, "t4", "ana", exchange_id=created[1].exchange_id)]).tombstoned == 1


def test_preferences_are_set_changed_removed_and_replaced(archive: Archive) -> None:
    """A caller can set, change, remove and replace preferences.

    After each change, L2 passes the stored preferences to L1. If this fails, L2 records an invalidation.
    """
    seen: list[dict[str, str]] = []

    def note(found: dict[str, str]) -> bool:
        seen.append(found)
        return len(found) != 1

    changes: list[tuple[dict[str, str | None], bool]] = [
        ({"a": "1", "b": "2"}, False),
        ({"a": None, "c": None}, False),
        ({"x": "1", "y": "2"}, True),
        ({}, True),
    ]
    for change, is_replacement in changes:
        assert archive.change_preferences("ana", change, replace=is_replacement, update_cache=note) == seen[-1]
        assert archive.preferences("ana") == seen[-1]
        repaired = [(repair.kind, repair.id) for repair in archive.invalidations(9)]
        assert repaired == ([("user", "ana")] if len(seen[-1]) == 1 else [])
        for repair in archive.invalidations(9):
            archive.clear_invalidation(repair)
    assert seen == [{"a": "1", "b": "2"}, {"b": "2"}, {"x": "1", "y": "2"}, {}]
    read: list[dict[str, str]] = []
    archive.preferences("ana", read.append)
    assert read == [{}]


def test_each_invalidation_is_returned_until_it_is_cleared(archive: Archive) -> None:
    """An invalidation records that L1 needs an update. L2 returns each invalidation once.

    An invalidation that is recorded a second time stays, if only its first record is cleared.
    """
    archive.log_invalidations("thread", ["b", "a", "a"])
    archive.log_invalidations("user", ["a"])
    recorded = archive.invalidations(9)
    assert {(repair.kind, repair.id) for repair in recorded} == {("thread", "a"), ("thread", "b"), ("user", "a")}
    assert len(archive.invalidations(2)) == 2
    archive.log_invalidations("thread", ["a"])
    for repair in recorded:
        archive.clear_invalidation(repair)
    assert [(repair.kind, repair.id) for repair in archive.invalidations(9)] == [("thread", "a")]
    archive.log_invalidations("thread", [])


def test_log_empty_cache_returns_true_only_for_the_first_epoch(archive: Archive) -> None:
    """`log_empty_cache` records that L1 was found empty. It returns true only the first time."""
    assert [archive.log_empty_cache() for _ in range(3)] == [True, False, False]


def _matching(archive: Archive, query: str, scope: SearchScope) -> set[str]:
    """Return the texts of the scope's exchanges that have any of the query's terms."""
    matches = archive.matches(scope, query_terms(query).keys)
    row_ids = [matches.row_id(number) for number in range(len(matches.keys))]
    return {each.exchange.user_message for each in archive.found(scope.user_id, row_ids).values()}


def test_matches_are_the_users_exchanges_with_any_of_the_terms(archive: Archive) -> None:
    """L2 returns the user's own exchanges that have any of the terms, within the search's scope."""
    created = [
        exchange("I love pizza", "t1", "ana"),
        exchange(" pizza and Pasta", "t2", "ana"),
        exchange(" pizza", "t3", "bob"),
        exchange(" pasta, pizza", "now", "ana"),
        exchange("100% \\ under_score", "t4", "ana"),
    ]
    archive.store(created)
    everything = SearchScope("ana")
    assert _matching(archive, "PIZZA or pasta?", everything) == {"qI love pizza", "q pizza and Pasta", "q pasta, pizza"}
    assert _matching(archive, "pasta", replace(everything, exclude_thread_id="now")) == {"q pizza and Pasta"}
    assert _matching(archive, "pizza", replace(everything, thread_id="t1")) == {"qI love pizza"}
    assert _matching(archive, "pizza", replace(everything, thread_id="t3")) == set()
    assert _matching(archive, "score", everything) == {"q100% \\ under_score"}
    assert _matching(archive, "spaghetti", everything) == set()
    assert _matching(archive, "pizza", replace(everything, since=created[1].created_at)) >= {"q pasta, pizza"}
    assert _matching(archive, "pizza", replace(everything, until=created[0].created_at)) == set()
    assert archive.matches(everything, query_terms("pizza").keys).total == 4
    assert archive.matches(everything, ()).keys == ()


def test_replaced_and_deleted_exchanges_are_not_matched(archive: Archive) -> None:
    """After a replacement only the new words match, and after a deletion none."""
    first, second = exchange(" tomatoes", "t", "ana"), exchange(" cucumbers", "t", "ana")
    archive.store([first, second])
    archive.replace_exchange("t", first.exchange_id, ExchangeTexts("radishes", "good"))
    assert _matching(archive, "tomatoes", SearchScope("ana")) == set()
    assert _matching(archive, "radishes", SearchScope("ana")) == {"radishes"}
    archive.delete_exchange("t", first.exchange_id)
    assert _matching(archive, "radishes good", SearchScope("ana")) == set()
    archive.forget_thread("t", ExchangeIds().new())
    assert _matching(archive, "cucumbers", SearchScope("ana")) == set()


def test_the_exchanges_beside_a_match_are_in_thread_order(archive: Archive) -> None:
    """L2 returns the two exchanges before and the two after, nearest first."""
    created = [exchange(f" word{number}", "t", "ana") for number in range(5)]
    archive.store([*created, exchange(" word9", "other", "ana")])
    names: dict[str, UUID] = {}
    for number in range(5):
        matches = archive.matches(SearchScope("ana"), query_terms(f"word{number}").keys)
        names[f"word{number}"] = matches.row_id(0)
    (beside,) = archive.beside(SearchScope("ana"), [names["word1"]])
    assert (list(beside.before), list(beside.after)) == ([names["word0"]], [names["word2"], names["word3"]])
    (beside,) = archive.beside(SearchScope("ana"), [names["word4"]])
    assert (list(beside.before), list(beside.after)) == ([names["word3"], names["word2"]], [])


def test_unstored_exchanges_are_neither_stored_nor_deleted(archive: Archive) -> None:
    """L2 returns the undrained exchanges that a search must add: those that it neither has nor has deleted."""
    stored, deleted, waiting = exchange("a", "t", "ana"), exchange("b", "t", "ana"), exchange("c", "t", "ana")
    gone, foreign = exchange("d", "gone", "ana"), exchange("e", "theirs", "ana")
    archive.claim_ownership("theirs", "bob")
    archive.store([stored, deleted, exchange("d", "gone", "ana")])
    archive.delete_exchange("t", deleted.exchange_id)
    archive.forget_thread("gone", ExchangeIds().new())
    newer = stored.revised(ExchangeTexts("a2", "b2"), 1)
    unstored = archive.unstored([stored, deleted, waiting, gone, foreign, newer])
    assert [each.exchange for each in unstored] == [waiting, newer]
    assert {each.title for each in unstored} == {"qa"}
    assert archive.unstored([]) == []


def test_a_window_with_both_kinds_of_ids_is_in_thread_order(archive: Archive) -> None:
    """L2 returns messages in thread order, although some ids are UUIDv7 and others are not."""
    ids = ExchangeIds()
    now = MOMENT.timestamp()
    created = [
        exchange(0, exchange_id=ids.new(now=now)),
        exchange(1, exchange_id=UUID(int=9), created_at=MOMENT + timedelta(seconds=1)),
        exchange(2, exchange_id=ids.new(now=now + 2)),
        exchange(3, exchange_id=UUID(int=8), created_at=MOMENT + timedelta(seconds=3)),
    ]
    archive.store(created[::-1])
    assert archive.window("t", 9).exchanges == created
    assert archive.window("t", 2).exchanges == created[2:]
