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


def test_a_read_only_request_leaves_the_refill_to_the_next_turn(
    users: Users, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """PostgreSQL returns the preferences, and the request writes nothing to Redis. The next turn refills Redis."""
    users.replace("ana", {"a": "1"})
    cache.lose_everything()
    archive.calls.clear()
    assert users.preferences("ana") == users.preferences("ana") == {"a": "1"}
    assert archive.calls == ["preferences", "preferences"]
    assert cache.hashes == {}


def test_l1_down(users: Users, cache: InMemoryCache, archive: InMemoryArchive, memory: MakeMemory) -> None:
    """If L1 is down, L2 serves and accepts changes.

    L1 shows no old values when it is back, and the sweep updates L1.
    """
    users.replace("ana", {"a": "1"})
    cache.is_down = True
    assert users.preferences("ana") == {"a": "1"}
    assert users.merge("ana", {"a": "2"}) == {"a": "2"}
    assert [(repair.kind, repair.id) for repair in archive.invalidations(9)] == [("user", "ana")]
    cache.is_down = False
    assert Turn(memory(), None, "ana").recall().preferences == {"a": "2"}


def test_l1_goes_down_while_l2_responds(users: Users, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """If L1 goes down while L2 responds, the response still has L2's values."""
    users.replace("ana", {"a": "1"})
    cache.lose_everything()
    preferences = archive.preferences

    def and_then(user_id: str, then: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
        cache.is_down = True
        return preferences(user_id, then)

    archive.preferences = and_then  # type: ignore[method-assign]
    assert users.preferences("ana") == {"a": "1"}


def test_l2_down(users: Users, archive: InMemoryArchive) -> None:
    """If L2 is down, L1 returns the preferences that it has cached. Changes and unknown users need L2."""
    users.replace("ana", {"a": "1"})
    archive.is_down = True
    assert users.preferences("ana") == {"a": "1"}
    for use in (lambda: users.preferences("bob"), lambda: users.merge("ana", {}), lambda: users.forget("ana")):
        with pytest.raises(StoreUnavailable, match="postgres"):
            use()


def test_a_user_is_deleted(
    users: Users, memory: MakeMemory, archive: InMemoryArchive, cache: InMemoryCache, queue: InMemoryQueue
) -> None:
    """The user's preferences and all threads of the user, drained or undrained, are deleted.

    Other users' data stays, and no copy restores the deleted data.
    """
    made = memory()
    for thread, user in (("t1", "ana"), ("t2", "ana"), ("t3", "bob")):
        Turn(made, thread, user).append("q0", "a0")
    archive.store(queue.take())
    Turn(made, "t4", "ana").append("q0", "a0")
    users.replace("ana", {"a": "1"})
    users.forget("ana")
    assert archive.store(queue.take()).erased == 1
    for thread in ("t1", "t2", "t4"):
        assert Turn(memory(), thread, "ana").recall().messages == []
        with pytest.raises(ThreadNotFound):
            Threads(memory()).get(thread)
    assert users.preferences("ana") == {}
    assert texts(Turn(made, "t3", "bob").recall().messages) == contents_of(0)
    users.forget("ana")
    assert cache.contents("t1") == []


def test_a_user_is_deleted_by_a_clock_behind(users: Users, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """If this process's clock is behind, exchanges with newer ids are deleted, too, in L1 and in the queue."""
    ahead = exchange(0, "t", "ana", exchange_id=ExchangeIds().new(now=time.time() + 60))
    cache.append(ahead, is_drained=False)
    users.forget("ana")
    assert archive.store([ahead]).erased == 1


def test_a_deleted_user_may_return(
    users: Users, memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """After a deletion, the user may return with new data."""
    made = memory()
    Turn(made, "t", "ana").append("q0", "a0")
    users.forget("ana")
    Turn(made, "t", "ana").append("q1", "a1")
    archive.store(queue.take())
    assert texts(Turn(memory(), "t", "ana").recall().messages) == contents_of(1)


def test_a_thread_gets_exchanges_while_its_user_is_deleted(
    users: Users, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """The deletion of a user includes exchanges that L1 gets during the deletion."""
    forget = archive.forget_user

    def meanwhile(user_id: str, *arguments: object) -> object:
        if "late" not in cache.lists:
            Turn(memory(), "late", "ana").append("q0", "a0")
        return forget(user_id, *arguments)  # type: ignore[arg-type]

    archive.forget_user = meanwhile  # type: ignore[method-assign,assignment]
    users.forget("ana")
    assert "late" not in cache.lists
    assert "late" in archive.deleted_threads


def test_l1_down_when_a_user_is_deleted(users: Users, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """If L1 is down, it cannot list the user's threads. So nothing is deleted, and the caller gets an error."""
    users.replace("ana", {"a": "1"})
    cache.is_down = True
    with pytest.raises(StoreUnavailable, match="redis"):
        users.forget("ana")
    assert "forget_user" not in archive.calls


def test_l1_goes_down_while_a_user_is_deleted(
    users: Users, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """If L1 goes down during the deletion, L2 records the remaining updates for the sweep.

    The caller gets an error.
    """
    Turn(memory(), "t", "ana").append("q0", "a0")
    forget = archive.forget_user

    def and_then(user_id: str, *arguments: object) -> object:
        cache.is_down = True
        return forget(user_id, *arguments)  # type: ignore[arg-type]

    archive.forget_user = and_then  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreUnavailable, match="redis"):
        users.forget("ana")
    assert {(repair.kind, repair.id) for repair in archive.invalidations(9)} == {("thread", "t"), ("user", "ana")}
