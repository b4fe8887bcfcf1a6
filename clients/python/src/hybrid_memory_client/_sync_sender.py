"""Sends a client's calls. Made from `_async_sender.py` by `clients/python/unasync.py`: edit that one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx

from hybrid_memory_client._call import Call, is_about_a_header, may_have_worked
from hybrid_memory_client._calls import base_of
from hybrid_memory_client._connections import Connections
from hybrid_memory_client._ids import ids_for
from hybrid_memory_client.auth import Authentication, authentication
from hybrid_memory_client.errors import ApiError, CannotBeKept, ConnectionFailed, MemoryClientError, UnexpectedAnswer
from hybrid_memory_client.retries import Retries, RetryPolicy

_Answer = TypeVar("_Answer")
# API Gateway ends a request after 29 seconds, so a run is never longer.
_TIMEOUT = httpx.Timeout(35, connect=5)


class Sender:
    """Sends calls to one deployment; the client adds the routes."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: Authentication | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        self.base_url = base_of(base_url)
        self._auth = authentication(auth)
        self._retry = retry or RetryPolicy()
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._ids = ids_for(self.base_url)
        self._connections = Connections(http_client, _TIMEOUT if timeout is None else timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, except those of a client that the caller passed in."""
        self._connections.close()

    def new_id(self) -> UUID:
        """Return an exchange id that sorts after all ids that this process has generated or read."""
        return self._ids.new()

    def _send(self, call: Call[_Answer]) -> _Answer:
        retries = Retries(self._retry, call.method, call.waits_for_first)
        may_be_done = False
        while True:
            try:
                return call.answer(self._once(call))
            except MemoryClientError as error:
                if call.is_done_by(error, may_be_done=may_be_done):
                    return call.read(httpx.Response(204))
                delay = retries.delay(error) if isinstance(error, (ApiError, ConnectionFailed)) else None
                if delay is None:
                    raise
                may_be_done = may_be_done or may_have_worked(error)
            time.sleep(delay)

    def _once(self, call: Call[Any]) -> httpx.Response:
        content = call.content()
        kind = {} if content is None else {"Content-Type": "application/json"}
        http, sent = self._connections.current(), self._ids.now()
        request = http.build_request(
            call.method,
            self.base_url + call.path,
            content=content,
            params=call.query or None,
            headers={**self._headers, "Accept": "application/json", **kind, **call.headers},
            timeout=httpx.USE_CLIENT_DEFAULT if self._timeout is None else self._timeout,
        )
        try:
            answer = http.send(request, auth=httpx.USE_CLIENT_DEFAULT if self._auth is None else self._auth)
        except httpx.LocalProtocolError as error:
            # The library's own message repeats the header, which may be the token.
            if is_about_a_header(error):
                raise CannotBeKept("a header that HTTP cannot hold: see the token and `headers`") from None
            raise ConnectionFailed(f"{call.method} {self.base_url}: {error}") from error
        except httpx.TransportError as error:
            raise ConnectionFailed(f"{call.method} {self.base_url}: {error or type(error).__name__}") from error
        except httpx.RequestError as error:
            raise UnexpectedAnswer(f"{call.method} {self.base_url}: {error or type(error).__name__}") from error
        self._ids.adjust_clock(answer.headers.get("Date"), sent)
        return answer
