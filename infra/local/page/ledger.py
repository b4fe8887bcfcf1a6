"""The exchanges that the API has accepted through the local page, and the requests that were sent again."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

_TURNS: Final = {"/run", "/invoked"}
_ACCEPTED: Final = {HTTPStatus.OK, HTTPStatus.ACCEPTED}
_DURABLE: Final = {"queue", "postgres", "redis"}
_MAX_EXCHANGES: Final = 10_000
_DONE_EVENT: Final = re.compile(rb"^event: ?done\r?\ndata: ?(.*?)\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An exchange that the API promised to keep. The user is None if only a token names the user."""

    exchange_id: UUID
    thread_id: str
    user_id: str | None
    accepted_at: datetime


class Ledger:
    """Records the newest 10,000 accepted exchanges. Several threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted: OrderedDict[UUID, Accepted] = OrderedDict()
        self._ids_of_keys: OrderedDict[str, UUID] = OrderedDict()
        self._sent_keys: OrderedDict[str, None] = OrderedDict()
        self._retries = 0
        self._doubled = 0

    def record(self, path: str, headers: Message, body: bytes, status: int, answer: bytes) -> None:
        """Record a request for a turn and its response; ignore any other request."""
        if path not in _TURNS:
            return
        request, response = _object(body), _answer(answer)
        key = str(headers.get("Idempotency-Key") or request.get("exchange_id") or "")
        exchange_id = _uuid(response.get("exchange_id")) if status in _ACCEPTED else None
        thread_id = response.get("thread_id") or request.get("thread_id")
        memory = response.get("memory")
        durability = memory.get("durability") if isinstance(memory, dict) else response.get("durability")
        with self._lock:
            self._count_key(key, exchange_id)
            if exchange_id is not None and isinstance(thread_id, str) and durability in _DURABLE:
                user_id = request.get("user_id")
                user_id = user_id if isinstance(user_id, str) else None
                self._add(Accepted(exchange_id, thread_id, user_id, datetime.now(UTC)))

    def add(self, exchanges: Iterable[Accepted], *, retries: int) -> None:
        """Add exchanges that were accepted outside of the pass-through, and the retries among their requests."""
        with self._lock:
            self._retries += retries
            for exchange in exchanges:
                self._add(exchange)

    def accepted(self) -> list[Accepted]:
        """Return the accepted exchanges, oldest first."""
        with self._lock:
            return list(self._accepted.values())

    def last_of(self, thread_id: str) -> Accepted | None:
        """Return the newest accepted exchange of a thread."""
        return next((each for each in reversed(self.accepted()) if each.thread_id == thread_id), None)

    def retries(self) -> tuple[int, int]:
        """Return the number of requests that were sent again, and how many of them made a second exchange."""
        with self._lock:
            return self._retries, self._doubled

    def _count_key(self, key: str, exchange_id: UUID | None) -> None:
        if not key:
            return
        if key in self._sent_keys:
            self._retries += 1
        self._sent_keys[key] = None
        if exchange_id is not None:
            first = self._ids_of_keys.setdefault(key, exchange_id)
            self._doubled += first != exchange_id
        for keys in (self._sent_keys, self._ids_of_keys):
            while len(keys) > _MAX_EXCHANGES:
                keys.popitem(last=False)

    def _add(self, exchange: Accepted) -> None:
        # A retry of an accepted exchange keeps the time of the first acceptance.
        self._accepted.setdefault(exchange.exchange_id, exchange)
        while len(self._accepted) > _MAX_EXCHANGES:
            self._accepted.popitem(last=False)


def _answer(body: bytes) -> dict[str, Any]:
    # A streamed answer ends with the object of the plain answer.
    if done := _DONE_EVENT.search(body):
        return _object(done[1])
    return _object(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
