"""The smoke test succeeds on a working API, and reports the failed steps on a broken API."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cli.api import create_client
from cli.diagnostics import Finding
from cli.smoke_steps import SmokeTest
from hybrid_memory_client import MemoryClient
from tests.support.fake_api import API_URL, message, problem

HEALTH = {"status": "ok", "redis": "ok", "postgres": "ok", "queue": "ok"}
_TIMEOUT = httpx.ReadTimeout("late")


class FakeApi:
    """A fake API in which a thread belongs to the token that wrote it.

    Attributes:
        replacements: Replacement responses, by method and last part of the path.
        is_drained: Whether PostgreSQL has the written exchange.
        is_open: Whether the API responds without a token.
        has_working_deletes: Whether deletions work.
    """

    def __init__(self) -> None:
        self.replacements: dict[str, list[httpx.Response | Exception] | httpx.Response | Exception] = {}
        self.is_drained = self.has_working_deletes = True
        self.is_open = False
        self.threads: dict[str, tuple[str, dict[str, Any]]] = {}
        self.requests: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Handle a request."""
        path = request.url.path.removeprefix("/prod/").split("/")
        operation = f"{request.method} {path[-1] if path[0] != 'threads' or len(path) > 2 else 'thread'}"
        self.requests.append(operation)
        replacement = self.replacements.get(operation)
        if isinstance(replacement, list):
            replacement = replacement.pop(0) if replacement else None
        if isinstance(replacement, Exception):
            raise replacement
        return replacement or self._answer(operation, path, request)

    def _answer(self, operation: str, path: list[str], request: httpx.Request) -> httpx.Response:  # noqa: PLR0911 - one return per route
        token = request.headers.get("Authorization", "")
        if operation == "GET health":
            return httpx.Response(200, json=HEALTH)
        if not token and not self.is_open:
            return problem(401)
        if operation == "POST invoked":
            body = json.loads(request.content)
            self.threads[body["thread_id"]] = (token, body)
            return _stored("queue", cached=True)
        if operation == "POST invoking":
            _, body = self.threads.get(json.loads(request.content)["thread_id"], ("", None))
            texts = [body["user_message"], body["assistant_message"]] if body else []
            messages = [message(text) for text in texts]
            return httpx.Response(200, json={"messages": messages, "source": "redis", "degraded": []})
        owner, body = self.threads.get(path[1], ("", None))
        if body is None or (owner != token and not self.is_open):
            return problem(404)
        if operation == "DELETE thread":
            if self.has_working_deletes:
                del self.threads[path[1]]
            return httpx.Response(204)
        if operation == "GET layers":
            return httpx.Response(200, json=_layers(body, is_drained=self.is_drained))
        return httpx.Response(200, json={"items": [], "next_cursor": None, "degraded": []})


def _stored(durability: str, *, cached: bool) -> httpx.Response:
    return httpx.Response(202, json={"exchange_id": str(uuid4()), "durability": durability, "cached": cached})


def _layers(exchange: dict[str, Any], *, is_drained: bool) -> dict[str, Any]:
    row = {"role": "user", "preview": "", "exchange_id": exchange["exchange_id"], "created_at": None}
    stored = [row, row] if is_drained else []
    return {
        "thread_id": exchange["thread_id"],
        "redis": {"state": "ok", "message_count": 0, "ttl_seconds": None, "messages": []},
        "postgres": {"state": "ok", "message_count": len(stored), "messages": stored},
        "undrained": 0 if is_drained else 1,
        "lag_seconds": 0.0,
        "as_of": "2026-11-22T16:08:00.139000Z",
    }


