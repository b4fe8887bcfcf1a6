"""The API serves its health, its OpenAPI description, and the pages."""

import re
from typing import Any

import httpx

from tests.e2e.deployment import Aws, Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.waiting import eventually

_ROUTES = {
    "/run": {"post"},
    "/invoking": {"post"},
    "/invoked": {"post"},
    "/search": {"post"},
    "/threads": {"get"},
    "/threads/{thread_id}": {"get", "patch", "delete"},
    "/threads/{thread_id}/messages": {"get"},
    "/threads/{thread_id}/layers": {"get"},
    "/threads/{thread_id}/exchanges/{exchange_id}": {"put", "delete"},
    "/users/{user_id}/preferences": {"get", "put", "patch", "delete"},
    "/users/{user_id}/memories": {"get", "post", "delete"},
    "/users/{user_id}/memories/{memory_id}": {"get", "patch", "delete"},
    "/users/{user_id}": {"delete"},
    "/health": {"get"},
    "/status": {"get"},
    "/overview": {"get"},
}


def test_health_names_every_layer(api: MemoryApi) -> None:
    """All layers respond, and the response lists each layer."""
    assert api.call("GET", "/health") == {
        "status": "ok",
        "redis": "ok",
        "postgres": "ok",
        "queue": "ok",
        "search": {"unindexed": 0},
    }


def test_the_health_check_leaves_no_message_in_the_queue(api: MemoryApi, aws: Aws, deployment: Deployment) -> None:
    """The health check leaves neither a visible nor a delayed message.

    Such a message would become a dead letter. Until then the queue would not count as empty.
    """
    api.call("GET", "/health")
    names: Any = ["ApproximateNumberOfMessagesDelayed"]
    counts = aws.sqs.get_queue_attributes(QueueUrl=deployment.queue_url, AttributeNames=names)["Attributes"]
    assert counts == {"ApproximateNumberOfMessagesDelayed": "0"}


def test_the_description_has_every_route(api: MemoryApi) -> None:
    """The OpenAPI document describes exactly the API's routes."""
    document = api.call("GET", "/openapi.json")

    assert document["openapi"].startswith("3.")
    assert {path: set(methods) for path, methods in document["paths"].items()} == _ROUTES


def test_the_api_serves_its_documentation_page(api: MemoryApi) -> None:
    """The API serves the page and all its files."""
    page = api.send("GET", "/docs")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    loaded_urls = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text)
    assert loaded_urls
    for path in loaded_urls:
        assert "//" not in path
        assert api.send("GET", f"/{path}").status_code == 200


def test_the_url_without_a_slash_redirects_to_the_page(api: MemoryApi) -> None:
    """The URL without the slash redirects to the page. The API serves the page's files."""
    without_slash = str(api.http.base_url).rstrip("/")
    page = httpx.get(without_slash, follow_redirects=True, trust_env=False)

    assert page.status_code == 200
    assert str(page.url) == f"{without_slash}/"
    assert page.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for path in re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text):
        assert "//" not in path
        assert api.send("GET", f"/{path.removeprefix('./')}").status_code == 200


def test_the_status_counts_the_queues_and_the_outbox(api: MemoryApi) -> None:
    """The status counts the queues and the outbox."""
    status = api.call("GET", "/status")

    assert status["degraded"] == []
    for queue in ("queue", "dlq", "outbox"):
        assert status[queue].keys() == {"visible", "in_flight", "delayed", "oldest_age_seconds"}


def test_an_exchange_is_in_both_layers_after_the_drain(api: MemoryApi, thread_id: str) -> None:
    """The exchange is in Redis before the response. After the drain, it is in both layers."""
    api.invoked("Hello", "Hi", thread_id=thread_id)
    path = f"/threads/{thread_id}/layers"

    assert [message["preview"] for message in api.call("GET", path)["redis"]["messages"]] == ["Hello", "Hi"]
    eventually(lambda: api.call("GET", path)["undrained"] == 0)
    layers = api.call("GET", path)
    assert [message["preview"] for message in layers["postgres"]["messages"]] == ["Hello", "Hi"]
    assert [message["is_drained"] for message in layers["redis"]["messages"]] == [True, True]
    assert 0 < layers["redis"]["ttl_seconds"] <= 24 * 3600
