"""A framework's own items in a thread. `_sync_journal.py` is made from this file: see `clients/python/unasync.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from hybrid_memory_client._async_client import AsyncMemoryClient
from hybrid_memory_client._calls import Order
from hybrid_memory_client._items import ITEMS, Draft, Entry, NewestFirst, Texts, drafts, require_whole, retraction
from hybrid_memory_client.errors import MemoryClientError, NotFound, NotKept

_PAGE = 200


class AsyncJournal:
    """A thread as a list of items, to which an exchange is added by every call that adds some.

    Nothing is held back in the process: what `append` has returned from is kept.

    Args:
        client: Of the deployment.
        kind: The framework's name: its items lie under it in the exchanges' metadata.
        thread_id: The thread.
        user_id: Who it belongs to.
        foreign: Makes items of an exchange that has none, because another program has written it.
        allow_degraded: Go on without the newest exchanges when a layer does not answer, rather than raise.
    """

    def __init__(
        self,
        client: AsyncMemoryClient,
        kind: str,
        thread_id: str,
        user_id: str | None,
        foreign: Callable[[Texts], list[Any]],
        *,
        allow_degraded: bool = False,
    ) -> None:
        self.thread_id = thread_id
        self.degraded: tuple[str, ...] = ()
        self._client = client
        self._kind = kind
        self._user_id = user_id
        self._foreign = foreign
        self._allow_degraded = allow_degraded

    async def append(self, items: Sequence[tuple[Any, Texts]]) -> None:
        """Keep items, each with what it says to other readers of the thread.

        A repeated call adds them again: each has new exchanges.

        Raises:
            CannotBeKept: An item has no place in the memory; none was kept.
            NotKept: No store took them, or only the first `items_kept`, in exchanges of their own. What stopped the
                others is the cause then, of whatever kind.
        """
        count = 0
        for draft in drafts(self._kind, items):
            try:
                await self._keep(draft)
            except MemoryClientError as error:
                if count == 0:
                    raise
                kept = f"the first {count} of {len(items)} items are stored, repeat the call without them: {error}"
                raise NotKept(kept, items_kept=count) from error
            count += len(draft.metadata[self._kind][ITEMS])

    async def retract(self) -> Any | None:
        """Take the newest item back and return it; None if there is none."""
        found = await self.read(1)
        if not found:
            return None
        await self._keep(retraction(self._kind, 1))
        return found[0]

    async def _keep(self, draft: Draft) -> None:
        kept = await self._client.invoked(
            draft.texts.user,
            draft.texts.assistant,
            thread_id=self.thread_id,
            user_id=self._user_id,
            metadata=draft.metadata,
        )
        if kept.durability == "none":
            raise NotKept("no store took the exchange")

    async def read(self, limit: int | None = None) -> list[Any]:
        """Return the newest `limit` items that were not taken back, oldest first; all without a limit.

        Raises:
            HistoryDegraded: A layer did not answer, and the newest exchanges may be missing.
        """
        if limit is not None and limit <= 0:
            return []
        found: list[Any] = []
        reader = NewestFirst(self._kind)
        async for entry in self.entries(reader):
            items = entry.items() if entry.kept is not None else self._foreign(entry.texts)
            found += reversed(reader.left_of(entry, items))
            if limit is not None and len(found) >= limit:
                del found[limit:]
                break
        return found[::-1]

    async def entries(
        self, reader: NewestFirst | None = None, *, order: Order = "desc", page_size: int = _PAGE
    ) -> AsyncIterator[Entry]:
        """Yield the thread's exchanges, newest first; none for a thread that is not there.

        Args:
            reader: Applies retractions, which needs the newest first.
            order: `asc` for the oldest first.
            page_size: How many messages are asked for at a time.
        """
        reader = reader or NewestFirst(self._kind)
        cursor: str | None = None
        while True:
            try:
                page = await self._client.read_messages(self.thread_id, limit=page_size, cursor=cursor, order=order)
            except NotFound:
                return
            self.degraded = page.degraded
            require_whole(page.degraded, allow_degraded=self._allow_degraded)
            for message in page.items:
                entry = reader.feed(message)
                if entry is not None:
                    yield entry
            cursor = page.next_cursor
            if cursor is None:
                break
        last = reader.end()
        if last is not None:
            yield last

    async def clear(self) -> None:
        """Delete the thread, with what others have written to it."""
        try:
            await self._client.delete_thread(self.thread_id)
        except NotFound:
            return
