"""The steps of the smoke test, which write a thread, read it, wait for the drain, and delete it."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from cli.api import error_name, format_error, is_outage
from cli.diagnostics import Finding
from cli.times import format_duration
from hybrid_memory_client import (
    ApiError,
    Context,
    Layers,
    MemoryClient,
    MemoryClientError,
    NotFound,
    NotThisApi,
)

_QUESTION: Final = "What is this?"
_ANSWER: Final = "A smoke test."
_PAUSE_SECONDS: Final = 1.0
_TRIES: Final = 3


class SmokeTest:
    """One run of the smoke test, with a thread of its own.

    Args:
        api: A client of the API.
        anonymous: A client without a token; None if the caller has no token.
        other: A client with another user's token; None to skip the isolation check.
        wait_seconds: Maximum duration of the drain.
    """

    def __init__(
        self, api: MemoryClient, *, anonymous: MemoryClient | None, other: MemoryClient | None, wait_seconds: float
    ) -> None:
        self._api, self._anonymous, self._other = api, anonymous, other
        self._wait_seconds = wait_seconds
        self.thread_id = f"smoke-{uuid4()}"
        self._exchange_id = uuid4()
        # This is set before the write, because the thread may exist even if the write got no response.
        self._thread_may_exist = False

    def run(self) -> list[Finding]:
        """Run the steps until a request fails, then delete the thread."""
        steps: list[tuple[str, Callable[[], Finding]]] = [
            ("health", self._check_health),
            ("write", self._write),
            ("read", self._read),
            ("drain", self._wait_for_drain),
            *([("token", self._read_without_token)] if self._anonymous else []),
            *([("isolation", self._read_as_other_user)] if self._other else []),
            ("delete", self._delete),
            ("gone", self._check_deletion),
        ]
        findings: list[Finding] = []
        try:
            for name, step in steps:
                try:
                    findings.append(step())
                except MemoryClientError as error:
                    findings.append(_error_finding(name, error, self._api.base_url))
                    break
        finally:
            if self._thread_may_exist:
                findings.append(self._clean_up())
        return findings

    def _check_health(self) -> Finding:
        health = self._api.health()
        states = {"redis": health.redis, "postgres": health.postgres, "queue": health.queue}
        failed = [name for name, state in states.items() if state != "ok"]
        if failed:
            advice = "Check the functions' network, settings and logs."
            return Finding("health", "fault", f"It cannot reach {', '.join(failed)}.", advice)
        return Finding("health", "ok", "It reaches Redis, PostgreSQL and the queue.")

    def _write(self) -> Finding:
        self._thread_may_exist = True
        # With a token, the API takes the user id from the token.
        user_id = None if self._anonymous else self.thread_id
        appended = self._api.invoked(
            _QUESTION, _ANSWER, thread_id=self.thread_id, user_id=user_id, exchange_id=self._exchange_id
        )
        description = f"The exchange is in: {appended.durability}{', redis' if appended.cached else ''}."
        if appended.durability != "queue" or not appended.cached:
            return Finding(
                "write", "fault", description, "It must be in the queue and in Redis. Check which of them is down."
            )
        return Finding("write", "ok", description)

    def _read(self) -> Finding:
        context = self._context()
        texts = [message.content for message in context.messages]
        if texts != [_QUESTION, _ANSWER]:
            advice = "The next turn would not have this exchange. Run hybrid-memory doctor for details."
            return Finding("read", "fault", f"The API returned {len(texts)} messages instead of 2.", advice)
        # In the first minute of a new Redis, the API reports the queue as degraded, because queued exchanges may be
        # missing in Redis. This is not a fault: in the write step, the queue accepted the message.
        if set(context.degraded) - {"queue"}:
            description = f"The read succeeded, but without {', '.join(context.degraded)}."
            return Finding("read", "fault", description, "Check which layer is slow or down.")
        return Finding("read", "ok", f"Read back from {context.source}.")

    def _context(self) -> Context:
        return self._api.invoking(thread_id=self.thread_id)

    def _wait_for_drain(self) -> Finding:
        started = time.monotonic()
        while True:
            layers = self._api.read_layers(self.thread_id)
            waited = time.monotonic() - started
            if self._is_stored(layers):
                return Finding("drain", "ok", f"PostgreSQL has it after {format_duration(waited)}.")
            if waited > self._wait_seconds:
                description = f"PostgreSQL does not have it after {format_duration(waited)}."
                advice = "Check that the sync function runs, and its log. To wait longer, use --wait."
                return Finding("drain", "fault", description, advice)
            time.sleep(_PAUSE_SECONDS)

    def _is_stored(self, layers: Layers) -> bool:
        stored = [message.exchange_id for message in layers.postgres.messages]
        return stored == [self._exchange_id] * 2 and layers.undrained == 0

    def _read_without_token(self) -> Finding:
        assert self._anonymous is not None  # noqa: S101 - the step runs only with an anonymous client
        return _check_refusal("token", self._anonymous, self.thread_id, HTTPStatus.UNAUTHORIZED, "without a token")

    def _read_as_other_user(self) -> Finding:
        assert self._other is not None  # noqa: S101 - the step runs only with a second client
        return _check_refusal("isolation", self._other, self.thread_id, HTTPStatus.NOT_FOUND, "with the other token")

    def _delete(self) -> Finding:
        self._api.delete_thread(self.thread_id)
        self._thread_may_exist = False
        return Finding("delete", "ok", "The thread is deleted.")

    def _check_deletion(self) -> Finding:
        finding = _check_refusal("gone", self._api, self.thread_id, HTTPStatus.NOT_FOUND, "after its deletion")
        remaining = self._context().messages
        if remaining:
            return Finding("gone", "fault", f"{len(remaining)} messages are still in its context.", "Report this.")
        return finding

    def _clean_up(self) -> Finding:
        """Delete the thread if no step has deleted it."""
        reason = ""
        for number in range(_TRIES):
            time.sleep(number * _PAUSE_SECONDS)
            try:
                self._api.delete_thread(self.thread_id)
            except NotFound:
                return Finding("clean-up", "ok", "The thread does not exist.")
            except MemoryClientError as error:
                reason = format_error(error, self._api.base_url)
            else:
                return Finding("clean-up", "ok", "The thread is deleted.")
        advice = f"Delete it later: hybrid-memory threads delete {self.thread_id} --yes."
        return Finding("clean-up", "warning", f"The thread may still exist ({reason}).", advice)


def _check_refusal(check: str, api: MemoryClient, thread_id: str, status: HTTPStatus, circumstance: str) -> Finding:
    """Check that a request for the thread's messages fails with this status."""
    try:
        api.read_messages(thread_id)
    except ApiError as error:
        if is_outage(error):
            raise
        if error.status == status:
            return Finding(check, "ok", f"The API does not return its messages {circumstance} ({status}).")
        description = f"{circumstance.capitalize()}: {format_error(error, api.base_url)}"
        return Finding(check, "fault", description, f"The status must be {status}.")
    advice = "The token must belong to another user who is not an operator." if check == "isolation" else "Report this."
    return Finding(check, "fault", f"Its messages can be read {circumstance}.", advice)


def _error_finding(check: str, error: MemoryClientError, url: str) -> Finding:
    if not isinstance(error, (ApiError, NotThisApi)):
        description, advice = f"The API did not respond ({error_name(error)}).", "Check the address and the server."
        return Finding(check, "unreachable", description, advice)
    if is_outage(error):
        advice = "Try again later, or run hybrid-memory doctor for details."
        return Finding(check, "unreachable", format_error(error, url), advice)
    return Finding(check, "fault", format_error(error, url), "Check the address and the token.")
