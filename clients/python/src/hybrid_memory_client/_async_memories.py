"""Methods for memories. `_sync_memories.py` is generated from this file by `clients/python/unasync.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from hybrid_memory_client import _memory_calls as memory_calls
from hybrid_memory_client._async_sender import AsyncSender
from hybrid_memory_client.errors import HistoryDegraded
from hybrid_memory_client.memories import ExplicitKind, Memories, Memory


class AsyncMemoriesClient(AsyncSender):
    """The methods for what is known about a user; the client adds the other routes."""

    async def list_memories(
        self,
        user_id: str,
        *,
        include_superseded: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Memories:
        """Return a page of what is known about a user, the newest first.

        Args:
            user_id: The user.
            include_superseded: Whether memories that have ended are also returned.
            limit: Maximum number of memories, from 1 to 200. By default, as many as fit into a response.
            cursor: The `next_cursor` of the page before.
        """
        return await self._send(memory_calls.list_memories(user_id, include_superseded, limit, cursor))

    async def iter_memories(
        self,
        user_id: str,
        *,
        include_superseded: bool = False,
        page_size: int | None = None,
        allow_degraded: bool = False,
    ) -> AsyncIterator[Memory]:
        """Yield everything that is known about a user; see `iter_memory_pages`.

        Raises:
            HistoryDegraded: A layer did not respond, so memories may be missing, and `allow_degraded` is false.
        """
        pages = self.iter_memory_pages(user_id, include_superseded=include_superseded, page_size=page_size)
        async for page in pages:
            if page.degraded and not allow_degraded:
                raise HistoryDegraded(page.degraded)
            for memory in page.items:
                yield memory

    async def iter_memory_pages(
        self, user_id: str, *, include_superseded: bool = False, page_size: int | None = None
    ) -> AsyncIterator[Memories]:
        """Yield all pages of what is known about a user, each with the layers that did not respond."""
        cursor: str | None = None
        while True:
            page = await self.list_memories(
                user_id, include_superseded=include_superseded, limit=page_size, cursor=cursor
            )
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    async def add_memory(
        self, user_id: str, text: str, *, kind: ExplicitKind | None = None, key: str | None = None
    ) -> Memory:
        """Set a memory explicitly. It is stronger than what is learned about the same.

        Args:
            user_id: The user.
            text: What is known, at most 500 characters. For a preference, it is the value.
            kind: The default is `fact`.
            key: The name of a preference, e.g. `language`. A fact has none.
        """
        return await self._send(memory_calls.add_memory(user_id, text, kind, key))

    async def read_memory(self, user_id: str, memory_id: UUID | str) -> Memory:
        """Return one memory, even if it has ended."""
        return await self._send(memory_calls.read_memory(user_id, memory_id))

    async def correct_memory(self, user_id: str, memory_id: UUID | str, text: str) -> Memory:
        """Replace a memory's text. The memory is explicit from then on, and the old text is not learned again."""
        return await self._send(memory_calls.correct_memory(user_id, memory_id, text))

    async def delete_memory(self, user_id: str, memory_id: UUID | str) -> None:
        """Delete a memory. It is not learned again from earlier exchanges."""
        await self._send(memory_calls.delete_memory(user_id, memory_id))

    async def delete_memories(self, user_id: str) -> None:
        """Delete all memories of a user. They are not learned again from earlier exchanges."""
        await self._send(memory_calls.delete_memories(user_id))
