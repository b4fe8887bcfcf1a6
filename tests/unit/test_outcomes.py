"""The problem of a failed request reports the true outcome, for each operation and each call of each store.

A faulty store stops responding at one call, before or after the call has its effect.

The tests compare the reported outcome with the stores' contents, and repeat the failed request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from functions.agent.agents.runner import AgentRunner
from functions.agent.outcomes import has_outcome
from shared.errors import StatementRefused, StoreBusy, StoreUnavailable
from shared.learning.memories import ExplicitMemory
from shared.learning.normalize import free_slot
from shared.learning.statements import id_from
from shared.models import Exchange
from tests.support.api import Api
from tests.support.issuer import OPERATOR, Issuer, bearer
from tests.support.routes import EXCHANGE, MEMORY, SAMPLES, Sample

_LAYERS: Final = {"redis": "Redis", "postgres": "PostgreSQL", "queue": "The queue"}


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a turn read the queue only twice. A fault can reach the second read, and nothing drains the queue here."""
    monkeypatch.setattr("shared.memory.backlog.MAX_WAIT_SECONDS", 0.001)
    monkeypatch.setattr("shared.memory.backlog._POLL_SECONDS", 0.002)


@dataclass
class _Fault:
    """A fault that makes a store fail from call `call_number` on.

    With `is_after`, the call `call_number` has its effect, and only its response is lost.

    Attributes:
        names: The failed calls.
    """

    layer: str = ""
    call_number: int = 0
    is_after: bool = False
    calls: int = 0
    names: list[str] = field(default_factory=list)


@pytest.fixture
def fault(guarded_api: Api, monkeypatch: pytest.MonkeyPatch) -> _Fault:
    """Return an inactive fault."""
    inactive = _Fault()
    for layer, store in (("redis", guarded_api.cache), ("postgres", guarded_api.archive), ("queue", guarded_api.queue)):
        for name in sorted({name for name in dir(store) if _is_call(store, name)}):
            monkeypatch.setattr(store, name, _wrapped(inactive, layer, name, getattr(store, name)))
    return inactive


def _is_call(store: object, name: str) -> bool:
    if name.startswith("_") or not callable(getattr(store, name)):
        return False
    # `merge_later` sends nothing, so it never fails.
    return name not in {"merge_later", "begin", "take", "exchanges", "contents", "lose_everything", "lose_thread"}


