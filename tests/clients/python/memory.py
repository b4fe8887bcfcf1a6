"""A fake service with one thread, for tests of the frameworks' adapters."""

from __future__ import annotations

import json
import threading
from typing import Any
from uuid import UUID

import httpx

from hybrid_memory_client import AsyncMemoryClient, MemoryClient, RetryPolicy
from tests.clients.python.callers import refusal

URL = "http://memory"


class Memory:
    """Stores exchanges like the service: the first exchange with an id stays, and a replacement keeps its position.

    Attributes:
        exchanges: The bodies by id.
        requests: The received requests.
        degraded: The degraded layers of every page.
        can_replace: Whether the route for replacing exists.
    """

    def __init__(self) -> None:
        self.exchanges: dict[str, dict[str, Any]] = {}
        self.requests: list[httpx.Request] = []
        self.degraded: list[str] = []
        self.can_replace = True
        self.durability = "queue"
        self._lock = threading.Lock()

    def sync(self) -> MemoryClient:
        """Return a synchronous client."""
        http = httpx.Client(transport=httpx.MockTransport(self))
        return MemoryClient(URL, http_client=http, retry=RetryPolicy(attempts=1))

    def asynchronous(self) -> AsyncMemoryClient:
        """Return an asynchronous client."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return AsyncMemoryClient(URL, http_client=http, retry=RetryPolicy(attempts=1))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Handle a request."""
        with self._lock:
            self.requests.append(request)
            if request.method == "POST":
                body = json.loads(request.content)
                return self._kept(body["exchange_id"], body)
            if request.method == "PUT":
                return self._replaced(request.url.path.rpartition("/")[2], json.loads(request.content))
            if request.method == "DELETE":
                self.exchanges.clear()
                return httpx.Response(204)
            return self._page(request.url.params)

    def _kept(self, name: str, body: dict[str, Any]) -> httpx.Response:
        if self.durability != "none":
            self.exchanges.setdefault(name, body)
        return httpx.Response(202, json={"exchange_id": name, "durability": self.durability, "cached": True})

    def _replaced(self, name: str, body: dict[str, Any]) -> httpx.Response:
        if not self.can_replace:
            return refusal(405)
        if name not in self.exchanges:
            return refusal(404)
        self.exchanges[name] = body
        return httpx.Response(202, json={"exchange_id": name, "durability": "postgres", "cached": True})

    def _page(self, query: httpx.QueryParams) -> httpx.Response:
        messages = [message for name in sorted(self.exchanges) for message in self._messages(name)]
        if query.get("order") == "desc":
            messages.reverse()
        start = int(query.get("cursor", "0"))
        end = start + int(query["limit"])
        following = str(end) if end < len(messages) else None
        if not messages and not self.degraded:
            return refusal(404)
        page = {"items": messages[start:end], "next_cursor": following, "degraded": self.degraded}
        return httpx.Response(200, json=page)

    def _messages(self, name: str) -> list[dict[str, Any]]:
        body = self.exchanges[name]
        named = {"exchange_id": str(UUID(name)), "created_at": "2026-11-22T16:08:00.139000Z"}
        return [
            {"role": "user", "content": body["user_message"], "metadata": body.get("metadata"), **named},
            {"role": "assistant", "content": body["assistant_message"], **named},
        ]
