"""A search for tools that run in worker threads. It runs on the event loop's thread, which owns the stores' clients."""

import asyncio

from functions.agent.tools import SearchConversations
from shared.errors import StoreUnavailable
from shared.memory.search.results import SearchAnswer


class EventLoopSearch:
    """A `SearchConversations` for worker threads. Create it on the event loop's thread.

    Attributes:
        has_run_ended: Whether the run has ended. A tool's thread cannot be stopped, but its searches then fail.
    """

    def __init__(self, search: SearchConversations) -> None:
        self._search = search
        self._loop = asyncio.get_running_loop()
        self.has_run_ended = False

    def __call__(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> SearchAnswer:
        """Return what the search returns.

        Raises:
            StoreUnavailable: The store did not answer, or the run has ended.
        """

        async def search() -> SearchAnswer:
            if self.has_run_ended:
                raise StoreUnavailable("postgres", "the run has ended")
            return self._search(user_id, query, limit=limit, exclude_thread=exclude_thread)

        if asyncio._get_running_loop() is self._loop:  # noqa: SLF001 - `get_running_loop` would raise an error in a worker thread
            # This thread runs the event loop, so it cannot wait for the loop. This happens if a plain function of a
            # tool returned a coroutine.
            return self._search(user_id, query, limit=limit, exclude_thread=exclude_thread)
        return asyncio.run_coroutine_threadsafe(search(), self._loop).result()
