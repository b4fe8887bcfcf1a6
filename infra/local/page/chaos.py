"""Chaos for 30 s: callers send exchanges and repeat them while Redis, PostgreSQL and the queue fail in turn."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from infra.local import LocalStackError
from infra.local.page.breaks import Breaks, Running
from infra.local.page.ledger import Accepted, Ledger
from infra.local.page.stores import StoreReader
from shared.errors import StoreUnavailable

if TYPE_CHECKING:
    from infra.local.stack import Stack

SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 20.0
_CALLERS: Final = 6
_PAUSE_SECONDS: Final = 0.15
_FAULT_SECONDS: Final = 2.0
_BETWEEN_FAULTS_SECONDS: Final = 1.5
# The queue stops long after PostgreSQL was frozen. If both were down, Redis' outbox alone would hold an exchange.
_FAULTS: Final = ("freeze-redis", "stop-queue", "kill-redis", "freeze-postgres", "poison")
_REQUEST_SECONDS: Final = 8.0
_ATTEMPTS: Final = 6
_REPEAT_EVERY: Final = 10
_COUNT_SECONDS: Final = 0.5
_ACCEPTED: Final = 202
_DURABLE: Final = {"queue", "postgres", "redis"}


class Chaos:
    """One run of the chaos. Its counters come from the API's responses and from PostgreSQL's rows."""

    def __init__(
        self, stack: Stack, stores: StoreReader, breaks: Breaks, ledger: Ledger, authorization: str | None
    ) -> None:
        self._stack = stack
        self._stores = stores
        self._breaks = breaks
        self._ledger = ledger
        self._authorization = authorization
        self._run_id = uuid4().hex[:8]
        self._lock = threading.Lock()
        self._accepted: dict[UUID, Accepted] = {}
        self._counts: dict[str, int | None] = {"sent": 0, "retries": 0, "stored": 0, "lost": None, "doubled": 0}
        self._fault: str | None = None
        self._phase = "running"
        self._ends_at = time.monotonic() + SECONDS

    def run(self, running: Running) -> str:
        """Send exchanges and break servers until the time is over, then wait until everything is stored."""
        running.ends_at = min(running.ends_at, time.monotonic() + SECONDS)
        self._ends_at = running.ends_at
        threads = [threading.Thread(target=self._call, args=(running, n), daemon=True) for n in range(_CALLERS)]
        threads.append(threading.Thread(target=self._count_until, args=(running.is_over,), daemon=True))
        for thread in threads:
            thread.start()
        running.has_begun.set()
        try:
            self._break_servers(running)
        finally:
            self._phase = "settling"
            running.ends_at = time.monotonic() + SETTLE_SECONDS
            for thread in threads:
                thread.join(1 if running.stop.is_set() else _REQUEST_SECONDS)
            with self._lock:
                accepted, retries = list(self._accepted.values()), self._counts["retries"] or 0
            self._ledger.add(accepted, retries=retries)
            self._settle(running)
            self._phase = "finished"
        return self._verdict()

    def state(self) -> dict[str, Any]:
        """Return the phase and the counters, as JSON. `lost` is null while exchanges are still queued."""
        with self._lock:
            accepted = len(self._accepted)
            counts = dict(self._counts)
        return {
            "phase": self._phase,
            "fault": self._fault,
            "seconds_left": max(0.0, round(self._ends_at - time.monotonic(), 1)) if self._phase == "running" else 0.0,
            "accepted": accepted,
            **counts,
        }

    def _break_servers(self, running: Running) -> None:
        while not running.is_over():
            for name in _FAULTS:
                if running.stop.wait(min(_BETWEEN_FAULTS_SECONDS, max(0.0, running.ends_at - time.monotonic()))):
                    return
                if running.is_over():
                    return
                fault = Running(name, min(running.ends_at, time.monotonic() + _FAULT_SECONDS), running.stop)
                with suppress(LocalStackError, StoreUnavailable):
                    # A killed Redis would lose its outbox, which is the only store that has the exchanges in it.
                    if name == "kill-redis" and self._stores.outbox():
                        self._stores.sweep()
                        continue
                    self._fault = name
                    self._breaks.actions[name](fault)
                self._fault = None

    def _call(self, running: Running, number: int) -> None:
        thread_id = f"chaos-{self._run_id}-{number}"
        sent = 0
        while not running.is_over() and self._phase == "running":
            sent += 1
            self._send(running, thread_id, f"Chaos {self._run_id}, caller {number}, message {sent}")
            running.stop.wait(_PAUSE_SECONDS)

    def _send(self, running: Running, thread_id: str, text: str) -> None:
        exchange_id = uuid4()
        user_id = None if self._authorization else f"chaos-{self._run_id}"
        body: dict[str, Any] = {
            "thread_id": thread_id,
            "exchange_id": str(exchange_id),
            "user_message": text,
            "assistant_message": f"I have noted: {text}",
        }
        if user_id is not None:
            body["user_id"] = user_id
        self._add("sent")
        # Some accepted exchanges are sent again, as by a client that did not get the response.
        is_repeated = exchange_id.int % _REPEAT_EVERY == 0
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._add("retries")
            is_accepted = self._post(body)
            if is_accepted:
                with self._lock:
                    self._accepted.setdefault(exchange_id, Accepted(exchange_id, thread_id, user_id, datetime.now(UTC)))
                if not is_repeated:
                    return
                is_repeated = False
            elif running.stop.wait(_PAUSE_SECONDS):
                return

    def _post(self, body: dict[str, Any]) -> bool:
        deployment = self._stack.deployment
        if deployment is None:
            return False
        url = urlsplit(deployment.api_url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=_REQUEST_SECONDS)
        headers = {"Content-Type": "application/json"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        try:
            connection.request("POST", f"{url.path}/invoked", json.dumps(body), headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            return False  # no response, so the caller sends the exchange again
        finally:
            connection.close()
        return response.status == _ACCEPTED and answer.get("durability") in _DURABLE

    def _add(self, name: str) -> None:
        with self._lock:
            self._counts[name] = (self._counts[name] or 0) + 1

    def _count_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over() and self._phase == "running":
            self._count()
            time.sleep(_COUNT_SECONDS)

    def _count(self) -> bool:
        """Update the counters from the stores; return whether every accepted exchange is accounted for."""
        with self._lock:
            accepted = list(self._accepted.values())
        try:
            queued, outbox = self._stores.backlog()
        except StoreUnavailable:
            queued, outbox = None, None
        try:
            # PostgreSQL is read last. What was drained meanwhile counts as stored.
            stored = self._stores.stored(accepted)
            doubled = self._stores.doubled_texts(list({each.thread_id for each in accepted}))
        except StoreUnavailable:
            return False
        missing = len(accepted) - len(stored.found) - len(stored.deleted)
        is_known = missing == 0 or (queued == 0 and outbox == 0)
        with self._lock:
            self._counts |= {
                "stored": len(stored.found),
                "doubled": max(stored.doubled, doubled),
                "lost": missing if is_known else None,
            }
        return is_known

    def _settle(self, running: Running) -> None:
        while not self._count() and not running.is_over():
            with suppress(StoreUnavailable):
                if self._stores.outbox():
                    self._stores.sweep()
            running.stop.wait(_COUNT_SECONDS)

    def _verdict(self) -> str:
        state = self.state()
        if state["lost"] is None:
            return f"{state['accepted']} accepted, {state['stored']} stored, and the others are still on their way."
        return (
            f"{state['accepted']} accepted, {state['stored']} stored, {state['lost']} lost, {state['doubled']} doubled."
        )
