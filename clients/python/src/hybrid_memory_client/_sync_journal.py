"""A framework's own items in a thread. Made from `_async_journal.py` by `clients/python/unasync.py`: edit that one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Callable, Sequence
from typing import Any
from uuid import UUID

from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._calls import Order
from hybrid_memory_client._ids import id_after, is_time_ordered
from hybrid_memory_client._items import Draft, Record, combined_draft, drafts, part_drafts, records, retraction
from hybrid_memory_client._reading import Entry, Found, Reader, require_complete
from hybrid_memory_client._texts import Texts
from hybrid_memory_client._turns import Turn, turns_of
from hybrid_memory_client.errors import CannotBeKept, HistoryDegraded, MemoryClientError, NotFound, NotKept

_FIRST_PAGE, _LAST_PAGE = 2, 200


class Journal:
    """A thread as a list of items. A turn is one exchange; each call adds items to it until the next user message.

    Items are stored when `append` returns; nothing is buffered.

    Args:
        client: A client of the deployment.
        kind: The framework's name, under which its items are stored in the exchanges' metadata.
        thread_id: The thread.
        user_id: The thread's owner.
        foreign: Converts an exchange of another program, which has no items, into items.
        allow_degraded: If a layer does not respond, continue without the newest exchanges instead of raising an error.
    """

    def __init__(
        self,
        client: MemoryClient,
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
        self._turns = turns_of(client)
        self._kind = kind
        self._user_id = user_id
        self._foreign = foreign
        self._allow_degraded = allow_degraded

    def append(self, items: Sequence[tuple[Any, Texts]]) -> None:
        """Store items, each with its texts for other readers of the thread.

        A repeated call stores the items again.

        Raises:
            CannotBeKept: An item is invalid or too large; none was stored.
            NotKept: No store accepted the items, or only the first `items_kept` are stored. Each exchange has a group
                of items; the cause is the error of the first group that failed.
        """
        new = records(items)
        if not new:
            return
        turn = self._turns.take(self._kind, self.thread_id)
        if turn is not None and turn.takes(new) and self._extend(turn, new):
            return
        count = 0
        for draft in drafts(self._kind, new):
            try:
                self._begin(draft)
            except MemoryClientError as error:
                if count == 0:
                    raise
                detail = f"the first {count} of {len(items)} items are stored, repeat the call without them: {error}"
                raise NotKept(detail, items_kept=count) from error
            count += len(draft.records)

    def _begin(self, draft: Draft) -> None:
        """Store items in a new exchange."""
        exchange_id = self._client.new_id()
        newest = self._keep_parts(draft.records, exchange_id)
        self._keep(draft, exchange_id)
        self._turns.put(self._kind, self.thread_id, Turn(exchange_id, newest, draft.records))

    def _extend(self, turn: Turn, new: list[Record]) -> bool:
        """Add items to an exchange of this process; return whether they are stored.

        The exchange must be the thread's newest, so that the items keep their order. If the replacement fails, the
        caller stores the items in a new exchange. If it succeeded after all, readers skip the duplicates.
        """
        draft = combined_draft(self._kind, [*turn.records, *new])
        return draft is not None and self._replace(turn, draft, new)

    def _replace(self, turn: Turn, draft: Draft, new: list[Record]) -> bool:
        if not self._is_newest(turn.newest):
            return False
        newest = self._keep_parts(new, turn.newest)
        texts = draft.texts
        try:
            result = self._client.replace_exchange(
                self.thread_id, turn.exchange_id, texts.user, texts.assistant, metadata=draft.metadata
            )
        except MemoryClientError:
            return False
        if result.durability == "none":
            return False
        self._turns.put(self._kind, self.thread_id, Turn(turn.exchange_id, newest, draft.records))
        return True

    def revise(self, item: Any, texts: Texts, is_older: Callable[[Any], bool]) -> bool:
        """Replace an item of an open turn of this process with a newer version; return whether that was possible.

        Args:
            item: The newer version.
            texts: Its texts for other readers of the thread.
            is_older: Returns whether an item is the version to replace.

        Raises:
            CannotBeKept: The item is invalid or too large.
        """
        (new,) = records([(item, texts)])
        turn = self._turns.take(self._kind, self.thread_id)
        if turn is None:
            return False
        is_match = [not each.parts and is_older(each.item) for each in turn.records]
        if not any(is_match):
            self._turns.put(self._kind, self.thread_id, turn)
            return False
        revised = [new if older else each for each, older in zip(turn.records, is_match, strict=True)]
        draft = combined_draft(self._kind, revised)
        return draft is not None and self._replace(turn, draft, [new])

    def _is_newest(self, exchange_id: UUID) -> bool:
        try:
            page = self._client.read_messages(self.thread_id, limit=_FIRST_PAGE, order="desc")
        except MemoryClientError:
            return False
        return bool(page.items) and page.items[0].exchange_id == exchange_id

    def _keep_parts(self, items: Sequence[Record], newest: UUID) -> UUID:
        """Store the parts of large items; return the id of the thread's newest exchange afterwards."""
        for record in items:
            for draft in part_drafts(self._kind, record):
                newest = self._client.new_id()
                self._keep(draft, newest)
        return newest

    def _keep(self, draft: Draft, exchange_id: UUID) -> None:
        result = self._client.invoked(
            draft.texts.user,
            draft.texts.assistant,
            thread_id=self.thread_id,
            user_id=self._user_id,
            exchange_id=exchange_id,
            metadata=draft.metadata,
        )
        if result.durability == "none":
            raise NotKept("no store accepted the exchange")
        self._turns.note(self._kind, self.thread_id, exchange_id)

    def retract(self) -> Any | None:
        """Retract the newest item and return it; None if there is none.

        Concurrent callers, in any process, each get a different item. The exchange that retracts an item has an id
        derived from the item, and only the first caller's exchange is stored under that id.
        """
        self._turns.take(self._kind, self.thread_id)
        while True:
            newest = self._newest(1)
            if not newest:
                return None
            if self._claim(newest[0]):
                return newest[0].item

    def _claim(self, candidate: Found) -> bool:
        """Retract an item; return whether no other caller retracted it first."""
        if candidate.entry.exchange_id is None:
            raise CannotBeKept("an item of an exchange without an id cannot be taken back")
        claimant = secrets.token_hex(8)
        exchange_id = id_after(candidate.entry.exchange_id, candidate.entry.created_at, candidate.number)
        self._keep(retraction(self._kind, candidate.name, claimant), exchange_id)
        for entry in self.entries():
            if entry.exchange_id == exchange_id:
                return entry.retracted_by == claimant
            if entry.exchange_id == candidate.entry.exchange_id:
                break
        # The retraction is in a layer that did not respond to the read. No other caller's retraction is known.
        return True

    def read(self, limit: int | None = None) -> list[Any]:
        """Return the newest `limit` items that were not retracted, oldest first; all if the limit is None.

        Raises:
            HistoryDegraded: A layer did not respond, and the newest exchanges may be missing.
        """
        return [each.item for each in reversed(self._newest(limit))]

    def _newest(self, limit: int | None) -> list[Found]:
        if limit is not None and limit <= 0:
            return []
        newest: list[Found] = []
        for each in self.newest_first(_LAST_PAGE if limit is None else _FIRST_PAGE * limit):
            newest.append(each)
            if len(newest) == limit:
                break
        return newest

    def newest_first(self, page_size: int = _FIRST_PAGE) -> Iterator[Found]:
        """Yield the items that were not retracted, newest first.

        Args:
            page_size: The number of messages in the first page; each further page is larger.
        """
        reader = Reader(self._kind, self._foreign, self._allow_degraded)
        for entry in self.entries(reader, page_size=page_size):
            for candidate in reader.left_of(entry):
                yield candidate

    def entries(
        self, reader: Reader | None = None, *, order: Order = "desc", page_size: int = _FIRST_PAGE
    ) -> Iterator[Entry]:
        """Yield the thread's exchanges, newest first; none for a thread that does not exist.

        Args:
            reader: Groups messages into exchanges.
            order: `asc` for the oldest first.
            page_size: The number of messages in the first page; each further page is larger.
        """
        reader = reader or Reader(self._kind)
        cursor: str | None = None
        while True:
            limit = min(page_size, _LAST_PAGE)
            try:
                page = self._client.read_messages(self.thread_id, limit=limit, cursor=cursor, order=order)
            except NotFound:
                return
            self.degraded = page.degraded
            require_complete(page.degraded, allow_degraded=self._allow_degraded)
            if page.degraded and cursor is None and order == "desc" and not self._allow_degraded:
                self._require_own([message.exchange_id for message in page.items], page.degraded)
            for message in page.items:
                for entry in reader.feed(message):
                    yield entry
            cursor, page_size = page.next_cursor, page_size * 4
            if cursor is None:
                break
        for entry in reader.end():
            yield entry

    def _require_own(self, shown: Sequence[UUID | None], degraded: Sequence[str]) -> None:
        """Check that a degraded page includes the newest exchange that this process stored.

        Raises:
            HistoryDegraded: It does not.
        """
        own = self._turns.written(self._kind, self.thread_id)
        newest = shown[0] if shown else None
        if own is not None and own not in shown and (newest is None or (is_time_ordered(newest) and own > newest)):
            raise HistoryDegraded(degraded)

    def clear(self) -> bool:
        """Delete the thread, including exchanges of other programs; return whether it existed."""
        self._turns.forget(self._kind, self.thread_id)
        try:
            self._client.delete_thread(self.thread_id)
        except NotFound:
            return False
        return True
