"""A framework's own items in a thread. Made from `_async_journal.py` by `clients/python/unasync.py`: edit that one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Callable, Sequence
from typing import Any
from uuid import UUID

from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._calls import Order
from hybrid_memory_client._ids import id_after, is_time_ordered
from hybrid_memory_client._items import Draft, Record, drafts, part_drafts, records, retraction, whole
from hybrid_memory_client._reading import Entry, Found, Reader, require_whole
from hybrid_memory_client._texts import Texts
from hybrid_memory_client._turns import Turn, turns_of
from hybrid_memory_client.errors import CannotBeKept, HistoryDegraded, MemoryClientError, NotFound, NotKept

_FIRST_PAGE, _LAST_PAGE = 2, 200


class Journal:
    """A thread as a list of items. A turn is one exchange, to which every call adds until the user says something more.

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
        """Keep items, each with what it says to other readers of the thread.

        A repeated call adds them again.

        Raises:
            CannotBeKept: An item has no place in the memory; none was kept.
            NotKept: No store took them, or only the first `items_kept`, in exchanges of their own. What stopped the
                others is the cause then, of whatever kind.
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
                kept = f"the first {count} of {len(items)} items are stored, repeat the call without them: {error}"
                raise NotKept(kept, items_kept=count) from error
            count += len(draft.records)

    def _begin(self, draft: Draft) -> None:
        """Keep items in an exchange of their own."""
        exchange_id = self._client.new_id()
        newest = self._keep_parts(draft.records, exchange_id)
        self._keep(draft, exchange_id)
        self._turns.put(self._kind, self.thread_id, Turn(exchange_id, newest, draft.records))

    def _extend(self, turn: Turn, new: list[Record]) -> bool:
        """Add items to an exchange of this process; return whether they are kept.

        Only while it is the thread's newest, so that the items keep their order. Where it cannot be replaced, the items
        go into an exchange of their own: should the replacement have worked all the same, they are read once.
        """
        draft = whole(self._kind, [*turn.records, *new])
        return draft is not None and self._replace(turn, draft, new)

    def _replace(self, turn: Turn, draft: Draft, new: list[Record]) -> bool:
        if not self._is_newest(turn.newest):
            return False
        newest = self._keep_parts(new, turn.newest)
        texts = draft.texts
        try:
            kept = self._client.replace_exchange(
                self.thread_id, turn.exchange_id, texts.user, texts.assistant, metadata=draft.metadata
            )
        except MemoryClientError:
            return False
        if kept.durability == "none":
            return False
        self._turns.put(self._kind, self.thread_id, Turn(turn.exchange_id, newest, draft.records))
        return True

    def revise(self, item: Any, texts: Texts, is_older: Callable[[Any], bool]) -> bool:
        """Put a newer form of an item in its place, in a turn of this process; return whether that was possible.

        Args:
            item: The newer form.
            texts: What it says to other readers of the thread.
            is_older: Tells the item that it replaces.

        Raises:
            CannotBeKept: The item has no place in the memory.
        """
        (new,) = records([(item, texts)])
        turn = self._turns.take(self._kind, self.thread_id)
        if turn is None:
            return False
        held = [not each.parts and is_older(each.item) for each in turn.records]
        if not any(held):
            self._turns.put(self._kind, self.thread_id, turn)
            return False
        revised = [new if older else each for each, older in zip(turn.records, held, strict=True)]
        draft = whole(self._kind, revised)
        return draft is not None and self._replace(turn, draft, [new])

    def _is_newest(self, exchange_id: UUID) -> bool:
        try:
            page = self._client.read_messages(self.thread_id, limit=_FIRST_PAGE, order="desc")
        except MemoryClientError:
            return False
        return bool(page.items) and page.items[0].exchange_id == exchange_id

    def _keep_parts(self, kept: Sequence[Record], newest: UUID) -> UUID:
        """Keep the parts of large items; return the thread's newest exchange then."""
        for record in kept:
            for draft in part_drafts(self._kind, record):
                newest = self._client.new_id()
                self._keep(draft, newest)
        return newest

    def _keep(self, draft: Draft, exchange_id: UUID) -> None:
        kept = self._client.invoked(
            draft.texts.user,
            draft.texts.assistant,
            thread_id=self.thread_id,
            user_id=self._user_id,
            exchange_id=exchange_id,
            metadata=draft.metadata,
        )
        if kept.durability == "none":
            raise NotKept("no store took the exchange")
        self._turns.note(self._kind, self.thread_id, exchange_id)

    def retract(self) -> Any | None:
        """Take the newest item back and return it; None if there is none.

        Of several callers at once, in whatever processes, each gets an item of its own: the exchange that takes an item
        back has one id, which only the first caller's is stored under.
        """
        self._turns.take(self._kind, self.thread_id)
        while True:
            found = self._newest(1)
            if not found:
                return None
            if self._claim(found[0]):
                return found[0].item

    def _claim(self, found: Found) -> bool:
        """Take an item back; return whether no other caller had done so before."""
        if found.entry.exchange_id is None:
            raise CannotBeKept("an item of an exchange without an id cannot be taken back")
        claimant = secrets.token_hex(8)
        exchange_id = id_after(found.entry.exchange_id, found.entry.created_at, found.number)
        self._keep(retraction(self._kind, found.name, claimant), exchange_id)
        for entry in self.entries():
            if entry.exchange_id == exchange_id:
                return entry.retracted_by == claimant
            if entry.exchange_id == found.entry.exchange_id:
                break
        # A layer that did not answer has it: it is stored, and nothing says that another came first.
        return True

    def read(self, limit: int | None = None) -> list[Any]:
        """Return the newest `limit` items that were not taken back, oldest first; all without a limit.

        Raises:
            HistoryDegraded: A layer did not answer, and the newest exchanges may be missing.
        """
        return [each.item for each in reversed(self._newest(limit))]

    def _newest(self, limit: int | None) -> list[Found]:
        if limit is not None and limit <= 0:
            return []
        found: list[Found] = []
        for each in self.newest_first(_LAST_PAGE if limit is None else _FIRST_PAGE * limit):
            found.append(each)
            if len(found) == limit:
                break
        return found

    def newest_first(self, page_size: int = _FIRST_PAGE) -> Iterator[Found]:
        """Yield the items that were not taken back, newest first.

        Args:
            page_size: How many messages are asked for at first; each page has more than the one before.
        """
        reader = Reader(self._kind, self._foreign, self._allow_degraded)
        for entry in self.entries(reader, page_size=page_size):
            for found in reader.left_of(entry):
                yield found

    def entries(
        self, reader: Reader | None = None, *, order: Order = "desc", page_size: int = _FIRST_PAGE
    ) -> Iterator[Entry]:
        """Yield the thread's exchanges, newest first; none for a thread that is not there.

        Args:
            reader: Makes exchanges of the messages.
            order: `asc` for the oldest first.
            page_size: How many messages are asked for at first; each page has more than the one before.
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
            require_whole(page.degraded, allow_degraded=self._allow_degraded)
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
        """Check that what this process has stored last is not among what the layer has that did not answer.

        Raises:
            HistoryDegraded: It is.
        """
        own = self._turns.written(self._kind, self.thread_id)
        newest = shown[0] if shown else None
        if own is not None and own not in shown and (newest is None or (is_time_ordered(newest) and own > newest)):
            raise HistoryDegraded(degraded)

    def clear(self) -> None:
        """Delete the thread, with what others have written to it."""
        self._turns.forget(self._kind, self.thread_id)
        try:
            self._client.delete_thread(self.thread_id)
        except NotFound:
            return
