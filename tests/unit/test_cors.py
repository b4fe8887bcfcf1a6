"""Pages of other origins: which may call the API, and what they are told."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from mangum.types import ASGI

from functions.agent.cors import with_cors
from shared.settings import AgentSettings
from tests.support.api import Api

_PAGE = "https://app.example.com"


def _ask(app: FastAPI, origins: list[str], method: str, path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        application: ASGI = with_cors(app, origins)
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


def test_a_page_that_may(api: Api) -> None:
    """Its browser's question is answered, and so is the request, also a refused one."""
    asked = {"Origin": _PAGE, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,idempotency-key"
    preflight = _ask(api.app, [_PAGE], "OPTIONS", "/run", **asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == _PAGE
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers
    for path, status in (("/openapi.json", 200), ("/nothing", 404)):
        answer = _ask(api.app, [_PAGE], "GET", path, Origin=_PAGE)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, _PAGE)
        assert "Idempotent-Replayed" in answer.headers["access-control-expose-headers"]


def test_a_page_that_may_not(api: Api) -> None:
    """Its browser gets no leave."""
    asked = {"Origin": "https://elsewhere.example.com", "Access-Control-Request-Method": "POST"}
    preflight = _ask(api.app, [_PAGE], "OPTIONS", "/run", **asked)
    assert (preflight.status_code, "access-control-allow-origin" in preflight.headers) == (400, False)


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE"])
def test_nobody_may_unless_it_is_said(api: Api, method: str) -> None:
    """A method that no route has is answered by a problem."""
    answer = _ask(api.app, AgentSettings().origins, method, "/run", Origin=_PAGE)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in answer.headers


def test_origins_are_a_list() -> None:
    """Separated by commas; a slash at the end, which no browser sends, is forgiven."""
    assert AgentSettings(cors_origins=" https://a.example/ , http://b.example:3000,").origins == [
        "https://a.example",
        "http://b.example:3000",
    ]
