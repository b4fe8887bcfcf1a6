"""The open turns of a process: the exchange that holds a thread's newest items."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from hybrid_memory_client._items import Record

_MOST: Final = 64
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Turn:
    """An exchange that this process stored, with its items.

    Attributes:
        newest: The thread's newest exchange known to this process: this exchange, or one that holds parts of its items.
    """

    exchange_id: UUID
    newest: UUID
    records: tuple[Record, ...]

    def takes(self, more: list[Record]) -> bool:
        """Return whether more items belong to this turn. A further user message begins the next turn."""
        begins = any(each.texts.begins for each in more)
        return not (begins and any(each.texts.begins or each.texts.assistant for each in self.records))


class _Newest(OrderedDict[tuple[str, str], _Value], Generic[_Value]):
    """A dictionary of the most recently set values."""

    def put(self, key: tuple[str, str], value: _Value) -> None:
        """Set a value, and remove the oldest values beyond the limit."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > _MOST:
            self.popitem(last=False)


class Turns:
    """A client's open turns, by framework and thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: _Newest[Turn] = _Newest()
        self._written: _Newest[UUID] = _Newest()

    def take(self, kind: str, thread_id: str) -> Turn | None:
        """Remove and return the open turn. A concurrent caller gets None."""
        with self._lock:
            return self._open.pop((kind, thread_id), None)

    def put(self, kind: str, thread_id: str, turn: Turn) -> None:
        """Set the open turn, to which the next items are added."""
        with self._lock:
            self._open.put((kind, thread_id), turn)

    def note(self, kind: str, thread_id: str, exchange_id: UUID) -> None:
        """Record an exchange that was stored."""
        with self._lock:
            written_id = self._written.get((kind, thread_id), exchange_id)
            self._written.put((kind, thread_id), max(written_id, exchange_id))

    def written(self, kind: str, thread_id: str) -> UUID | None:
        """Return the newest exchange that was stored."""
        with self._lock:
            return self._written.get((kind, thread_id))

    def forget(self, kind: str, thread_id: str) -> None:
        """Remove a deleted thread's turn."""
        with self._lock:
            self._open.pop((kind, thread_id), None)
            self._written.pop((kind, thread_id), None)


_BY_CLIENT: WeakKeyDictionary[object, Turns] = WeakKeyDictionary()
_BY_CLIENT_LOCK: Final = threading.Lock()


def turns_of(client: object) -> Turns:
    """Return the open turns that all adapters of a client share."""
    with _BY_CLIENT_LOCK:
        return _BY_CLIENT.setdefault(client, Turns())
