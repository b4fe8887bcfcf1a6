"""Converts exchanges back into items: joins parts, groups turns and skips retracted items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hybrid_memory_client._items import IDS, ITEMS, PART, RETRACTED, RETRACTED_BY, join_parts
from hybrid_memory_client._texts import PARTS, ExchangeTexts, resolve_references
from hybrid_memory_client.errors import HistoryDegraded
from hybrid_memory_client.models import Message

_ROLES = ("user", "assistant")


@dataclass(slots=True)
class StoredExchange:
    """An exchange that was read.

    Attributes:
        framework_data: The framework's value in the metadata; None in an exchange of another program.
    """

    exchange_id: UUID | None
    texts: ExchangeTexts
    framework_data: dict[str, Any] | None
    created_at: datetime | None = None

    def items(self) -> list[Any]:
        """Return the framework's items, oldest first. A large item is still a reference to its parts."""
        return [resolve_references(item, self.texts) for item in (self.framework_data or {}).get(ITEMS, [])]

    @property
    def retracted_by(self) -> str | None:
        """The caller that retracted an item with this exchange."""
        return None if self.framework_data is None else self.framework_data.get(RETRACTED_BY)


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item that was read.

    Attributes:
        id: The item's id; made from the exchange's id and the position if the item has none.
        position: The item's position in the exchange.
    """

    id: str
    item: Any
    exchange: StoredExchange
    position: int


@dataclass(slots=True)
class ItemReader:
    """Groups messages into exchanges, and converts exchanges, newest first, into items.

    Attributes:
        convert_foreign: Converts an exchange of another program into items.
        skip_incomplete: Whether to skip an item with missing parts instead of raising an error.
    """

    framework: str
    convert_foreign: Callable[[ExchangeTexts], list[Any]] = lambda _: []
    skip_incomplete: bool = False
    _messages: list[Message] = field(default_factory=list)
    _retracted: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _parts: dict[str, dict[int, str]] = field(default_factory=dict)
    # Older versions of this package stored only the number of retracted items. This many items must still be skipped.
    _retracted_count: int = 0

    def add_message(self, message: Message) -> list[StoredExchange]:
        """Add the next message, oldest first or newest first; return the exchanges that are now complete."""
        complete = []
        if self._messages and (message.exchange_id is None or message.exchange_id != self._messages[0].exchange_id):
            complete += self.finish()
        self._messages.append(message)
        if len(self._messages) == len(_ROLES):
            complete += self.finish()
        return complete

    def finish(self) -> list[StoredExchange]:
        """Return the last exchange if it has a message."""
        messages, self._messages = self._messages, []
        if not messages:
            return []
        user, assistant = (next((each for each in messages if each.role == role), None) for role in _ROLES)
        texts = ExchangeTexts(user.content if user else "", assistant.content if assistant else "")
        value = user.metadata.get(self.framework) if user is not None and user.metadata else None
        framework_data = value if isinstance(value, dict) else None
        return [StoredExchange(messages[0].exchange_id, texts, framework_data, messages[0].created_at)]

    def remaining_items(self, exchange: StoredExchange) -> list[StoredItem]:
        """Return an exchange's items that were not retracted, newest first.

        Raises:
            HistoryDegraded: Parts of an item are missing.
        """
        if exchange.framework_data is not None:
            self._read_framework_data(exchange.framework_data)
        items = self.convert_foreign(exchange.texts) if exchange.framework_data is None else exchange.items()
        ids = (exchange.framework_data or {}).get(IDS) or [
            f"{exchange.exchange_id}:{number}" for number in range(len(items))
        ]
        remaining = []
        for number, (item_id, item) in reversed(list(enumerate(zip(ids, items, strict=True)))):
            if item_id in self._seen:
                continue
            if exchange.exchange_id is not None:
                self._seen.add(item_id)
            if item_id in self._retracted:
                continue
            if self._retracted_count:
                self._retracted_count -= 1
                continue
            if not self._is_in_parts(item):
                remaining.append(StoredItem(item_id, item, exchange, number))
            elif (joined_item := self._join_item(item)) is not None:
                remaining.append(StoredItem(item_id, joined_item, exchange, number))
        return remaining

    def _read_framework_data(self, framework_data: dict[str, Any]) -> None:
        if isinstance(part := framework_data.get(PART), list):
            item_id, number, text = part
            self._parts.setdefault(item_id, {})[number] = text
        retracted = framework_data.get(RETRACTED, [])
        if isinstance(retracted, list):
            self._retracted |= set(retracted)
        else:
            self._retracted_count += int(retracted)

    def _is_in_parts(self, item: Any) -> bool:
        return isinstance(item, dict) and PARTS in item

    def _join_item(self, item: dict[str, Any]) -> Any | None:
        item_id, count = item[PARTS]
        parts = self._parts.pop(item_id, {})
        if len(parts) == count:
            return join_parts([parts[number] for number in range(count)])
        if self.skip_incomplete:
            return None
        raise HistoryDegraded(["postgres"])


def require_complete(degraded: Sequence[str], *, allow_degraded: bool) -> None:
    """Check that a page is complete, by the layers that did not respond.

    If only PostgreSQL is down, the API returns a page only if Redis has all of it. If only Redis is down, the page
    lacks at most undrained exchanges. If both are down, or the queue is known to hold exchanges, the newest exchanges
    may be missing.

    Raises:
        HistoryDegraded: The page may lack messages.
    """
    missing = set(degraded)
    if missing <= {"redis"} or missing <= {"postgres"} or allow_degraded:
        return
    raise HistoryDegraded(degraded)
