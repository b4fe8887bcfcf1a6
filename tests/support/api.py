"""Calls the API on in-memory stores by HTTP, without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from fastapi import FastAPI

from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue


class ReplaceableTarget:
    """A proxy whose target each test replaces.

    Creating a FastAPI application takes longer than most tests, so one application is created around these proxies.

    Attributes:
        target: The object of the running test, which gets all calls.
    """

    target: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)

    def __call__(self, *arguments: Any) -> Any:
        return self.target(*arguments)


@dataclass(frozen=True, slots=True)
class Api:
    """The application and its stores."""

    app: FastAPI
    cache: InMemoryCache
    archive: InMemoryArchive
    queue: InMemoryQueue

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request with a percent-encoded path, as a client does."""
        encoded = content if content is not None else None if body is None else orjson.dumps(body)
        all_headers = {"content-type": "application/json", **(headers or {})}

        async def gateway(scope: Any, receive: Any, reply: Any) -> None:
            # API Gateway passes the path on unchanged.
            await self.app({**scope, "path": scope["raw_path"].decode()}, receive, reply)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(gateway, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.request(method, path, content=encoded, headers=all_headers, params=query)

        return asyncio.run(send())

    def is_untouched(self) -> bool:
        """Return whether all stores are empty. A cached list without exchanges does not count."""
        lists = any(map(self.cache.contents, self.cache.lists))
        stored = any(map(self.archive.exchanges, self.archive._conversations))
        return not (lists or self.cache.hashes or self.cache.outbox_bodies or self.queue.bodies or stored)


def problem(response: httpx.Response, status: int, *fields: str) -> dict[str, Any]:
    """Check that a response is a problem about these fields, and return the problem."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    result: dict[str, Any] = response.json()
    assert result["status"] == status
    assert {"type", "title", "detail", "request_id"} <= result.keys()
    assert "Traceback" not in response.text
    assert [error["field"] for error in result.get("errors", [])] == list(fields)
    assert all(error.keys() == {"field", "in", "detail"} for error in result.get("errors", []))
    return result
