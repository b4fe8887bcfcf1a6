"""The tests turn on tokens in a stage that ran without tokens.

A user then sees an earlier thread only if all known exchanges of the thread name this user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from shared.errors import ThreadNotFound
from shared.memory.memory import Memory
from shared.memory.ownership import Access
from shared.memory.turn import Turn
from shared.settings import MemorySettings
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue

_SETTINGS = MemorySettings(max_thread_messages=2)


def _count_messages(process: Memory, user_id: str | None, access: Access = "own") -> int | None:
    try:
        return len(Turn(process, "t", user_id, access).recall().messages)
    except ThreadNotFound:
        return None


@pytest.fixture
def cache() -> InMemoryCache:
    """Create a cache with a window of two exchanges."""
    return InMemoryCache(_SETTINGS)


@pytest.fixture
def add_exchanges(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> Callable[[Sequence[str | None]], Memory]:
    """Return a function that adds one exchange for each user to one thread, drains all, and returns a new process."""

    def add(users: Sequence[str | None]) -> Memory:
        process = memory(_SETTINGS)
        for user_id in users:
            assert Turn(process, "t", user_id).append("q", "a").durability == "queue"
        appended = queue.take()
        archive.store(appended)
        cache.merge_stored(appended)
        Turn(process, "t", None).recall()
        return memory(_SETTINGS)

    return add


@pytest.mark.parametrize("is_emptied", [True, False])
@pytest.mark.parametrize(
    ("users", "ana", "bob", "operator"),
    [
        (["ana"], 2, None, 2),
        # The thread's exchanges name no user.
        ([None], None, None, 2),
        # The thread does not belong to one user only.
        (["ana", "bob"], None, None, None),
        ([None, "ana"], None, None, None),
    ],
)
def test_only_owner_and_operators_see_a_thread(
    add_exchanges: Callable[[Sequence[str | None]], Memory],
    cache: InMemoryCache,
    users: list[str | None],
    ana: int | None,
    bob: int | None,
    operator: int | None,
    *,
    is_emptied: bool,
) -> None:
    """A thread with one user is visible to this user and to operators.

    A thread without a user is visible to operators only. A thread with several users is visible to no caller.
    """
    process = add_exchanges(users)
    if is_emptied:
        cache.lose_everything()
    assert [
        _count_messages(process, "ana"),
        _count_messages(process, "bob"),
        _count_messages(process, None, "service"),
    ] == [ana, bob, operator]


def test_a_list_may_belong_to_a_later_user_until_it_expires(
    add_exchanges: Callable[[Sequence[str | None]], Memory], cache: InMemoryCache
) -> None:
    """A thread has two users, and its list has only the later user's exchanges.

    The thread counts as the later user's until the list expires. After Redis is emptied, neither user sees the thread.
    """
    process = add_exchanges(["ana", "bob", "bob"])
    assert (_count_messages(process, "ana"), _count_messages(process, "bob")) == (None, 4)
    cache.lose_everything()
    assert (_count_messages(process, "ana"), _count_messages(process, "bob")) == (None, None)