def _wrapped(fault: _Fault, layer: str, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        if fault.layer != layer:
            return call(*arguments, **keywords)
        fault.calls += 1
        if fault.calls <= fault.call_number:
            return call(*arguments, **keywords)
        fault.names.append(name)
        if fault.is_after and len(fault.names) == 1:
            call(*arguments, **keywords)
        error = StoreUnavailable(layer, "injected")
        # PostgreSQL's connection sets this flag for a statement that it has sent.
        error.is_unconfirmed = layer == "postgres" and fault.is_after
        raise error

    return wrapped


@contextmanager
def _failing(fault: _Fault, **settings: Any) -> Iterator[None]:
    fault.calls, fault.names = 0, []
    for name, value in settings.items():
        setattr(fault, name, value)
    yield
    fault.layer = ""


def _durable_contents(api: Api) -> Any:
    """Return the durable contents of all stores, without idempotency keys and cached copies."""
    archive = api.archive
    stored = [each for thread in archive._conversations.values() for each in thread.exchanges.values()]
    stored += [Exchange.from_wire(body) for body in (*api.queue.bodies, *api.cache.outbox_bodies)]
    titles = {name: each.title for name, each in archive._conversations.items() if each.title_is_fixed}
    deleted = dict(archive.deleted_threads), dict(archive.deleted_users), archive.deleted_ids.copy()
    return (
        {(each.key, each.revision, each.user_message) for each in stored},
        titles,
        deleted,
        archive._preferences.copy(),
        {each.text for memories in archive._explicit.values() for each in memories.values()},
    )


def _ask(api: Api, sample: Sample, thread_id: str, headers: dict[str, str], key: str | None) -> Any:
    idempotency_headers = {"Idempotency-Key": key} if key else {}
    path, body, query = sample.path(thread_id, "ana"), sample.body(thread_id), sample.query("ana")
    return api.ask(sample.method, path, body, headers={**headers, **idempotency_headers}, query=query)


def _prepare(api: Api, thread_id: str, headers: dict[str, str], *, is_drained: bool) -> None:
    api.archive.change_preferences("ana", {"tone": "formal"}, replace=True, update_cache=lambda _: False)
    body = {"thread_id": thread_id, "user_message": "q", "assistant_message": "a", "exchange_id": EXCHANGE}
    assert api.ask("POST", "/invoked", body, headers=headers).status_code == 202
    if is_drained:
        api.archive.store(api.queue.take())


def _add_memory(api: Api, sample: Sample) -> None:
    """Add the memory that the samples read and change, but not the one that a sample adds."""
    if sample.route.endswith("/memories/{memory_id}") or sample.route.startswith("DELETE /users/{user_id:path}/mem"):
        moment = datetime.now(UTC)
        slot = free_slot(MEMORY)
        explicit = ExplicitMemory(id_from("ana", "fact", slot), "fact", slot, MEMORY, moment, moment)
        api.archive.set_explicit("ana", explicit)


@pytest.mark.parametrize(
    ("sample", "layer", "is_after"),
    [
        pytest.param(sample, layer, is_after, id=f"{sample.route}-{layer}-{'after' if is_after else 'before'}")
        for sample in SAMPLES
        for layer in _LAYERS
        for is_after in (False, True)
        # A read whose response is lost is the same case as a failed read.
        if not is_after or (sample.method != "GET" and layer != "queue")
    ],
)
@pytest.mark.parametrize("situation", ["drained", "queued", "drained, cold", "queued, cold"])
def test_the_reported_outcome_is_true(
    guarded_api: Api,
    issuer: Issuer,
    fault: _Fault,
    sample: Sample,
    layer: str,
    situation: str,
    *,
    is_after: bool,
) -> None:
    """The test repeats the operation. The fault is at the store's first call, then at its second call, and so on."""
    api, call_number, is_fault_reached = guarded_api, 0, True
    headers = bearer(issuer.token("ana", scope=OPERATOR if sample.is_for_operators else ""))
    while is_fault_reached:
        # Each repetition uses a new thread, so the process remembers no exchange of the thread.
        thread_id = f"t{call_number}"
        api.cache.lose_everything()
        api.queue.take()
        api.archive.__init__()  # type: ignore[misc] # the application uses this object
        _prepare(api, thread_id, headers, is_drained="drained" in situation)
        _add_memory(api, sample)
        if "cold" in situation:
            api.cache.lose_everything()
        before = _durable_contents(api)
        key = f"k{call_number}" if is_after else None
        with _failing(fault, layer=layer, call_number=call_number, is_after=is_after):
            answer = _ask(api, sample, thread_id, headers, key)
        is_fault_reached, call_number = bool(fault.names), call_number + 1
        if answer.status_code == 503:
            _check(sample, layer, fault, answer.json()["detail"], before, _durable_contents(api))
            repeated = _ask(api, sample, thread_id, headers, key)
            assert repeated.status_code in {sample.success, 404}, (sample.route, repeated.text)
        else:
            assert answer.status_code in {sample.success, 404}, (sample.route, answer.text)


def _check(sample: Sample, layer: str, fault: _Fault, detail: str, before: Any, after: Any) -> None:
    result = f"{sample.route} at {fault.names}: {detail}"
    assert detail.startswith(_LAYERS[layer] + " is not responding, so "), result
    assert ". Repeat the request" in detail, result
    if "nothing was changed" in detail or "not stored" in detail or "nothing was stored" in detail:
        assert before == after, result
    elif "the response was lost" in detail:
        assert fault.is_after, result
        assert layer == "postgres", result
    else:
        assert "PostgreSQL and may still be" in detail, result
        assert before != after, result


def test_the_table_of_outcomes_has_every_operation(guarded_api: Api) -> None:
    """The table of outcomes has an entry for each operation."""
    for route in guarded_api.app.routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                assert has_outcome(route.name, method), route.name


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (StoreBusy("postgres", "57014"), "could not finish this now"),
        (StatementRefused("42501: no", is_about_a_row=False), "refused this"),
        (StoreUnavailable("postgres", "read only", state="takes no writes"), "takes no writes"),
    ],
)
def test_the_problem_of_a_refusal_names_the_refusal(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: StoreUnavailable, state: str
) -> None:
    """If a layer refuses the request, the problem does not say that the layer is not responding."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api.archive, "change_preferences", refuse)
    detail = api.ask("PATCH", "/users/ana/preferences", {"tone": "dry"}).json()["detail"]
    assert detail == (
        f"PostgreSQL {state}, so the preferences are not changed, and nothing was changed. Repeat the request."
    )


def test_the_caller_gets_an_answer_that_no_store_accepts(
    guarded_api: Api, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the agent has answered, PostgreSQL can no longer return the thread's owner.

    The caller still gets the answer.
    """
    headers = {**bearer(issuer.token("ana")), "Idempotency-Key": "k"}
    run_agent = AgentRunner.run

    async def run_without_postgresql(self: AgentRunner, **arguments: Any) -> str:
        guarded_api.archive.is_down = True
        return await run_agent(self, **arguments)

    monkeypatch.setattr(AgentRunner, "run", run_without_postgresql)
    body = {"prompt": "Hello", "thread_id": "t"}
    first = guarded_api.ask("POST", "/run", body, headers=headers)
    assert first.status_code == 200, first.text
    assert (first.json()["memory"]["durability"], first.json()["memory"]["degraded"]) == ("none", ["postgres"])
    guarded_api.archive.is_down = False
    repeated = guarded_api.ask("POST", "/run", body, headers=headers)
    assert repeated.headers["idempotent-replayed"] == "true"
    assert repeated.json()["response"] == first.json()["response"]
    assert repeated.json()["memory"]["durability"] == "queue"
    assert [str(each.exchange_id) for each in guarded_api.queue.take()] == [first.json()["exchange_id"]]
