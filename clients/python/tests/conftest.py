"""Fixtures return clients of the deployment that `make test-clients` starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from hybrid_memory_client import AsyncMemoryClient, MemoryClient


@pytest.fixture(scope="session")
def url() -> str:
    """Return the API's URL."""
    return os.environ["HYBRID_MEMORY_URL"]


@pytest.fixture
def client(url: str) -> Iterator[MemoryClient]:
    """Return a client."""
    with MemoryClient(url) as client:
        yield client


@pytest.fixture
def async_client(url: str) -> AsyncMemoryClient:
    """Return a client for one event loop. The test closes this client."""
    return AsyncMemoryClient(url)


@pytest.fixture
def thread_id() -> str:
    """Return a new thread id."""
    return f"conv_{uuid4().hex}"


@pytest.fixture
def user_id() -> str:
    """Return a new user id."""
    return f"user_{uuid4().hex}"


def _respond_in_an_outage(request: httpx.Request) -> httpx.Response:
    """Respond like an API in an outage: it stores nothing, returns an empty context, and lists one old exchange."""
    if request.url.path.endswith("/invoked"):
        body = {"exchange_id": json.loads(request.content)["exchange_id"], "durability": "none", "cached": False}
        return httpx.Response(202, json=body)
    if request.url.path.endswith("/invoking"):
        empty_context = {"context": "", "messages": [], "preferences": {}, "source": "none"}
        return httpx.Response(200, json={**empty_context, "degraded": ["redis", "postgres"]})
    old_messages = [
        {"role": role, "content": "old", "exchange_id": None, "created_at": None} for role in ("assistant", "user")
    ]
    return httpx.Response(200, json={"items": old_messages, "next_cursor": None, "degraded": ["redis", "queue"]})


@pytest.fixture
def outage() -> MemoryClient:
    """Return a client of a deployment whose layers are down."""
    http = httpx.Client(transport=httpx.MockTransport(_respond_in_an_outage))
    return MemoryClient("http://outage", http_client=http)


@pytest.fixture
def async_outage() -> AsyncMemoryClient:
    """Return an asynchronous client of a deployment whose layers are down."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(_respond_in_an_outage))
    return AsyncMemoryClient("http://outage", http_client=http)
