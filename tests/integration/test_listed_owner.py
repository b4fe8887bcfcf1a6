"""A sealed list contains its thread's owner. Processes detect a change of the owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import redis

from shared.errors import StoreUnavailable, ThreadNotFound
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.stores.redis.cache import RedisCache
from shared.testing import InMemoryQueue
from tests.support.exchanges import contents_of, exchange, texts

MakeProcess = Callable[..., Memory]


def _turn(memory: Memory, user_id: str | None, access: str = "own") -> Turn:
    return Turn(memory, "t", user_id, access)  # type: ignore[arg-type]  # one of the three


def _append(memory: Memory, user_id: str, number: int) -> str:
    return _turn(memory, user_id).append(f"q{number}", f"a{number}").durability


@pytest.fixture
def memory(process: MakeProcess) -> Memory:
    """Create a process, and a thread of Ana with a sealed list in Redis."""
    created = process()
    assert _append(created, "ana", 0) == "queue"
    return created


def test_a_sealed_list_gives_the_owner_while_postgresql_is_down(memory: Memory, process: MakeProcess) -> None:
    """Each process reads the owner from the sealed list, so turns succeed while PostgreSQL is down."""
    for each in (memory, process()):
        each.archive.window = each.archive.owner = each.archive.claim_ownership = _raise_unavailable  # type: ignore[method-assign,assignment]
        turn = _turn(each, "ana")
        assert texts(turn.recall().messages)[:2] == contents_of(0)
        assert turn.append("q", "a").cached
        assert _turn(each, None, "service").recall().messages
        with pytest.raises(StoreUnavailable):
            _turn(each, "bob").recall()


def _raise_unavailable(*_: object) -> None:
    raise StoreUnavailable("postgres", "injected")


def test_an_unsealed_list_contains_no_owner(memory: Memory, redis_client: redis.Redis) -> None:
    """A list that is empty, missing or without a seal contains no owner."""
    head = cast("str", redis_client.lindex("thread:t:messages", 0))
    seal = head.rindex(',"first"')
    prepared: tuple[Callable[[], object], ...] = (
        lambda: redis_client.lset("thread:t:messages", 0, head[:seal] + "}"),
        lambda: redis_client.delete("thread:t:messages"),
    )
    for prepare in prepared:
        prepare()
        requested_threads = list[str]()
        window = memory.archive.window

        def note(
            thread_id: str, limit: int, users: list[str], ask: object = window, to: list[str] = requested_threads
        ) -> object:
            to.append(thread_id)
            return ask(thread_id, limit, users)  # type: ignore[operator]

        memory.archive.window = note  # type: ignore[method-assign,assignment]
        with pytest.raises(ThreadNotFound):
            _turn(memory, "bob").recall()
        assert texts(_turn(memory, "ana").recall().messages) == contents_of(0)
        assert requested_threads == ["t", "t"]
        memory.archive.window = window  # type: ignore[method-assign]


def test_a_thread_of_several_users_has_no_owner(process: MakeProcess) -> None:
    """Without authentication a thread may have several users. Its list contains no owner, so PostgreSQL decides."""
    memory = process()
    for number, user_id in enumerate(("ana", "bob")):
        Turn(memory, "t", user_id).append(f"q{number}", f"a{number}")
    assert memory.cache.peek("t").is_sealed
    with pytest.raises(ThreadNotFound):
        _turn(memory, "bob").recall()
    assert texts(_turn(memory, "ana").recall().messages) == contents_of(0)


def test_an_owners_turn_during_the_deletion_starts_a_new_thread(memory: Memory, process: MakeProcess) -> None:
    """The owner deletes the thread during a turn. The turn's exchange is the only exchange of a new thread."""
    turn = _turn(memory, "ana")
    turn.recall()
    other = process()
    Threads(other).delete("t", "ana")
    # This read refills the list.
    assert not _turn(other, "ana").recall().messages
    append_result = turn.append("q1", "a1")
    assert (append_result.durability, append_result.cached, append_result.degraded) == ("queue", True, [])
    queue = cast("InMemoryQueue", memory.queue)
    assert queue.take()[-1].exchange_id == append_result.exchange_id
    assert texts(_turn(process(), "ana").recall().messages) == contents_of(1)


def test_a_late_append_of_a_former_owner_is_not_shown(
    memory: Memory, process: MakeProcess, redis_client: redis.Redis
) -> None:
    """A user deletes a thread, and PostgreSQL records another user as the owner of its id.

    Redis gets a late append of the former owner before it gets the deletion.

    The former owner then sees no thread, and the next owner does not see the append.
    """
    other = process()
    turn = _turn(memory, "ana")
    turn.recall()
    cutoff = other.new_id("t")
    other.archive.forget_thread("t", cutoff, "ana")
    other.archive.claim_ownership("t", "bob")
    assert turn.append("late", "late").durability == "queue"
    other.cache.forget_threads({"t": cutoff})
    for each in (memory, other):
        with pytest.raises(ThreadNotFound):
            _turn(each, "ana").recall()
        with pytest.raises(ThreadNotFound):
            _append(each, "ana", 1)
    assert not _turn(other, "bob").recall().messages
    assert "late" not in str(redis_client.lrange("thread:t:messages", 0, -1))
    assert not redis_client.exists("thread:t:pending")
    assert _append(other, "bob", 2) == "queue"
    assert texts(_turn(memory, "bob").recall().messages) == contents_of(2)
    rejected_users = [
        each.user_id for each in other.archive.store(cast("InMemoryQueue", other.queue).take()).rejected_owner
    ]
    assert rejected_users == ["ana"]


def test_an_append_fails_if_the_thread_was_deleted_since_the_read(real_cache: Callable[..., RedisCache]) -> None:
    """An append fails if the thread was deleted after the turn's context was loaded. Otherwise it succeeds."""
    cache, created = real_cache(), [exchange(number) for number in range(4)]
    cache.forget_threads({"t": created[1].order})
    cache.read("t", None)
    appended = cache.append(created[2], is_drained=False, after=created[0].order)
    assert (appended.cutoff, appended.is_cached) == (created[1].order, False)
    assert (list(cache.peek("t").messages), cache.peek("t").undrained) == ([], [])
    for after in (created[1].order, created[2].order, None):
        cache.read("t", None)
        assert cache.append(created[3], is_drained=False, after=after).is_cached
    assert texts(cache.peek("t").messages) == contents_of(3)


@pytest.mark.parametrize("is_of_user", [False, True], ids=["the thread", "its user"])
def test_restored_exchanges_do_not_prevent_another_claim(
    memory: Memory, process: MakeProcess, redis_client: redis.Redis, *, is_of_user: bool
) -> None:
    """The thread or its owner was deleted, and Redis restores exchanges. Another user can still become the owner."""
    queue = cast("InMemoryQueue", memory.queue)
    memory.archive.store(queue.take())
    entries = redis_client.lrange("thread:t:messages", 0, -1)
    waiting: dict[Any, Any] = dict(redis_client.hgetall("thread:t:pending"))
    if is_of_user:
        Users(memory).forget("ana")
    else:
        Threads(memory).delete("t", "ana")
    redis_client.flushall()
    redis_client.rpush("thread:t:messages", *entries)
    redis_client.hset("thread:t:pending", mapping=waiting)
    other = process()
    assert not _turn(other, "bob").recall().messages
    assert _append(other, "bob", 1) == "queue"
    assert texts(_turn(process(), "bob").recall().messages) == contents_of(1)
    with pytest.raises(ThreadNotFound):
        _turn(process(), "ana").recall()