@pytest.fixture(autouse=True)
def recorded_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record pauses instead of waiting. The pauses advance the clock."""
    recorded: list[float] = []
    # The patch applies to all modules, because the client pauses, too.
    monkeypatch.setattr(time, "sleep", recorded.append)
    monkeypatch.setattr("cli.smoke_steps.time.monotonic", lambda: float(sum(recorded)))
    return recorded


@pytest.fixture
def api() -> FakeApi:
    """Return a working API."""
    return FakeApi()


def _run(api: FakeApi, *, anonymous: bool = True, other: str | None = "other") -> dict[str, Finding]:
    clients = ExitStack()

    def client(token: str | None) -> MemoryClient:
        return create_client(clients, API_URL, token, transport=httpx.MockTransport(api))

    test = SmokeTest(
        client("mine"),
        anonymous=client(None) if anonymous else None,
        other=client(other) if other else None,
        wait_seconds=10,
    )
    with clients:
        findings = test.run()
    assert all(thread == test.thread_id for thread in api.threads)
    return {finding.check: finding for finding in findings}


def _states(findings: dict[str, Finding]) -> dict[str, str]:
    return {check: finding.state for check, finding in findings.items()}


def test_all_steps_succeed_on_a_working_api(api: FakeApi) -> None:
    """On a working API, all steps succeed, and the thread is deleted."""
    states = _states(_run(api))
    assert list(states) == ["health", "write", "read", "drain", "token", "isolation", "delete", "gone"]
    assert set(states.values()) == {"ok"}
    assert api.threads == {}


def test_steps_that_need_a_token_are_skipped_without_tokens(api: FakeApi) -> None:
    """Without tokens, the smoke test skips the steps that need a token."""
    api.is_open = True
    assert list(_run(api, anonymous=False, other=None)) == ["health", "write", "read", "drain", "delete", "gone"]


@pytest.mark.parametrize(
    ("operation", "check", "is_written"),
    [
        ("GET health", "health", False),
        ("POST invoked", "write", True),
        ("POST invoking", "read", True),
        ("GET layers", "drain", True),
    ],
)
@pytest.mark.parametrize(
    ("answer", "state"),
    [(_TIMEOUT, "unreachable"), (httpx.ConnectError("refused"), "unreachable")]
    + [(problem(status), "unreachable") for status in (429, 500, 503)]
    + [(problem(401), "fault"), (httpx.Response(200, text="<html>"), "fault")],
    ids=["timeout", "refused", "429", "500", "503", "401", "another"],
)
def test_a_failed_step_is_reported_and_the_thread_is_deleted(
    api: FakeApi, operation: str, check: str, answer: httpx.Response | Exception, state: str, *, is_written: bool
) -> None:
    """A failed step is reported, later steps are skipped, and the thread is deleted."""
    api.replacements[operation] = answer
    findings = _run(api)
    states = _states(findings)
    assert states[check] == state
    assert list(states)[-1] == ("clean-up" if is_written else check)
    assert "delete" not in states
    assert findings[check].advice
    assert api.threads == {}


def test_the_thread_is_deleted_after_a_write_without_response(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smoke test deletes the thread, even if the write got no response."""
    answer = api._answer

    def respond_late(operation: str, path: list[str], request: httpx.Request) -> httpx.Response:
        response = answer(operation, path, request)
        if operation == "POST invoked":
            raise _TIMEOUT
        return response

    monkeypatch.setattr(api, "_answer", respond_late)
    assert _states(_run(api)) == {"health": "ok", "write": "unreachable", "clean-up": "ok"}
    assert api.threads == {}


def test_a_failed_deletion_is_retried(api: FakeApi) -> None:
    """A failed deletion is reported and retried."""
    api.replacements["DELETE thread"] = [problem(503), _TIMEOUT]
    states = _states(_run(api))
    assert (states["delete"], states["clean-up"], api.threads) == ("unreachable", "ok", {})


def test_a_warning_has_the_command_to_delete_the_thread(api: FakeApi) -> None:
    """If each deletion fails, the output has the command that deletes the thread later."""
    api.replacements["DELETE thread"] = problem(503)
    finding = _run(api)["clean-up"]
    assert finding.state == "warning"
    assert re.search(r"threads delete smoke-[0-9a-f-]{36} --yes", finding.advice or "")
    assert api.requests.count("DELETE thread") == 4


def test_an_interrupted_test_deletes_its_thread(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the wait for the drain still deletes the thread."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    api.is_drained = False
    calls: list[Callable[[float], None]] = [interrupt]
    monkeypatch.setattr("cli.smoke_steps.time.sleep", lambda seconds: calls.pop()(seconds) if calls else None)
    with pytest.raises(KeyboardInterrupt):
        _run(api)
    assert api.threads == {}


def test_a_stopped_drain_is_reported(api: FakeApi) -> None:
    """If the drain has stopped, the wait ends after the caller's limit, and the smoke test reports a fault."""
    api.is_drained = False
    findings = _run(api)
    assert findings["drain"].state == "fault"
    assert "11.0 s" in findings["drain"].found
    assert (findings["gone"].state, api.threads) == ("ok", {})


def test_layers_that_are_down_are_reported(api: FakeApi) -> None:
    """The smoke test reports each layer that is down, and runs the other steps."""
    api.replacements["GET health"] = httpx.Response(200, json={**HEALTH, "postgres": "unavailable"})
    api.replacements["POST invoked"] = [_stored("none", cached=False)]
    api.replacements["POST invoking"] = httpx.Response(
        200, json={"messages": [], "source": "none", "degraded": ["redis"]}
    )
    findings = _run(api)
    assert "postgres" in findings["health"].found
    assert [findings[name].state for name in ("health", "write", "read")] == ["fault"] * 3


def test_a_new_redis_may_be_degraded(api: FakeApi) -> None:
    """Responses may be degraded in the first minute of a new Redis. The smoke test does not report this as a fault."""
    texts = [message("What is this?"), message("A smoke test.")]
    degraded = httpx.Response(200, json={"messages": texts, "source": "postgres", "degraded": ["queue"]})
    api.replacements["POST invoking"] = [degraded]
    assert _run(api)["read"].state == "ok"


def test_a_thread_that_other_callers_can_read_is_reported(api: FakeApi) -> None:
    """The smoke test reports a fault if another token, or a request without a token, can read the thread."""
    api.is_open = True
    findings = _run(api)
    assert (findings["token"].state, findings["isolation"].state) == ("fault", "fault")


def test_two_tokens_of_one_user_are_reported(api: FakeApi) -> None:
    """The smoke test reports a fault if the other token belongs to the same user."""
    finding = _run(api, other="mine")["isolation"]
    assert (finding.state, "another user" in (finding.advice or "")) == ("fault", True)


def test_a_deletion_without_effect_is_reported(api: FakeApi) -> None:
    """If a deletion has no effect, the smoke test reports that the messages still exist."""
    api.has_working_deletes = False
    assert _run(api)["gone"].state == "fault"
