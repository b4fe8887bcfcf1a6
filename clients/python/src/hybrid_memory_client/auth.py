"""Bearer tokens: requested before the first call, and again after a 401."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

import httpx

TokenSource = Callable[[], str] | Callable[[], Awaitable[str]]
Authentication = httpx.Auth | TokenSource | str
_UNAUTHORIZED = 401


class BearerAuth(httpx.Auth):
    """Sends `Authorization: Bearer …`.

    Args:
        source: A function that returns a token; for an `AsyncMemoryClient`, it may return an awaitable of a token. It
            is called before the first request and after a 401, at most once for each request. The function may cache
            tokens, but after a 401 it should return a new token if it can.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token: str | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the current token, and after a 401 once more with a new one."""
        token = self._token or self._store_token(self._source())
        response = yield _add_token(request, token)
        if response.status_code == _UNAUTHORIZED:
            # Another request may have obtained a new token in the meantime.
            newer_token = self._token
            if not newer_token or newer_token == token:
                newer_token = self._store_token(self._source())
            yield _add_token(request, newer_token)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the current token, and after a 401 once more with a new one."""
        token = self._token or await self._request_token()
        response = yield _add_token(request, token)
        if response.status_code == _UNAUTHORIZED:
            newer_token = self._token
            if not newer_token or newer_token == token:
                newer_token = await self._request_token()
            yield _add_token(request, newer_token)

    async def _request_token(self) -> str:
        received = self._source()
        return self._store_token(await received if inspect.isawaitable(received) else received)

    def _store_token(self, token: object) -> str:
        if not isinstance(token, str):
            if inspect.iscoroutine(token):
                token.close()
            raise TypeError("a token source must return text; an awaitable token needs an AsyncMemoryClient")
        self._token = token
        return token


def make_auth(credentials: Authentication | None) -> httpx.Auth | None:
    """Return the httpx authentication for an `httpx.Auth`, a token or a function that returns one."""
    if credentials is None or isinstance(credentials, httpx.Auth):
        return credentials
    return _FixedToken(credentials) if isinstance(credentials, str) else BearerAuth(credentials)


class _FixedToken(httpx.Auth):
    """Sends a fixed token. A 401 is not retried, because there is no other token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        yield _add_token(request, self._token)


def _add_token(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
