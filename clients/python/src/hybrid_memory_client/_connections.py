"""A client's HTTP connections: one pool, or one pool for each event loop of an asynchronous client."""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import httpx

import hybrid_memory_client

_Lifetime = AsyncGenerator[httpx.AsyncClient, None]


class _Pool(NamedTuple):
    http: httpx.AsyncClient
    lifetime: _Lifetime
    finalizer: weakref.finalize[..., Any]


def _user_agent() -> dict[str, str]:
    return {"User-Agent": f"hybrid-memory-client/{hybrid_memory_client.__version__}"}


class Connections:
    """The pool of a synchronous client."""

    def __init__(self, http_client: httpx.Client | None, timeout: float | httpx.Timeout) -> None:
        self._is_own = http_client is None
        self._http = http_client or httpx.Client(timeout=timeout, trust_env=False, headers=_user_agent())

    def current(self) -> httpx.Client:
        """Return the pool."""
        return self._http

    def close(self) -> None:
        """Close the pool, unless the caller passed it in."""
        if self._is_own:
            self._http.close()


class AsyncConnections:
    """The pools of an asynchronous client.

    A connection belongs to the event loop that opened it. Each `asyncio.run` creates a loop, so each loop gets its own
    pool, which closes when the loop ends.
    """

    def __init__(self, http_client: httpx.AsyncClient | None, timeout: float | httpx.Timeout) -> None:
        self._callers_pool = http_client
        self._timeout = timeout
        self._lock = threading.Lock()
        self._pools: dict[object, _Pool] = {}

    async def current(self) -> httpx.AsyncClient:
        """Return the pool of the running loop."""
        if self._callers_pool is not None:
            return self._callers_pool
        loop = _running_loop()
        with self._lock:
            pool = self._pools.get(loop)
        if pool is not None:
            return pool.http
        own_http = httpx.AsyncClient(timeout=self._timeout, trust_env=False, headers=_user_agent())
        lifetime = _lifetime(own_http, weakref.ref(self), loop)
        http = await anext(lifetime)
        with self._lock:
            for closed_loop in [each for each in self._pools if _is_closed(each)]:
                self._pools.pop(closed_loop).finalizer.detach()
            finalizer = weakref.finalize(self, _close_later, loop, lifetime)
            finalizer.atexit = False
            self._pools[loop] = _Pool(http, lifetime, finalizer)
        return http

    async def aclose(self) -> None:
        """Close the running loop's pool, unless the caller passed it in. Other pools close with their loops."""
        with self._lock:
            pool = self._pools.get(_running_loop())
        if pool is not None:
            await pool.lifetime.aclose()

    def forget(self, loop: object) -> None:
        """Remove the pool of a loop that is closing."""
        with self._lock:
            pool = self._pools.pop(loop, None)
        if pool is not None:
            pool.finalizer.detach()


async def _lifetime(http: httpx.AsyncClient, owner: weakref.ref[AsyncConnections], loop: object) -> _Lifetime:
    """Yield the pool once. A closing event loop closes this generator, which then closes the pool."""
    try:
        yield http
    finally:
        connections = owner()
        if connections is not None:
            connections.forget(loop)
        await http.aclose()


def _close_later(loop: object, lifetime: _Lifetime) -> None:
    """Close the pool of a client that was garbage-collected. The pool's loop may run in another thread."""
    if isinstance(loop, asyncio.AbstractEventLoop) and not loop.is_closed():
        loop.call_soon_threadsafe(lambda: loop.create_task(_close(lifetime)))


async def _close(lifetime: _Lifetime) -> None:
    await lifetime.aclose()


def _running_loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        trio: Any = sys.modules["trio"]
        return trio.lowlevel.current_trio_token()


def _is_closed(loop: object) -> bool:
    return isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed()
