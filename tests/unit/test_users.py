"""The operations handle preferences in both layers, and delete a user."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.errors import StoreUnavailable, ThreadNotFound
from shared.ids import ExchangeIds
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import contents_of, exchange, texts

MakeMemory = Callable[..., Memory]


@pytest.fixture
def users(memory: MakeMemory) -> Users:
    """Return the operations on users."""
    return Users(memory())


def test_preferences_are_merged_and_replaced(users: Users, cache: InMemoryCache) -> None:
    """A value of None removes a preference. L1 equals L2 after each change."""
    assert users.preferences("ana") == {}
    steps: list[tuple[Callable[[], dict[str, str]], dict[str, str]]] = [
        (lambda: users.merge("ana", {"a": "1", "b": "2"}), {"a": "1", "b": "2"}),
        (lambda: users.merge("ana", {"a": None, "c": "3", "none": None}), {"b": "2", "c": "3"}),
        (lambda: users.merge("ana", {}), {"b": "2", "c": "3"}),
        (lambda: users.replace("ana", {"d": ""}), {"d": ""}),
        (lambda: users.replace("ana", {}), {}),
    ]
    for change, expected in steps:
        assert change() == expected
        assert users.preferences("ana") == cache.hashes["ana"] == expected


def test_only_the_next_turn_refills_redis(users: Users, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """PostgreSQL returns the preferences, and the request writes nothing to Redis. The next turn refills Redis."""
    users.replace("ana", {"a": "1"})
    cache.lose_everything()
    archive.calls.clear()
    assert users.preferences("ana") == users.preferences("ana") == {"a": "1"}
    assert archive.calls == ["preferences", "preferences"]
    assert cache.hashes == {}


def test_l2_serves_preferences_without_l1(
    users: Users, cache: InMemoryCache, archive: InMemoryArchive, memory: MakeMemory
) -> None:
    """If L1 is down, L2 serves and accepts changes.

    L1 shows no old values when it is back, and the sweep updates L1.
    """
    users.replace("ana", {"a": "1"})
    cache.is_down = True
    assert users.preferences("ana") == {"a": "1"}
    assert users.merge("ana", {"a": "2"}) == {"a": "2"}
    assert [(invalidation.kind, invalidation.id) for invalidation in archive.invalidations(9)] == [("user", "ana")]
    cache.is_down = False
    assert Turn(memory(), None, "ana").recall().preferences == {"a": "2"}


def test_l2s_preferences_are_returned_if_l1_goes_down(
    users: Users, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """If L1 goes down while L2 responds, the response still has L2's values."""
    users.replace("ana", {"a": "1"})
    cache.lose_everything()
    preferences = archive.preferences

    def stop_l1_and_read(user_id: str, update_cache: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
        cache.is_down = True
        return preferences(user_id, update_cache)

    archive.preferences = stop_l1_and_read  # type: ignore[method-assign]
    assert users.preferences("ana") == {"a": "1"}


def test_cached_preferences_are_returned_without_l2(users: Users, archive: InMemoryArchive) -> None:
    """If L2 is down, L1 returns the preferences that it has cached. Changes and unknown users need L2."""
    users.replace("ana", {"a": "1"})
    archive.is_down = True
    assert users.preferences("ana") == {"a": "1"}
    for operation in (lambda: users.preferences("bob"), lambda: users.merge("ana", {}), lambda: users.forget("ana")):
        with pytest.raises(StoreUnavailable, match="postgres"):
            operation()


def test_a_deletion_removes_all_data_of_the_user(
    users: Users, memory: MakeMemory, archive: InMemoryArchive, cache: InMemoryCache, queue: InMemoryQueue
) -> None:
    """The user's preferences and all threads of the user, drained or undrained, are deleted.

    Other users' data stays, and no copy restores the deleted data.
    """
    process = memory()
    for thread, user in (("t1", "ana"), ("t2", "ana"), ("t3", "bob")):
        Turn(process, thread, user).append("q0", "a0")
    archive.store(queue.take())
    Turn(process, "t4", "ana").append("q0", "a0")
    users.replace("ana", {"a": "1"})
    users.forget("ana")
    assert archive.store(queue.take()).tombstoned == 1
    for thread in ("t1", "t2", "t4"):
        assert Turn(memory(), thread, "ana").recall().messages == []
        with pytest.raises(ThreadNotFound):
            Threads(memory()).get(thread)
    assert users.preferences("ana") == {}
    assert texts(Turn(process, "t3", "bob").recall().messages) == contents_of(0)
    users.forget("ana")
    assert cache.contents("t1") == []


def test_a_slow_clock_deletes_newer_exchanges_too(users: Users, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """If this process's clock is behind, exchanges with ids ahead of it are deleted, too, in L1 and in the queue."""
    newer = exchange(0, "t", "ana", exchange_id=ExchangeIds().new(now=time.time() + 60))
    cache.append(newer, is_drained=False)
    users.forget("ana")
    assert archive.store([newer]).tombstoned == 1


def test_a_deleted_user_may_return(
    users: Users, memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """After a deletion, the user may return with new data."""
    process = memory()
    Turn(process, "t", "ana").append("q0", "a0")
    users.forget("ana")
    Turn(process, "t", "ana").append("q1", "a1")
    archive.store(queue.take())
    assert texts(Turn(memory(), "t", "ana").recall().messages) == contents_of(1)


def test_exchanges_during_a_deletion_are_deleted(
    users: Users, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """The deletion of a user includes exchanges that L1 gets during the deletion."""
    forget = archive.forget_user

    def append_and_forget(user_id: str, *arguments: object) -> object:
        if "late" not in cache.lists:
            Turn(memory(), "late", "ana").append("q0", "a0")
        return forget(user_id, *arguments)  # type: ignore[arg-type]

    archive.forget_user = append_and_forget  # type: ignore[method-assign,assignment]
    users.forget("ana")
    assert "late" not in cache.lists
    assert "late" in archive.deleted_threads


def test_no_user_is_deleted_without_l1(users: Users, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """If L1 is down, it cannot list the user's threads. So nothing is deleted, and the caller gets an error."""
    users.replace("ana", {"a": "1"})
    cache.is_down = True
    with pytest.raises(StoreUnavailable, match="redis"):
        users.forget("ana")
    assert "forget_user" not in archive.calls


def test_remaining_updates_are_recorded_if_l1_goes_down(
    users: Users, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """If L1 goes down during the deletion, L2 records the remaining updates for the sweep.

    The caller gets an error.
    """
    Turn(memory(), "t", "ana").append("q0", "a0")
    forget = archive.forget_user

    def stop_l1_and_forget(user_id: str, *arguments: object) -> object:
        cache.is_down = True
        return forget(user_id, *arguments)  # type: ignore[arg-type]

    archive.forget_user = stop_l1_and_forget  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreUnavailable, match="redis"):
        users.forget("ana")
    assert {(invalidation.kind, invalidation.id) for invalidation in archive.invalidations(9)} == {
        ("thread", "t"),
        ("user", "ana"),
    }
