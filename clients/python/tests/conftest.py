"""The deployment that `make test-clients` has started, and clients for it."""

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
    """The API's URL."""
    return os.environ["HYBRID_MEMORY_URL"]


@pytest.fixture
def client(url: str) -> Iterator[MemoryClient]:
    """A client."""
    with MemoryClient(url) as made:
        yield made


@pytest.fixture
def async_client(url: str) -> AsyncMemoryClient:
    """A client for one event loop; the test closes it."""
    return AsyncMemoryClient(url)


@pytest.fixture
def thread_id() -> str:
    """A new thread id."""
    return f"conv_{uuid4().hex}"


@pytest.fixture
def user_id() -> str:
    """A new user id."""
    return f"user_{uuid4().hex}"


def _behind_an_outage(request: httpx.Request) -> httpx.Response:
    """Respond like an API with queued exchanges, one old exchange in PostgreSQL, and no store that accepts writes."""
    if request.url.path.endswith("/invoked"):
        body = {"exchange_id": json.loads(request.content)["exchange_id"], "durability": "none", "cached": False}
        return httpx.Response(202, json=body)
    if request.url.path.endswith("/invoking"):
        nothing = {"context": "", "messages": [], "preferences": {}, "source": "none"}
        return httpx.Response(200, json={**nothing, "degraded": ["redis", "postgres"]})
    old = [{"role": role, "content": "old", "exchange_id": None, "created_at": None} for role in ("assistant", "user")]
    return httpx.Response(200, json={"items": old, "next_cursor": None, "degraded": ["redis", "queue"]})


@pytest.fixture
def outage() -> MemoryClient:
    """A client of a deployment whose layers are down."""
    http = httpx.Client(transport=httpx.MockTransport(_behind_an_outage))
    return MemoryClient("http://outage", http_client=http)


@pytest.fixture
def async_outage() -> AsyncMemoryClient:
    """An asynchronous client of a deployment whose layers are down."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(_behind_an_outage))
    return AsyncMemoryClient("http://outage", http_client=http)
