"""Converts exchanges back into items: joins parts, groups turns and skips retracted items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hybrid_memory_client._items import BY, IDS, ITEMS, PART, RETRACTED, joined_parts
from hybrid_memory_client._texts import PARTS, Texts, restored
from hybrid_memory_client.errors import HistoryDegraded
from hybrid_memory_client.models import Message

_SIDES = ("user", "assistant")


@dataclass(slots=True)
class Entry:
    """An exchange that was read.

    Attributes:
        stored: The framework's value in the metadata; None in an exchange of another program.
    """

    exchange_id: UUID | None
    texts: Texts
    stored: dict[str, Any] | None
    created_at: datetime | None = None

    def items(self) -> list[Any]:
        """Return the framework's items, oldest first. A large item is still a reference to its parts."""
        return [restored(item, self.texts) for item in (self.stored or {}).get(ITEMS, [])]

    @property
    def retracted_by(self) -> str | None:
        """The caller that retracted an item with this exchange."""
        return None if self.stored is None else self.stored.get(BY)


@dataclass(frozen=True, slots=True)
class Found:
    """An item that was read.

    Attributes:
        name: The item's id, or its position if it has none.
        number: Its position in the exchange.
    """

    name: str
    item: Any
    entry: Entry
    number: int


@dataclass(slots=True)
class Reader:
    """Groups messages into exchanges, and converts exchanges, newest first, into items.

    Attributes:
        foreign: Converts an exchange of another program into items.
        may_lack: Whether an item with missing parts is skipped instead of raising an error.
    """

    kind: str
    foreign: Callable[[Texts], list[Any]] = lambda _: []
    may_lack: bool = False
    _open: list[Message] = field(default_factory=list)
    _retracted: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _parts: dict[str, dict[int, str]] = field(default_factory=dict)
    # In the format of older versions, the number of items still to be skipped as retracted.
    _count: int = 0

    def feed(self, message: Message) -> list[Entry]:
        """Add the next message, in either order; return the exchanges that are now complete."""
        done = []
        if self._open and (message.exchange_id is None or message.exchange_id != self._open[0].exchange_id):
            done += self.end()
        self._open.append(message)
        if len(self._open) == len(_SIDES):
            done += self.end()
        return done

    def end(self) -> list[Entry]:
        """Return the last exchange if it has a message."""
        sides, self._open = self._open, []
        if not sides:
            return []
        user, assistant = (next((each for each in sides if each.role == role), None) for role in _SIDES)
        texts = Texts(user.content if user else "", assistant.content if assistant else "")
        stored = user.metadata.get(self.kind) if user is not None and user.metadata else None
        return [Entry(sides[0].exchange_id, texts, stored if isinstance(stored, dict) else None, sides[0].created_at)]

    def left_of(self, entry: Entry) -> list[Found]:
        """Return an entry's items that were not retracted, newest first.

        Raises:
            HistoryDegraded: Parts of an item are missing.
        """
        if entry.stored is not None:
            self._record(entry.stored)
        items = self.foreign(entry.texts) if entry.stored is None else entry.items()
        names = (entry.stored or {}).get(IDS) or [f"{entry.exchange_id}:{number}" for number in range(len(items))]
        remaining = []
        for number, (name, item) in reversed(list(enumerate(zip(names, items, strict=True)))):
            if name in self._seen:
                continue
            if entry.exchange_id is not None:
                self._seen.add(name)
            if name in self._retracted:
                continue
            if self._count:
                self._count -= 1
                continue
            if not self._is_in_parts(item):
                remaining.append(Found(name, item, entry, number))
            elif (whole_item := self._joined_item(item)) is not None:
                remaining.append(Found(name, whole_item, entry, number))
        return remaining

    def _record(self, stored: dict[str, Any]) -> None:
        if isinstance(part := stored.get(PART), list):
            name, number, text = part
            self._parts.setdefault(name, {})[number] = text
        retracted = stored.get(RETRACTED, [])
        if isinstance(retracted, list):
            self._retracted |= set(retracted)
        else:
            self._count += int(retracted)

    def _is_in_parts(self, item: Any) -> bool:
        return isinstance(item, dict) and PARTS in item

    def _joined_item(self, item: dict[str, Any]) -> Any | None:
        name, count = item[PARTS]
        parts = self._parts.pop(name, {})
        if len(parts) == count:
            return joined_parts([parts[number] for number in range(count)])
        if self.may_lack:
            return None
        raise HistoryDegraded(["postgres"])


def require_complete(degraded: Sequence[str], *, allow_degraded: bool) -> None:
    """Check the layers that did not respond for a page.

    If only PostgreSQL is down, the API returns a page only if Redis has all of it. If only Redis is down, the page
    lacks at most undrained exchanges. If both are down, or the queue is known to hold exchanges, the newest ones may be
    missing.

    Raises:
        HistoryDegraded: The page may lack messages.
    """
    missing = set(degraded)
    if missing <= {"redis"} or missing <= {"postgres"} or allow_degraded:
        return
    raise HistoryDegraded(degraded)
