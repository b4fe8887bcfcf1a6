"""Lets a tool that runs in a thread search: on the event loop's own thread, to which the stores' clients belong."""

import asyncio

from functions.agent.tools import SearchConversations
from shared.errors import StoreUnavailable
from shared.models import SearchHit


class LoopSearch:
    """A `SearchConversations` for another thread; made on the event loop's.

    Attributes:
        is_over: Whether the run has ended. The thread of a tool cannot be stopped, but it searches no more.
    """

    def __init__(self, search: SearchConversations) -> None:
        self._search = search
        self._loop = asyncio.get_running_loop()
        self.is_over = False

    def __call__(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> list[SearchHit]:
        """Return what the search returns.

        Raises:
            StoreUnavailable: The store did not answer, or the run has ended.
        """

        async def search() -> list[SearchHit]:
            if self.is_over:
                raise StoreUnavailable("postgres", "the run has ended")
            return self._search(user_id, query, limit=limit, exclude_thread=exclude_thread)

        if asyncio._get_running_loop() is self._loop:  # noqa: SLF001 - the one that raises nothing in a thread
            # The loop cannot wait for itself: a plain function has returned a coroutine, which searches.
            return self._search(user_id, query, limit=limit, exclude_thread=exclude_thread)
        return asyncio.run_coroutine_threadsafe(search(), self._loop).result()
