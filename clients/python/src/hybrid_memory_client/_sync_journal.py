"""A framework's items in threads. Generated from `_async_journal.py` by `clients/python/unasync.py`: edit that file."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Callable, Sequence
from typing import Any
from uuid import UUID

from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._calls import Order
from hybrid_memory_client._ids import id_after, is_time_ordered
from hybrid_memory_client._items import (
    ExchangeDraft,
    ItemRecord,
    make_draft,
    make_drafts,
    make_part_drafts,
    make_records,
    make_retraction,
)
from hybrid_memory_client._reading import ItemReader, StoredExchange, StoredItem, require_complete
from hybrid_memory_client._texts import ExchangeTexts
from hybrid_memory_client._turns import OpenTurn, open_turns_of
from hybrid_memory_client.errors import CannotBeKept, HistoryDegraded, MemoryClientError, NotFound, NotKept

_FIRST_PAGE, _LAST_PAGE = 2, 200


class Journal:
    """A thread as a list of an agent framework's items: messages, tool calls and their results.

    A turn is one exchange. Each call of `append` adds items to this exchange until the next user message.
    Items are stored when `append` returns; nothing is buffered.

    Args:
        client: A client of the deployment.
        framework: The framework's name, under which its items are stored in the exchanges' metadata.
        thread_id: The thread.
        user_id: The thread's owner.
        convert_foreign: Converts an exchange of another program, which has no items, into items.
        allow_degraded: If a layer does not respond, continue without the newest exchanges instead of raising an error.
    """

    def __init__(
        self,
        client: MemoryClient,
        framework: str,
        thread_id: str,
        user_id: str | None,
        convert_foreign: Callable[[ExchangeTexts], list[Any]],
        *,
        allow_degraded: bool = False,
    ) -> None:
        self.thread_id = thread_id
        self.degraded: tuple[str, ...] = ()
        self._client = client
        self._turns = open_turns_of(client)
        self._framework = framework
        self._user_id = user_id
        self._convert_foreign = convert_foreign
        self._allow_degraded = allow_degraded

    def append(self, items: Sequence[tuple[Any, ExchangeTexts]]) -> None:
        """Store items, each with its texts for other readers of the thread.

        A repeated call stores the items again.

        Raises:
            CannotBeKept: An item is invalid or too large; none was stored.
            NotKept: No store accepted the items, or only the first `items_kept` items are stored. The items are stored
                in groups, each in one exchange. The cause is the error of the first group that failed.
        """
        records = make_records(items)
        if not records:
            return
        turn = self._turns.pop(self._framework, self.thread_id)
        if turn is not None and turn.accepts(records) and self._extend(turn, records):
            return
        count = 0
        for draft in make_drafts(self._framework, records):
            try:
                self._store_in_new_exchange(draft)
            except MemoryClientError as error:
                if count == 0:
                    raise
                detail = f"the first {count} of {len(items)} items are stored, repeat the call without them: {error}"
                raise NotKept(detail, items_kept=count) from error
            count += len(draft.records)

    def _store_in_new_exchange(self, draft: ExchangeDraft) -> None:
        """Store items in a new exchange."""
        exchange_id = self._client.new_id()
        newest = self._store_parts(draft.records, exchange_id)
        self._store(draft, exchange_id)
        self._turns.put(self._framework, self.thread_id, OpenTurn(exchange_id, newest, draft.records))

    def _extend(self, turn: OpenTurn, new: list[ItemRecord]) -> bool:
        """Add items to an exchange of this process by replacing the exchange; return whether the items are stored.

        The exchange must be the thread's newest, so that the items keep their order. If the replacement fails, the
        caller stores the items in a new exchange. If the replacement succeeds but its response is lost, the items are
        stored twice, and readers skip the duplicates.
        """
        draft = make_draft(self._framework, [*turn.records, *new])
        return draft is not None and self._replace(turn, draft, new)

    def _replace(self, turn: OpenTurn, draft: ExchangeDraft, new: list[ItemRecord]) -> bool:
        if not self._is_newest(turn.newest_id):
            return False
        newest = self._store_parts(new, turn.newest_id)
        texts = draft.texts
        try:
            result = self._client.replace_exchange(
                self.thread_id, turn.exchange_id, texts.user, texts.assistant, metadata=draft.metadata
            )
        except MemoryClientError:
            return False
        if result.durability == "none":
            return False
        self._turns.put(self._framework, self.thread_id, OpenTurn(turn.exchange_id, newest, draft.records))
        return True

    def revise(self, item: Any, texts: ExchangeTexts, is_older: Callable[[Any], bool]) -> bool:
        """Replace an item of an open turn of this process with a newer version; return whether that was possible.

        Args:
            item: The newer version.
            texts: Its texts for other readers of the thread.
            is_older: Returns whether an item is the version to replace.

        Raises:
            CannotBeKept: The item is invalid or too large.
        """
        (new,) = make_records([(item, texts)])
        turn = self._turns.pop(self._framework, self.thread_id)
        if turn is None:
            return False
        is_match = [not each.parts and is_older(each.item) for each in turn.records]
        if not any(is_match):
            self._turns.put(self._framework, self.thread_id, turn)
            return False
        revised = [new if older else each for each, older in zip(turn.records, is_match, strict=True)]
        draft = make_draft(self._framework, revised)
        return draft is not None and self._replace(turn, draft, [new])

    def _is_newest(self, exchange_id: UUID) -> bool:
        try:
            page = self._client.read_messages(self.thread_id, limit=_FIRST_PAGE, order="desc")
        except MemoryClientError:
            return False
        return bool(page.items) and page.items[0].exchange_id == exchange_id

    def _store_parts(self, items: Sequence[ItemRecord], newest: UUID) -> UUID:
        """Store the parts of large items; return the id of the thread's newest exchange afterwards."""
        for record in items:
            for draft in make_part_drafts(self._framework, record):
                newest = self._client.new_id()
                self._store(draft, newest)
        return newest

    def _store(self, draft: ExchangeDraft, exchange_id: UUID) -> None:
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
        self._turns.record_stored(self._framework, self.thread_id, exchange_id)

    def retract(self) -> Any | None:
        """Retract the newest item and return it; None if there is none.

        Concurrent callers, in any process, each get a different item. The exchange that retracts an item has an id
        derived from the item, and only the first caller's exchange is stored under that id.
        """
        self._turns.pop(self._framework, self.thread_id)
        while True:
            newest = self._read_newest(1)
            if not newest:
                return None
            if self._retract_item(newest[0]):
                return newest[0].item

    def _retract_item(self, candidate: StoredItem) -> bool:
        """Retract an item; return whether this caller was the first to retract it."""
        if candidate.exchange.exchange_id is None:
            raise CannotBeKept("an item of an exchange without an id cannot be retracted")
        caller_id = secrets.token_hex(8)
        exchange_id = id_after(candidate.exchange.exchange_id, candidate.exchange.created_at, candidate.position)
        self._store(make_retraction(self._framework, candidate.id, caller_id), exchange_id)
        for exchange in self.read_exchanges():
            if exchange.exchange_id == exchange_id:
                return exchange.retracted_by == caller_id
            if exchange.exchange_id == candidate.exchange.exchange_id:
                break
        # The retraction is in a layer that did not respond to the read. No other caller's retraction is known.
        return True

    def read(self, limit: int | None = None) -> list[Any]:
        """Return the newest `limit` items that were not retracted, oldest first; all if the limit is None.

        Raises:
            HistoryDegraded: A layer did not respond, and the newest exchanges may be missing.
        """
        return [each.item for each in reversed(self._read_newest(limit))]

    def _read_newest(self, limit: int | None) -> list[StoredItem]:
        if limit is not None and limit <= 0:
            return []
        newest: list[StoredItem] = []
        for each in self.iter_newest_first(_LAST_PAGE if limit is None else _FIRST_PAGE * limit):
            newest.append(each)
            if len(newest) == limit:
                break
        return newest

    def iter_newest_first(self, page_size: int = _FIRST_PAGE) -> Iterator[StoredItem]:
        """Yield the items that were not retracted, newest first.

        Args:
            page_size: The number of messages in the first page; each further page is larger.
        """
        reader = ItemReader(self._framework, self._convert_foreign, self._allow_degraded)
        for exchange in self.read_exchanges(reader, page_size=page_size):
            for item in reader.remaining_items(exchange):
                yield item

    def read_exchanges(
        self, reader: ItemReader | None = None, *, order: Order = "desc", page_size: int = _FIRST_PAGE
    ) -> Iterator[StoredExchange]:
        """Yield the thread's exchanges, newest first; none for a thread that does not exist.

        Args:
            reader: Groups messages into exchanges.
            order: `asc` for the oldest first.
            page_size: The number of messages in the first page; each further page is larger.
        """
        reader = reader or ItemReader(self._framework)
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
                self._require_own_exchange([message.exchange_id for message in page.items], page.degraded)
            for message in page.items:
                for exchange in reader.add_message(message):
                    yield exchange
            cursor, page_size = page.next_cursor, page_size * 4
            if cursor is None:
                break
        for exchange in reader.finish():
            yield exchange

    def _require_own_exchange(self, read_ids: Sequence[UUID | None], degraded: Sequence[str]) -> None:
        """Check that a degraded page includes the newest exchange that this process stored.

        Raises:
            HistoryDegraded: The page lacks this exchange.
        """
        own_id = self._turns.newest_stored(self._framework, self.thread_id)
        newest = read_ids[0] if read_ids else None
        if own_id is None or own_id in read_ids:
            return
        if newest is None or (is_time_ordered(newest) and own_id > newest):
            raise HistoryDegraded(degraded)

    def clear(self) -> bool:
        """Delete the thread, including exchanges of other programs; return whether it existed."""
        self._turns.forget(self._framework, self.thread_id)
        try:
            self._client.delete_thread(self.thread_id)
        except NotFound:
            return False
        return True
