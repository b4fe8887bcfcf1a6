"""The ownership check has a fixed cost. A request for another user's thread costs as much as for a missing thread."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.errors import StoreUnavailable, ThreadNotFound
from shared.memory.memory import Memory
from shared.memory.recall import Recall
from shared.memory.turn import Turn
from shared.stores.cache import CacheRead
from shared.testing import InMemoryArchive, InMemoryCache
from tests.support.api import Api
from tests.support.exchanges import exchange
from tests.support.issuer import Issuer, bearer
from tests.support.routes import SAMPLES, Sample

THREAD_SAMPLES = [sample for sample in SAMPLES if sample.is_on_thread and sample.names_user == "nowhere"]


def _calls(api: Api, sample: Sample, headers: dict[str, str], thread_id: str) -> list[list[str]]:
    for store in (api.cache, api.archive):
        store.calls.clear()
    assert api.ask(sample.method, sample.path(thread_id, ""), sample.fields, headers=headers).status_code == 404
    return [list(store.calls) for store in (api.cache, api.archive)]


@pytest.mark.parametrize("sample", THREAD_SAMPLES, ids=lambda sample: sample.route)
def test_another_users_thread_causes_the_same_calls_as_a_missing_one(
    guarded_api: Api, issuer: Issuer, sample: Sample
) -> None:
    """The calls to the stores are the same for another user's thread and a missing thread.

    This is true for a cached thread, a drained thread, and a thread that is cached and drained.
    """
    ana, bob = bearer(issuer.token("ana")), bearer(issuer.token("bob"))
    for thread_id in ("cached", "both"):
        body = {"thread_id": thread_id, "user_message": "q", "assistant_message": "a"}
        assert guarded_api.ask("POST", "/invoked", body, headers=ana).status_code == 202
    appended = guarded_api.queue.take()
    guarded_api.archive.store([each for each in appended if each.thread_id == "both"])
    guarded_api.archive.store([exchange(1, "drained", "ana")])
    for store in (guarded_api.cache, guarded_api.archive):
        store.calls.clear()
    missing = _calls(guarded_api, sample, bob, "missing")
    assert any(missing)
    for thread_id in ("cached", "drained", "both"):
        assert _calls(guarded_api, sample, bob, thread_id) == missing, thread_id


def test_a_cache_hit_needs_no_extra_read(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """A cache hit reads L1 once and appends once, and does not use L2."""
    process = memory()
    Turn(process, "t", "ana", "own").append("q", "a")
    Turn(process, "t", "ana", "own").recall()
    for store in (cache, archive):
        store.calls.clear()
    turn = Turn(process, "t", "ana", "own")
    assert len(turn.recall().messages) == 2
    assert turn.append("q", "a").durability == "queue"
    assert (cache.calls, archive.calls) == (["read", "append"], [])


def test_postgresql_checks_the_owner_if_redis_goes_down(
    memory: Callable[..., Memory], archive: InMemoryArchive, cache: InMemoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Redis goes down after its read, PostgreSQL decides who owns the thread.

    The response names Redis as degraded.
    """
    process = memory()
    Turn(process, "new", "ana", "own").recall()
    archive.store([exchange(1, "t", "ana")])
    Turn(process, "t", "ana", "own").recall()

    def fail(*_: object) -> CacheRead:
        raise StoreUnavailable("redis", "injected")

    monkeypatch.setattr(cache, "peek", fail)
    assert Turn(process, "new", "ana", "own").recall() == Recall([], {}, "none", ["redis"])
    assert Turn(process, "new", "ana", "own").append("q", "a").durability == "queue"
    with pytest.raises(ThreadNotFound):
        Turn(process, "t", "bob", "own").recall()
