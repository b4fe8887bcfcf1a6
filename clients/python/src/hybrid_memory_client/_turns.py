"""The turns that a process is adding to: which exchange holds the newest items of a thread."""

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
    """An exchange that this process has made, and what it holds.

    Attributes:
        newest: The newest exchange that this process knows of the thread: the turn's, or one with parts of its items.
    """

    exchange_id: UUID
    newest: UUID
    records: tuple[Record, ...]

    def takes(self, more: list[Record]) -> bool:
        """Return whether more items belong to it: unless the user says something more."""
        begins = any(each.texts.begins for each in more)
        return not (begins and any(each.texts.begins or each.texts.assistant for each in self.records))


class _Newest(OrderedDict[tuple[str, str], _Value], Generic[_Value]):
    """The values that were set last."""

    def put(self, key: tuple[str, str], value: _Value) -> None:
        """Set a value, and forget the oldest."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > _MOST:
            self.popitem(last=False)


class Turns:
    """The open turns of a client by framework and thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: _Newest[Turn] = _Newest()
        self._written: _Newest[UUID] = _Newest()

    def take(self, kind: str, thread_id: str) -> Turn | None:
        """Return the open turn, which is then the caller's alone: another one that adds at the same time gets none."""
        with self._lock:
            return self._open.pop((kind, thread_id), None)

    def put(self, kind: str, thread_id: str, turn: Turn) -> None:
        """Open a turn for what is added next."""
        with self._lock:
            self._open.put((kind, thread_id), turn)

    def note(self, kind: str, thread_id: str, exchange_id: UUID) -> None:
        """Note an exchange that was stored."""
        with self._lock:
            known = self._written.get((kind, thread_id), exchange_id)
            self._written.put((kind, thread_id), max(known, exchange_id))

    def written(self, kind: str, thread_id: str) -> UUID | None:
        """Return the newest exchange that was stored."""
        with self._lock:
            return self._written.get((kind, thread_id))

    def forget(self, kind: str, thread_id: str) -> None:
        """Forget a thread that was deleted."""
        with self._lock:
            self._open.pop((kind, thread_id), None)
            self._written.pop((kind, thread_id), None)


_BY_CLIENT: WeakKeyDictionary[object, Turns] = WeakKeyDictionary()
_BY_CLIENT_LOCK: Final = threading.Lock()


def turns_of(client: object) -> Turns:
    """Return what all adapters of a client share."""
    with _BY_CLIENT_LOCK:
        return _BY_CLIENT.setdefault(client, Turns())
