"""A synchronous or asynchronous client that gets prepared responses."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from hybrid_memory_client import AsyncMemoryClient, MemoryClient, RetryPolicy

URL = "http://127.0.0.1/stage"
WITHOUT_DELAYS = RetryPolicy(first_delay=0)
Prepared = httpx.Response | Exception


def success(body: object = None, status: int = 200, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a successful response."""
    return httpx.Response(status, json=body, headers=headers)


def problem(status: int, retry_after: str | None = None, **fields: object) -> httpx.Response:
    """Return an error response with a problem."""
    body = {"type": "about:blank", "title": "T", "status": status, "detail": "D", "request_id": "r-1", **fields}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json=body, headers=headers)


class ScriptedClient:
    """A synchronous or asynchronous client whose requests get prepared responses in order.

    Attributes:
        requests: The sent requests.
    """

    def __init__(
        self, client_type: type[MemoryClient | AsyncMemoryClient], *responses: Prepared, **options: Any
    ) -> None:
        self.requests: list[httpx.Request] = []
        self._responses: Iterator[Prepared] = iter(responses)
        transport = httpx.MockTransport(self._respond)
        options.setdefault("retry", WITHOUT_DELAYS)
        self._client: Any
        if client_type is MemoryClient:
            self._client = MemoryClient(URL, http_client=httpx.Client(transport=transport), **options)
        else:
            self._client = AsyncMemoryClient(URL, http_client=httpx.AsyncClient(transport=transport), **options)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        # Store a copy, because a renewed token changes the request.
        self.requests.append(
            httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        )
        prepared = next(self._responses)
        if isinstance(prepared, Exception):
            raise prepared
        # Create a new response each time, because a response can be read only once, and by one kind of client.
        return httpx.Response(prepared.status_code, content=prepared.content, headers=prepared.headers)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **options: Any) -> Any:
            result = method(*args, **options)
            if inspect.isasyncgen(result):
                return asyncio.run(_collect(result))
            if inspect.isgenerator(result):
                return list(result)
            return asyncio.run(result) if inspect.iscoroutine(result) else result

        return call

    def bodies(self) -> list[Any]:
        """Return the JSON of the sent requests."""
        return [json.loads(request.content) for request in self.requests]


async def _collect(result: Any) -> list[Any]:
    return [each async for each in result]
