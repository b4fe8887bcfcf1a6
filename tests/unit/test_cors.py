"""The API allows the configured origins, and adds CORS headers to their responses."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from mangum.types import ASGI

from functions.agent.http.cors import with_cors
from shared.settings import AgentSettings
from tests.support.api import Api, problem

_PAGE = "https://app.example.com"


def _ask(
    app: FastAPI,
    origins: list[str],
    method: str,
    path: str,
    headers: dict[str, str],
    *,
    is_local: bool = False,
) -> httpx.Response:
    async def ask() -> httpx.Response:
        application: ASGI = with_cors(app, origins, is_local=is_local)
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


def test_an_allowed_origin(api: Api) -> None:
    """An allowed origin gets CORS headers for preflight and other requests, even if the API refuses the request."""
    asked = {"Origin": _PAGE, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,idempotency-key"
    preflight = _ask(api.app, [_PAGE], "OPTIONS", "/run", asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == _PAGE
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers
    for path, status in (("/openapi.json", 200), ("/nothing", 404)):
        answer = _ask(api.app, [_PAGE], "GET", path, {"Origin": _PAGE})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, _PAGE)
        assert "Idempotent-Replayed" in answer.headers["access-control-expose-headers"]


def test_a_forbidden_origin(api: Api) -> None:
    """A preflight request of a forbidden origin or method returns a 400. A forbidden origin gets no CORS headers."""
    asked = {"Origin": "https://elsewhere.example.com", "Access-Control-Request-Method": "POST"}
    preflight = _ask(api.app, [_PAGE], "OPTIONS", "/run", asked)
    assert (preflight.status_code, "access-control-allow-origin" in preflight.headers) == (400, False)
    assert "origin" in problem(preflight, 400)["detail"]
    assert "Origin" in preflight.headers["vary"]
    asked = {"Origin": _PAGE, "Access-Control-Request-Method": "TRACE"}
    preflight = _ask(api.app, [_PAGE], "OPTIONS", "/run", asked)
    assert "method" in problem(preflight, 400)["detail"]
    assert preflight.headers["access-control-allow-origin"] == _PAGE


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE"])
def test_no_origin_is_allowed_by_default(api: Api, method: str) -> None:
    """By default no origin is allowed, and a method without a route returns a problem."""
    answer = _ask(api.app, AgentSettings().origins, method, "/run", {"Origin": _PAGE})
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in answer.headers


def test_origins_are_a_list() -> None:
    """The setting separates origins by commas. It ignores a trailing slash, because browsers do not send one."""
    assert AgentSettings(cors_origins=" https://a.example/ , http://b.example:3000,").origins == [
        "https://a.example",
        "http://b.example:3000",
    ]


def _preflight(
    app: FastAPI, origin: str, more: dict[str, str] | None = None, *, is_local: bool = False
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"} | (more or {})
    return _ask(app, [_PAGE], "OPTIONS", "/run", asked, is_local=is_local)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "http://localhost",
        "https://localhost:5173",
        "http://127.0.0.1:8080",
        "https://127.0.0.1",
        "http://[::1]:3000",
    ],
)
def test_pages_of_the_machine_itself(api: Api, origin: str) -> None:
    """The stage `local` also allows pages of the same machine. Other stages allow only the configured origins."""
    answer = _preflight(api.app, origin, is_local=True)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    assert _preflight(api.app, _PAGE, is_local=True).headers["access-control-allow-origin"] == _PAGE
    read = _ask(api.app, [], "GET", "/openapi.json", {"Origin": origin}, is_local=True)
    assert read.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in _preflight(api.app, origin).headers


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://localhost.example.com",
        "http://localhost:3000.example.com",
        "http://notlocalhost",
        "http://127.0.0.1.example.com",
        "http://127.0.0.10",
        "http://user@localhost",
        "ftp://localhost",
        "http://localhost:",
        "http://localhost\t",
        "http://192.168.0.7:3000",
    ],
)
def test_origins_that_resemble_local_ones(api: Api, origin: str) -> None:
    """Origins that only resemble local ones may not call the API."""
    answer = _preflight(api.app, origin, is_local=True)
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (400, False)


def test_a_header_that_the_api_does_not_know(api: Api) -> None:
    """A preflight request may name any valid header. The API ignores invalid header names."""
    asked = {"Access-Control-Request-Headers": "authorization, traceparent,x-custom_1,, b@d,sp ace,X-Api-Key"}
    answer = _preflight(api.app, _PAGE, asked)
    assert answer.status_code == 200
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "x-api-key", "traceparent", "x-custom_1"} <= {*allowed}
    assert len(allowed) == len(set(allowed))
    assert not {"b@d", "sp ace", ""} & {*allowed}
    assert {"Origin", "Access-Control-Request-Headers"} <= {*answer.headers["vary"].split(", ")}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_of_the_api(api: Api, method: str) -> None:
    """CORS allows every method of the API."""
    answer = _preflight(api.app, _PAGE, {"Access-Control-Request-Method": method})
    assert (answer.status_code, method in answer.headers["access-control-allow-methods"]) == (200, True)


def test_exposed_headers(api: Api) -> None:
    """CORS exposes the response headers that the guides use, and the timings."""
    answer = _ask(api.app, [_PAGE], "GET", "/nothing", {"Origin": _PAGE})
    exposed = {name.lower() for name in answer.headers["access-control-expose-headers"].split(", ")}
    assert {
        "allow",
        "date",
        "idempotent-replayed",
        "retry-after",
        "server-timing",
        "www-authenticate",
        "x-amzn-requestid",
        "x-request-id",
    } <= exposed
    assert answer.headers["timing-allow-origin"] == _PAGE
    assert "Origin" in answer.headers["vary"]
    assert (
        "timing-allow-origin" not in _ask(api.app, [_PAGE], "GET", "/nothing", {"Origin": "https://b.example"}).headers
    )
    assert (
        _ask(api.app, ["*"], "GET", "/nothing", {"Origin": "https://b.example"}).headers["timing-allow-origin"] == "*"
    )
