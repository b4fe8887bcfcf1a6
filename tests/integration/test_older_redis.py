"""Redis comes back with older data or without data. No reader sees a text that was deleted or replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import redis

from functions.sync.sweep import Sweep
from infra.local.servers import ValkeyServer
from shared.errors import StoreUnavailable, ThreadNotFound
from shared.memory.exchanges import Exchanges
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.models import ExchangeTexts
from shared.testing import InMemoryQueue
from tests.support.exchanges import contents_of, texts

MakeMemory = Callable[..., Memory]
PENDING_KEY = "thread:t:pending"


@pytest.fixture(autouse=True)
def _skip_backlog_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.memory.backlog.MAX_WAIT_SECONDS", -1.0)


def _raise_unavailable(*_: object, **__: object) -> Any:
    raise StoreUnavailable("postgres", "injected")


def _append(memory: Memory, number: int) -> UUID:
    result = Turn(memory, "t", "ana").append(f"q{number}", f"a{number}")
    assert (result.durability, result.exchange_id is not None) == ("queue", True)
    return result.exchange_id or UUID(int=0)


def _load(memory: Memory) -> tuple[list[str], list[str]]:
    recall = Turn(memory, "t", "ana").recall()
    return texts(recall.messages), recall.degraded


def _drain(memory: Memory, queue: InMemoryQueue) -> None:
    memory.cache.merge_stored(memory.archive.store(queue.take()).effective)


def _restart(valkey: ValkeyServer) -> None:
    """Restart Valkey with the data of its last dump."""
    valkey.kill()
    valkey.start()


def _replace_undrained(memory: Memory, exchange_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace an exchange through the queue, because PostgreSQL does not respond."""
    with monkeypatch.context() as patched:
        patched.setattr(memory.archive, "replace_exchange", _raise_unavailable)
        assert Exchanges(memory).replace("t", exchange_id, ExchangeTexts("q9", "a9")).durability == "queue"


