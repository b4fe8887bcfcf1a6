"""What the API says of itself: its health, its description, and where people read it."""

import re

from tests.e2e.memory_api import MemoryApi

_ROUTES = {
    "/run": {"post"},
    "/invoking": {"post"},
    "/invoked": {"post"},
    "/threads": {"get"},
    "/threads/{thread_id}": {"get", "patch", "delete"},
    "/threads/{thread_id}/messages": {"get"},
    "/users/{user_id}/preferences": {"get", "put", "patch", "delete"},
    "/users/{user_id}": {"delete"},
    "/health": {"get"},
}


def test_health_names_every_layer(api: MemoryApi) -> None:
    """All layers answer, and each is named."""
    assert api.call("GET", "/health") == {"status": "ok", "redis": "ok", "postgres": "ok", "queue": "ok"}


def test_the_description_holds_every_route(api: MemoryApi) -> None:
    """The OpenAPI document describes the contract's routes, no more and no less."""
    document = api.call("GET", "/openapi.json")

    assert document["openapi"].startswith("3.")
    assert {path: set(methods) for path, methods in document["paths"].items()} == _ROUTES


def test_the_description_can_be_read_by_people(api: MemoryApi) -> None:
    """The page and all that it loads come from the API itself."""
    page = api.send("GET", "/docs")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text)
    assert loaded
    for path in loaded:
        assert "//" not in path
        assert api.send("GET", f"/{path}").status_code == 200
