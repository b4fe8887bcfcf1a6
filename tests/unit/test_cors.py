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

_ORIGIN = "https://app.example.com"


def _request(
    app: FastAPI,
    origins: list[str],
    method: str,
    path: str,
    headers: dict[str, str],
    *,
    is_local: bool = False,
) -> httpx.Response:
    async def send() -> httpx.Response:
        application: ASGI = with_cors(app, origins, is_local=is_local)
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())


def test_an_allowed_origin_gets_cors_headers(api: Api) -> None:
    """An allowed origin gets CORS headers for preflight and other requests, even if the API refuses the request."""
    request_headers = {"Origin": _ORIGIN, "Access-Control-Request-Method": "POST"}
    request_headers["Access-Control-Request-Headers"] = "authorization,idempotency-key"
    preflight = _request(api.app, [_ORIGIN], "OPTIONS", "/run", request_headers)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == _ORIGIN
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers
    for path, status in (("/openapi.json", 200), ("/nothing", 404)):
        answer = _request(api.app, [_ORIGIN], "GET", path, {"Origin": _ORIGIN})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, _ORIGIN)
        assert "Idempotent-Replayed" in answer.headers["access-control-expose-headers"]


def test_a_forbidden_origin_is_refused(api: Api) -> None:
    """A preflight request of a forbidden origin or method returns a 400. A forbidden origin gets no CORS headers."""
    request_headers = {"Origin": "https://elsewhere.example.com", "Access-Control-Request-Method": "POST"}
    preflight = _request(api.app, [_ORIGIN], "OPTIONS", "/run", request_headers)
    assert (preflight.status_code, "access-control-allow-origin" in preflight.headers) == (400, False)
    assert "origin" in problem(preflight, 400)["detail"]
    assert "Origin" in preflight.headers["vary"]
    request_headers = {"Origin": _ORIGIN, "Access-Control-Request-Method": "TRACE"}
    preflight = _request(api.app, [_ORIGIN], "OPTIONS", "/run", request_headers)
    assert "method" in problem(preflight, 400)["detail"]
    assert preflight.headers["access-control-allow-origin"] == _ORIGIN


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE"])
def test_no_origin_is_allowed_by_default(api: Api, method: str) -> None:
    """By default no origin is allowed, and a method without a route returns a problem."""
    answer = _request(api.app, AgentSettings().origins, method, "/run", {"Origin": _ORIGIN})
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in answer.headers


def test_origins_are_separated_by_commas() -> None:
    """Commas separate the origins. A trailing slash is ignored, because browsers send origins without it."""
    assert AgentSettings(cors_origins=" https://a.example/ , http://b.example:3000,").origins == [
        "https://a.example",
        "http://b.example:3000",
    ]


def _preflight(
    app: FastAPI, origin: str, headers: dict[str, str] | None = None, *, is_local: bool = False
) -> httpx.Response:
    request_headers = {"Origin": origin, "Access-Control-Request-Method": "POST"} | (headers or {})
    return _request(app, [_ORIGIN], "OPTIONS", "/run", request_headers, is_local=is_local)


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
def test_the_stage_local_allows_local_pages(api: Api, origin: str) -> None:
    """The stage `local` also allows pages of the same machine. Other stages allow only the configured origins."""
    answer = _preflight(api.app, origin, is_local=True)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    assert _preflight(api.app, _ORIGIN, is_local=True).headers["access-control-allow-origin"] == _ORIGIN
    read = _request(api.app, [], "GET", "/openapi.json", {"Origin": origin}, is_local=True)
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
def test_origins_that_resemble_local_ones_are_refused(api: Api, origin: str) -> None:
    """Origins that only resemble local ones may not call the API."""
    answer = _preflight(api.app, origin, is_local=True)
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (400, False)


def test_a_preflight_request_may_name_any_valid_header(api: Api) -> None:
    """A preflight request may name any valid header. The API ignores invalid header names."""
    request_headers = {"Access-Control-Request-Headers": "authorization, traceparent,x-custom_1,, b@d,sp ace,X-Api-Key"}
    answer = _preflight(api.app, _ORIGIN, request_headers)
    assert answer.status_code == 200
    allowed_headers = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "x-api-key", "traceparent", "x-custom_1"} <= {
        *allowed_headers
    }
    assert len(allowed_headers) == len(set(allowed_headers))
    assert not {"b@d", "sp ace", ""} & {*allowed_headers}
    assert {"Origin", "Access-Control-Request-Headers"} <= {*answer.headers["vary"].split(", ")}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_is_allowed(api: Api, method: str) -> None:
    """CORS allows every method of the API."""
    answer = _preflight(api.app, _ORIGIN, {"Access-Control-Request-Method": method})
    assert (answer.status_code, method in answer.headers["access-control-allow-methods"]) == (200, True)


def test_response_headers_are_exposed(api: Api) -> None:
    """CORS exposes the response headers that the guides use, and the timings."""
    answer = _request(api.app, [_ORIGIN], "GET", "/nothing", {"Origin": _ORIGIN})
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
    assert answer.headers["timing-allow-origin"] == _ORIGIN
    assert "Origin" in answer.headers["vary"]
    assert (
        "timing-allow-origin"
        not in _request(api.app, [_ORIGIN], "GET", "/nothing", {"Origin": "https://b.example"}).headers
    )
    assert (
        _request(api.app, ["*"], "GET", "/nothing", {"Origin": "https://b.example"}).headers["timing-allow-origin"]
        == "*"
    )
