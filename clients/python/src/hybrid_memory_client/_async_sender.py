"""Sends a client's calls. `_sync_sender.py` is generated from this file by `clients/python/unasync.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import anyio
import httpx

from hybrid_memory_client._call import Call, is_invalid_header, may_have_taken_effect
from hybrid_memory_client._calls import normalize_base_url
from hybrid_memory_client._connections import AsyncConnections
from hybrid_memory_client._ids import ids_for
from hybrid_memory_client.auth import Authentication, make_auth
from hybrid_memory_client.errors import ApiError, CannotBeKept, ConnectionFailed, MemoryClientError, UnexpectedAnswer
from hybrid_memory_client.retries import Retries, RetryPolicy

_Result = TypeVar("_Result")
# API Gateway ends a request after 29 seconds, so a run is never longer.
_TIMEOUT = httpx.Timeout(35, connect=5)


class AsyncSender:
    """Sends calls to one deployment; the client adds the routes."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: Authentication | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.base_url = normalize_base_url(base_url)
        self._auth = make_auth(auth)
        self._retry = retry or RetryPolicy()
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._ids = ids_for(self.base_url)
        self._connections = AsyncConnections(http_client, _TIMEOUT if timeout is None else timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, except those of a client that the caller passed in."""
        await self._connections.aclose()

    def new_id(self) -> UUID:
        """Return an exchange id that sorts after all ids that this process has generated or read."""
        return self._ids.new()

    def new_import_id(self, created_at: datetime) -> UUID:
        """Return an exchange id for an import of this time."""
        return self._ids.for_import(created_at)

    async def _send(self, call: Call[_Result]) -> _Result:
        retries = Retries(self._retry, call.retry_method, call.waits_for_first)
        may_have_succeeded = False
        while True:
            try:
                return call.parse_response(await self._send_once(call))
            except MemoryClientError as error:
                if call.was_done_before(error, may_have_succeeded=may_have_succeeded):
                    return call.parse(httpx.Response(204))
                delay = retries.delay(error) if isinstance(error, (ApiError, ConnectionFailed)) else None
                if delay is None:
                    raise
                may_have_succeeded = may_have_succeeded or may_have_taken_effect(error)
            await anyio.sleep(delay)

    async def _send_once(self, call: Call[Any]) -> httpx.Response:
        content = call.encode_body()
        content_type = {} if content is None else {"Content-Type": "application/json"}
        http, sent = await self._connections.current(), self._ids.now()
        request = http.build_request(
            call.method,
            self.base_url + call.path,
            content=content,
            params=call.query or None,
            headers={**self._headers, "Accept": "application/json", **content_type, **call.headers},
            timeout=httpx.USE_CLIENT_DEFAULT if self._timeout is None else self._timeout,
        )
        try:
            response = await http.send(request, auth=httpx.USE_CLIENT_DEFAULT if self._auth is None else self._auth)
        except httpx.LocalProtocolError as error:
            # The message of httpx repeats the header, which may contain the token.
            if is_invalid_header(error):
                raise CannotBeKept("a header is invalid in HTTP: check the token and `headers`") from None
            raise ConnectionFailed(f"{call.method} {self.base_url}: {error}") from error
        except httpx.TransportError as error:
            raise ConnectionFailed(f"{call.method} {self.base_url}: {error or type(error).__name__}") from error
        except httpx.RequestError as error:
            raise UnexpectedAnswer(f"{call.method} {self.base_url}: {error or type(error).__name__}") from error
        self._ids.adjust_clock(response.headers.get("Date"), sent)
        return response
