"""Bearer tokens: requested before the first call, and again after a 401."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

import httpx

TokenSource = Callable[[], str] | Callable[[], Awaitable[str]]
Authentication = httpx.Auth | TokenSource | str
_REFUSED = 401


class BearerAuth(httpx.Auth):
    """Sends `Authorization: Bearer …`.

    Args:
        source: Returns a token, or in an `AsyncMemoryClient` an awaitable of one. It is called before the first request
            and after a 401, at most once for each request. It may cache tokens, but should return fresh ones if it can.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token: str | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the current token, and after a 401 once more with a new one."""
        token = self._token or self._keep(self._source())
        response = yield _with(request, token)
        if response.status_code == _REFUSED:
            # Another request may have obtained a new token meanwhile.
            newer = self._token
            yield _with(request, newer if newer and newer != token else self._keep(self._source()))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the current token, and after a 401 once more with a new one."""
        token = self._token or await self._ask()
        response = yield _with(request, token)
        if response.status_code == _REFUSED:
            newer = self._token
            yield _with(request, newer if newer and newer != token else await self._ask())

    async def _ask(self) -> str:
        new_token = self._source()
        return self._keep(await new_token if inspect.isawaitable(new_token) else new_token)

    def _keep(self, token: object) -> str:
        if not isinstance(token, str):
            if inspect.iscoroutine(token):
                token.close()
            raise TypeError("a token source returns text; one that is awaited needs an AsyncMemoryClient")
        self._token = token
        return token


def authentication(credentials: Authentication | None) -> httpx.Auth | None:
    """Return the httpx authentication for an `httpx.Auth`, a token or a function that returns one."""
    if credentials is None or isinstance(credentials, httpx.Auth):
        return credentials
    return _FixedToken(credentials) if isinstance(credentials, str) else BearerAuth(credentials)


class _FixedToken(httpx.Auth):
    """Sends a fixed token. A 401 is not retried, because there is no other token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        yield _with(request, self._token)


def _with(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
