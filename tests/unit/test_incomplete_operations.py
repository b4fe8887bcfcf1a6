"""A 503 states the outcome and the effect of a retry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.errors import StoreUnavailable
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.users import Users
from shared.testing import InMemoryArchive, InMemoryCache
from tests.support.api import Api


@pytest.mark.parametrize("path", ["/threads/t", "/users/ana", "/threads/t/exchanges/{id}"])
def test_an_incomplete_deletion_is_reported(
    api: Api, cache: InMemoryCache, archive: InMemoryArchive, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """If PostgreSQL has completed a deletion and Redis has not, the response says so."""
    body = {"thread_id": "t", "user_id": "ana", "user_message": "q", "assistant_message": "a"}
    exchange_id = api.ask("POST", "/invoked", body).json()["exchange_id"]
    archive.store(list(cache.undrained["t"].values()))

    def fail(*_: object) -> None:
        raise StoreUnavailable("redis", "injected")

    for name in ("forget_threads", "forget_user", "forget_exchanges"):
        monkeypatch.setattr(cache, name, fail)
    answer = api.ask("DELETE", path.format(id=exchange_id))
    assert answer.status_code == 503
    detail = answer.json()["detail"]
    assert detail.startswith("Redis is not responding, so the ")
    assert "is deleted from PostgreSQL and may still be in the cache. Repeat the request" in detail


@pytest.mark.parametrize(("layer", "name"), [("redis", "Redis"), ("postgres", "PostgreSQL")])
def test_an_unknown_outcome_is_not_reported(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive, layer: str, name: str
) -> None:
    """If a layer fails to respond before anything was changed, the error reports no outcome."""
    del name
    (cache if layer == "redis" else archive).is_down = True
    operation = Users(memory()).forget if layer == "redis" else Threads(memory()).get
    with pytest.raises(StoreUnavailable) as caught:
        operation("x")
    assert (caught.value.layer, caught.value.outcome) == (layer, "")