def test_a_refill_removes_every_drained_revision(
    process: MakeMemory,
    queue: InMemoryQueue,
    valkey: ValkeyServer,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A snapshot has a text and its queued replacement as undrained. The next turn removes both."""
    memory = process()
    replaced = _append(memory, 0)
    _replace_undrained(memory, replaced, monkeypatch)
    redis_client.save()
    _drain(memory, queue)
    _restart(valkey)
    assert _load(process()) == (contents_of(9), [])
    assert redis_client.hgetall(PENDING_KEY) == {}


def test_the_sweep_removes_every_drained_revision(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep updates a thread whose snapshot has a text and its queued replacement as undrained."""
    memory = process()
    replaced = _append(memory, 0)
    _replace_undrained(memory, replaced, monkeypatch)
    before = redis_client.dump(PENDING_KEY) or b""
    _drain(memory, queue)
    redis_client.restore(PENDING_KEY, 0, before)
    memory.archive.log_invalidations("thread", ["t"])
    Sweep(memory.archive, memory.cache, 50, lambda *_: None).run()
    assert redis_client.hgetall(PENDING_KEY) == {}


def test_a_refill_removes_every_deleted_revision(
    process: MakeMemory,
    queue: InMemoryQueue,
    valkey: ValkeyServer,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A snapshot has both revisions of an exchange that was deleted later. The next turn removes both."""
    memory = process()
    deleted = _append(memory, 0)
    _replace_undrained(memory, deleted, monkeypatch)
    redis_client.save()
    _drain(memory, queue)
    Exchanges(memory).delete("t", deleted)
    _restart(valkey)
    assert _load(process()) == ([], [])
    assert redis_client.hgetall(PENDING_KEY) == {}


@pytest.mark.parametrize("what", ["thread", "exchange"])
def test_a_refill_finishes_a_deletion_that_the_snapshot_has_in_part(
    process: MakeMemory, queue: InMemoryQueue, valkey: ValkeyServer, redis_client: redis.Redis, what: str
) -> None:
    """A snapshot has a deletion's tombstone and a copy of the deleted exchange. The next turn removes the copy."""
    memory = process()
    deleted = _append(memory, 0)
    before = redis_client.dump(PENDING_KEY) or b""
    _drain(memory, queue)
    if what == "thread":
        Threads(memory).delete("t")
    else:
        Exchanges(memory).delete("t", deleted)
    redis_client.restore(PENDING_KEY, 0, before)
    redis_client.save()
    _restart(valkey)
    assert _load(process()) == ([], [])
    assert redis_client.hgetall(PENDING_KEY) == {}


@pytest.mark.parametrize("what", ["thread", "user"])
@pytest.mark.parametrize("returns", ["older data", "no data"])
def test_the_messages_of_a_deleted_thread_are_not_listed(
    process: MakeMemory, queue: InMemoryQueue, valkey: ValkeyServer, redis_client: redis.Redis, what: str, returns: str
) -> None:
    """Redis has lost a deletion. Neither a new process nor the one that stored the exchange lists the deleted data."""
    writer, other = process(), process()
    _append(writer, 0)
    _drain(writer, queue)
    redis_client.save()
    if what == "thread":
        Threads(other).delete("t")
    else:
        Users(other).forget("ana")
    if returns == "no data":
        redis_client.flushall()
    else:
        _restart(valkey)
    for reader in (writer, process()):
        with pytest.raises(ThreadNotFound):
            Threads(reader).messages("t", 10, None, descending=False)
        with pytest.raises(ThreadNotFound):
            Threads(reader).get("t")


def test_a_deleted_users_preferences_are_not_shown(
    process: MakeMemory, valkey: ValkeyServer, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restored Redis has the preferences of a deleted user, and PostgreSQL is down. No turn shows them."""
    memory = process()
    Users(memory).replace("ana", {"tone": "dry"})
    redis_client.save()
    Users(memory).forget("ana")
    _restart(valkey)
    reader = process()
    monkeypatch.setattr(reader.archive, "window", _raise_unavailable)
    monkeypatch.setattr(reader.archive, "preferences", _raise_unavailable)
    assert Turn(reader, "t", "ana").recall().preferences == {}


def test_a_deletion_that_no_layer_shows_is_not_denied(
    process: MakeMemory,
    queue: InMemoryQueue,
    valkey: ValkeyServer,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A restored Redis lacks a deletion, and PostgreSQL is down. A repeated key must not return the deleted answer."""
    memory = process()
    deleted = _append(memory, 0)
    _drain(memory, queue)
    redis_client.save()
    Threads(memory).delete("t")
    _restart(valkey)
    reader = process()
    turn = Turn(reader, "t", "ana")
    with monkeypatch.context() as patched:
        for name in ("window", "preferences", "deleted_exchanges"):
            patched.setattr(reader.archive, name, _raise_unavailable)
        assert turn.recall().messages == []
        with pytest.raises(StoreUnavailable):
            turn.is_deleted(deleted, deleted)
    assert turn.is_deleted(deleted, deleted)


@pytest.mark.parametrize("what", ["thread", "exchange"])
def test_an_append_is_not_retried_after_a_loss(
    process: MakeMemory, queue: InMemoryQueue, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """An append failed, its exchange was deleted, and Redis lost the deletion. The append must not be retried then."""
    late, other = process(), process()
    Turn(late, "t", "ana").recall()
    with monkeypatch.context() as patched:
        patched.setattr(late.cache._connection, "call", _raise_unavailable)  # type: ignore[attr-defined]
        deleted = _append(late, 0)
    _drain(other, queue)
    if what == "thread":
        Threads(other).delete("t")
    else:
        Exchanges(other).delete("t", deleted)
    redis_client.flushall()
    Turn(late, "other", "ana").recall()
    assert redis_client.hgetall(PENDING_KEY) == {}
    reader = process()
    monkeypatch.setattr(reader.archive, "window", _raise_unavailable)
    assert _load(reader) == ([], ["postgres"])
