"""The steps of the smoke test. Each step sends one request; the last one deletes the test's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from cli.api import failure_of, format_error, is_outage
from cli.diagnostics import Finding
from cli.output import duration
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
        # Whether the thread may exist. It may also exist after a write that got no response.
        self._thread_may_exist = False

    def run(self) -> list[Finding]:
        """Run the steps until one gets no successful response, then delete the thread."""
        steps: list[tuple[str, Callable[[], Finding]]] = [
            ("health", self._health),
            ("write", self._write),
            ("read", self._read),
            ("drain", self._drain),
            *([("token", self._without_a_token)] if self._anonymous else []),
            *([("isolation", self._as_another_user)] if self._other else []),
            ("delete", self._delete),
            ("gone", self._gone),
        ]
        findings: list[Finding] = []
        try:
            for name, step in steps:
                try:
                    findings.append(step())
                except MemoryClientError as error:
                    findings.append(_not_done(name, error, self._api.base_url))
                    break
        finally:
            if self._thread_may_exist:
                findings.append(self._clean_up())
        return findings

    def _health(self) -> Finding:
        health = self._api.health()
        states = {"redis": health.redis, "postgres": health.postgres, "queue": health.queue}
        failed = [name for name, state in states.items() if state != "ok"]
        if failed:
            advice = "Look at the functions' network, their settings and their log."
            return Finding("health", "fault", f"It cannot reach {', '.join(failed)}.", advice)
        return Finding("health", "ok", "It reaches Redis, PostgreSQL and the queue.")

    def _write(self) -> Finding:
        self._thread_may_exist = True
        # With a token, the API takes the user id from the token.
        user_id = None if self._anonymous else self.thread_id
        saved = self._api.invoked(
            _QUESTION, _ANSWER, thread_id=self.thread_id, user_id=user_id, exchange_id=self._exchange_id
        )
        description = f"The exchange is in: {saved.durability}{', redis' if saved.cached else ''}."
        if saved.durability != "queue" or not saved.cached:
            return Finding(
                "write", "fault", description, "It has to be in the queue and in Redis: which of them is down?"
            )
        return Finding("write", "ok", description)

    def _read(self) -> Finding:
        context = self._context()
        texts = [message.content for message in context.messages]
        if texts != [_QUESTION, _ANSWER]:
            advice = "The next turn would not remember this one. Run hybrid-memory doctor for details."
            return Finding("read", "fault", f"{len(texts)} messages came back instead of 2.", advice)
        # In the first minute of a new Redis, queued exchanges count as missing, and the API reports the queue as
        # degraded. This is no fault: the write step has shown that the queue accepts messages.
        if set(context.degraded) - {"queue"}:
            shown = f"The read succeeded, but without {', '.join(context.degraded)}."
            return Finding("read", "fault", shown, "Which layer is slow or down?")
        return Finding("read", "ok", f"Read back from {context.source}.")

    def _context(self) -> Context:
        return self._api.invoking(thread_id=self.thread_id)

    def _drain(self) -> Finding:
        started = time.monotonic()
        while True:
            layers = self._api.read_layers(self.thread_id)
            waited = time.monotonic() - started
            if self._is_stored(layers):
                return Finding("drain", "ok", f"PostgreSQL has it after {duration(waited)}.")
            if waited > self._wait_seconds:
                shown = f"PostgreSQL does not have it after {duration(waited)}."
                advice = "Does the sync function run, and what does its log say? --wait waits longer."
                return Finding("drain", "fault", shown, advice)
            time.sleep(_PAUSE_SECONDS)

    def _is_stored(self, layers: Layers) -> bool:
        stored = [message.exchange_id for message in layers.postgres.messages]
        return stored == [self._exchange_id] * 2 and layers.undrained == 0

    def _without_a_token(self) -> Finding:
        assert self._anonymous is not None  # noqa: S101 - the step runs only with an anonymous client
        return _refused("token", self._anonymous, self.thread_id, HTTPStatus.UNAUTHORIZED, "without a token")

    def _as_another_user(self) -> Finding:
        assert self._other is not None  # noqa: S101 - the step runs only with a second client
        return _refused("isolation", self._other, self.thread_id, HTTPStatus.NOT_FOUND, "with the other token")

    def _delete(self) -> Finding:
        self._api.delete_thread(self.thread_id)
        self._thread_may_exist = False
        return Finding("delete", "ok", "The thread is deleted.")

    def _gone(self) -> Finding:
        finding = _refused("gone", self._api, self.thread_id, HTTPStatus.NOT_FOUND, "after its deletion")
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
                return Finding("clean-up", "ok", "The thread is not there.")
            except MemoryClientError as error:
                reason = format_error(error, self._api.base_url)
            else:
                return Finding("clean-up", "ok", "The thread is deleted.")
        advice = f"Delete it later: hybrid-memory threads delete {self.thread_id} --yes."
        return Finding("clean-up", "warning", f"The thread may still be there ({reason}).", advice)


def _refused(check: str, api: MemoryClient, thread_id: str, status: HTTPStatus, circumstance: str) -> Finding:
    """Check that the API refuses with this status to return the thread's messages."""
    try:
        api.read_messages(thread_id)
    except ApiError as error:
        if is_outage(error):
            raise
        if error.status == status:
            return Finding(check, "ok", f"Its messages are refused {circumstance} ({status}).")
        description = f"{circumstance.capitalize()}: {format_error(error, api.base_url)}"
        return Finding(check, "fault", description, f"The status has to be {status}.")
    advice = "The token must belong to another user who is not an operator." if check == "isolation" else "Report this."
    return Finding(check, "fault", f"Its messages can be read {circumstance}.", advice)


def _not_done(check: str, error: MemoryClientError, url: str) -> Finding:
    if not isinstance(error, (ApiError, NotThisApi)):
        description, advice = f"The API did not answer ({failure_of(error)}).", "Is the address right, and is it up?"
        return Finding(check, "unreachable", description, advice)
    if is_outage(error):
        advice = "Try again later, or run hybrid-memory doctor for details."
        return Finding(check, "unreachable", format_error(error, url), advice)
    return Finding(check, "fault", format_error(error, url), "Are the address and the token right?")
