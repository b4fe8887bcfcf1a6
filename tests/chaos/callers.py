"""The callers take one turn after another, at a planned rate or as fast as possible."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import httpx

from tests.chaos.journal import Journal, Request, Route, Turn
from tests.chaos.plan import Plan, PlannedTurn

TIMEOUT_SECONDS: Final = 30.0
_RETRIES: Final = 3
_RETRY_PAUSE_SECONDS: Final = 1.5
_MAX_CONNECTIONS: Final = 40
_OK: Final = 200


class Callers:
    """A fixed number of concurrent callers. They log all responses.

    Args:
        rate: The sum of all callers' turns per second. A caller that is late takes its next turn without a pause.
    """

    def __init__(self, api_url: str, plan: Plan, journal: Journal, *, number: int, rate: float) -> None:
        limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS)
        # The servers are local, so the environment's proxies do not apply.
        self._http = httpx.Client(base_url=api_url, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False)
        self._plan = plan
        self._journal = journal
        self._number = number
        self._pause = number / rate
        self._stopped = threading.Event()
        self._executor = ThreadPoolExecutor(max_workers=2 * number, thread_name_prefix="request")
        self._threads = [
            threading.Thread(target=self._take_turns, args=(caller,), name=f"caller-{caller}", daemon=True)
            for caller in range(number)
        ]

    def warm_up(self) -> None:
        """Invoke every worker once, so that the first figures do not include cold starts. Nothing is stored."""

        def invoke(_: int) -> None:
            # On a busy machine, so many concurrent cold starts take longer than the normal timeout.
            with suppress(httpx.HTTPError):
                self._http.post("/run", json={"prompt": "hello"})

        list(self._executor.map(invoke, range(2 * self._number)))

    def start(self) -> None:
        """Start all callers."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop each caller after its current turn."""
        self._stopped.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(TIMEOUT_SECONDS * (_RETRIES + 2))

    def close(self) -> None:
        """Close the connections."""
        self._executor.shutdown(cancel_futures=True)
        self._http.close()

    def repeat_requests_with_keys(self) -> None:
        """Repeat every request that has an idempotency key."""
        turns = [turn for turn in self._journal.turns if turn.planned.id_source == "key"]

        def repeat(turn: Turn) -> None:
            for _ in range(_RETRIES):
                turn.repeated.append(self._send(turn.caller, turn.planned, time.time()))
                if turn.repeated[-1].is_answered:
                    return
                time.sleep(_RETRY_PAUSE_SECONDS)

        list(self._executor.map(repeat, turns))

    def read_threads(self, thread_ids: list[str]) -> None:
        """Read each thread after all faults. After a failed or degraded response, read the thread again."""

        def read(thread_id: str) -> None:
            for _ in range(_RETRIES):
                request = self.recall(thread_id, None)
                if request.is_answered and not request.degraded:
                    break
                time.sleep(_RETRY_PAUSE_SECONDS)
            self._journal.final_reads.append(request)

        list(self._executor.map(read, thread_ids))

    def recall(self, thread_id: str, user_id: str | None, caller: int = 0) -> Request:
        """Request a thread's context."""
        return self._post(caller, "invoking", thread_id, user_id, {})

    def delete(self, thread_id: str, user_id: str | None) -> Request:
        """Request the deletion of a thread or a user, once."""
        request = Request(0, "delete", thread_id, sent=time.monotonic())
        try:
            request.status = self._http.delete(f"/users/{user_id}" if user_id else f"/threads/{thread_id}").status_code
        except httpx.HTTPError as error:
            request.error = type(error).__name__
        request.ended = time.monotonic()
        return request

    def list_memories(self, user_id: str) -> list[dict[str, Any]] | None:
        """Return all memories of a user; None if PostgreSQL or the API did not respond."""
        memories: list[dict[str, Any]] = []
        query = {"include_superseded": "true"}
        while True:
            try:
                response = self._http.get(f"/users/{user_id}/memories", params=query)
                page: dict[str, Any] = response.json()
            except (httpx.HTTPError, ValueError):
                return None
            if response.status_code != _OK or page["degraded"]:
                return None
            memories += page["items"]
            if page["next_cursor"] is None:
                return memories
            query["cursor"] = page["next_cursor"]

    def delete_memory(self, user_id: str, memory_id: str) -> int | None:
        """Request the deletion of a memory, once; return the status, or None without a response."""
        try:
            return self._http.delete(f"/users/{user_id}/memories/{memory_id}").status_code
        except httpx.HTTPError:
            return None

    def _take_turns(self, caller: int) -> None:
        due = time.monotonic() + self._pause * caller / self._number
        for planned in self._plan.planned_turns(caller):
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return
            due = max(due + self._pause, time.monotonic() - 10 * self._pause)
            self.take_turn(Turn(caller, planned))

    def take_turn(self, turn: Turn) -> None:
        """Take a turn and log it."""
        planned = turn.planned
        if planned.reads_first:
            turn.recall = self.recall(planned.thread_id, planned.user_id, turn.caller)
        self._journal.turns.append(turn)
        began = time.time()
        # The callers with the next numbers send the copies of the request.
        copies = [
            self._executor.submit(self._send, (turn.caller + number) % self._number, planned, began)
            for number in range(1, planned.copies)
        ]
        turn.requests.append(self._send(turn.caller, planned, began))
        turn.requests.extend(copy.result() for copy in copies)
        for _ in range(_RETRIES):
            # Only a request with a key or an id can be repeated without creating another exchange.
            if turn.accepted_at is not None or planned.id_source in {"service", "run"} or self._stopped.is_set():
                return
            self._stopped.wait(_RETRY_PAUSE_SECONDS)
            turn.requests.append(self._send(turn.caller, planned, began))

    def _send(self, caller: int, planned: PlannedTurn, began: float) -> Request:
        if planned.id_source in {"key", "run"}:
            headers = {"Idempotency-Key": planned.key} if planned.id_source == "key" else {}
            return self._post(caller, "run", planned.thread_id, planned.user_id, {"prompt": _prompt(planned)}, headers)
        body = {"user_message": planned.user_message, "assistant_message": planned.assistant_message}
        exchange_id = planned.exchange_id(began)
        if exchange_id is not None:
            body["exchange_id"] = str(exchange_id)
        created_at = planned.created_at(began)
        if created_at is not None:
            body["created_at"] = created_at
        return self._post(caller, "invoked", planned.thread_id, planned.user_id, body)

    def _post(
        self,
        caller: int,
        route: Route,
        thread_id: str,
        user_id: str | None,
        body: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> Request:
        body = {"thread_id": thread_id, **body}
        if user_id is not None:
            body["user_id"] = user_id
        request = Request(caller, route, thread_id, sent=time.monotonic())
        try:
            response = self._http.post(f"/{route}", json=body, headers=headers)
            request.status = response.status_code
            request.is_replayed = response.headers.get("Idempotent-Replayed") == "true"
            request.answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            request.error = type(error).__name__
        request.ended = time.monotonic()
        if request.route == "invoking" and request.is_answered:
            # The texts are not needed, and twenty thousand of them would take too much memory.
            request.exchange_ids = list(dict.fromkeys(message["exchange_id"] for message in request.answer["messages"]))
            request.answer = {"degraded": request.answer["degraded"], "source": request.answer["source"]}
        return request


def _prompt(planned: PlannedTurn) -> str:
    return f"{planned.user_message} {planned.assistant_message}"
