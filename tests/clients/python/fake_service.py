"""A fake service with one thread, for tests of the frameworks' adapters."""

from __future__ import annotations

import json
import threading
from typing import Any
from uuid import UUID

import httpx

from hybrid_memory_client import AsyncMemoryClient, MemoryClient, RetryPolicy
from tests.clients.python.scripted_client import problem

URL = "http://memory"


class FakeService:
    """The fake service. It ignores a second exchange with the same id, and a replaced exchange keeps its position.

    Attributes:
        exchanges: The stored request bodies, by exchange id.
        requests: The received requests.
        degraded: The degraded layers of every page.
        can_replace: Whether the route that replaces an exchange exists.
        durability: The durability in the responses; with `none`, nothing is stored.
    """

    def __init__(self) -> None:
        self.exchanges: dict[str, dict[str, Any]] = {}
        self.requests: list[httpx.Request] = []
        self.degraded: list[str] = []
        self.can_replace = True
        self.durability = "queue"
        self._lock = threading.Lock()

    def sync_client(self) -> MemoryClient:
        """Return a synchronous client."""
        http = httpx.Client(transport=httpx.MockTransport(self))
        return MemoryClient(URL, http_client=http, retry=RetryPolicy(attempts=1))

    def async_client(self) -> AsyncMemoryClient:
        """Return an asynchronous client."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return AsyncMemoryClient(URL, http_client=http, retry=RetryPolicy(attempts=1))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Handle a request."""
        with self._lock:
            self.requests.append(request)
            if request.method == "POST":
                body = json.loads(request.content)
                return self._store(body["exchange_id"], body)
            if request.method == "PUT":
                return self._replace(request.url.path.rpartition("/")[2], json.loads(request.content))
            if request.method == "DELETE":
                self.exchanges.clear()
                return httpx.Response(204)
            return self._page(request.url.params)

    def _store(self, exchange_id: str, body: dict[str, Any]) -> httpx.Response:
        if self.durability != "none":
            self.exchanges.setdefault(exchange_id, body)
        return httpx.Response(202, json={"exchange_id": exchange_id, "durability": self.durability, "cached": True})

    def _replace(self, exchange_id: str, body: dict[str, Any]) -> httpx.Response:
        if not self.can_replace:
            return problem(405)
        if exchange_id not in self.exchanges:
            return problem(404)
        self.exchanges[exchange_id] = body
        return httpx.Response(202, json={"exchange_id": exchange_id, "durability": "postgres", "cached": True})

    def _page(self, query: httpx.QueryParams) -> httpx.Response:
        messages = [message for exchange_id in sorted(self.exchanges) for message in self._messages(exchange_id)]
        if query.get("order") == "desc":
            messages.reverse()
        start = int(query.get("cursor", "0"))
        end = start + int(query["limit"])
        next_cursor = str(end) if end < len(messages) else None
        if not messages and not self.degraded:
            return problem(404)
        page = {"items": messages[start:end], "next_cursor": next_cursor, "degraded": self.degraded}
        return httpx.Response(200, json=page)

    def _messages(self, exchange_id: str) -> list[dict[str, Any]]:
        body = self.exchanges[exchange_id]
        fields = {"exchange_id": str(UUID(exchange_id)), "created_at": "2026-11-22T16:08:00.139000Z"}
        return [
            {"role": "user", "content": body["user_message"], "metadata": body.get("metadata"), **fields},
            {"role": "assistant", "content": body["assistant_message"], **fields},
        ]
