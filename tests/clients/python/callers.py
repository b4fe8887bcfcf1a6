"""Runs a test with either client, on a transport with prepared responses."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from hybrid_memory_client import AsyncMemoryClient, MemoryClient, RetryPolicy

URL = "http://127.0.0.1/stage"
PATIENT = RetryPolicy(first_delay=0)
Answer = httpx.Response | Exception


def ok(body: object = None, status: int = 200, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a success."""
    return httpx.Response(status, json=body, headers=headers)


def refusal(status: int, retry_after: str | None = None, **fields: object) -> httpx.Response:
    """Return a problem."""
    body = {"type": "about:blank", "title": "T", "status": status, "detail": "D", "request_id": "r-1", **fields}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json=body, headers=headers)


class Caller:
    """A synchronous or asynchronous client whose requests get prepared responses in order.

    Attributes:
        requests: The sent requests.
    """

    def __init__(self, kind: type[MemoryClient | AsyncMemoryClient], *answers: Answer, **options: Any) -> None:
        self.requests: list[httpx.Request] = []
        self._answers: Iterator[Answer] = iter(answers)
        transport = httpx.MockTransport(self._answer)
        options.setdefault("retry", PATIENT)
        self._client: Any
        if kind is MemoryClient:
            self._client = MemoryClient(URL, http_client=httpx.Client(transport=transport), **options)
        else:
            self._client = AsyncMemoryClient(URL, http_client=httpx.AsyncClient(transport=transport), **options)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        # Store a copy, because a renewed token changes the request.
        self.requests.append(
            httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        )
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        # Create a new response each time, because a response can be read only once, and by one kind of client.
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **options: Any) -> Any:
            found = method(*args, **options)
            if inspect.isasyncgen(found):
                return asyncio.run(_all(found))
            if inspect.isgenerator(found):
                return list(found)
            return asyncio.run(found) if inspect.iscoroutine(found) else found

        return call

    def bodies(self) -> list[Any]:
        """Return the JSON of the sent requests."""
        return [json.loads(request.content) for request in self.requests]


async def _all(found: Any) -> list[Any]:
    return [each async for each in found]
