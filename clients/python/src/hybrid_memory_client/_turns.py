"""The open turns of a process. An open turn is the exchange to which a thread's next items are added."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from hybrid_memory_client._items import ItemRecord

_MAX_TURNS: Final = 64
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """An exchange that this process stored, with its items.

    Attributes:
        newest_id: The id of the thread's newest exchange that this process knows: this exchange, or an exchange that
            contains parts of its items.
    """

    exchange_id: UUID
    newest_id: UUID
    records: tuple[ItemRecord, ...]

    def accepts(self, new: list[ItemRecord]) -> bool:
        """Return whether new items belong to this turn.

        A user message begins the next turn if this turn has a user message or an answer.
        """
        starts_turn = any(each.texts.starts_turn for each in new)
        return not (starts_turn and any(each.texts.starts_turn or each.texts.assistant for each in self.records))


class _RecentValues(OrderedDict[tuple[str, str], _Value], Generic[_Value]):
    """A dictionary of the most recently set values."""

    def put(self, key: tuple[str, str], value: _Value) -> None:
        """Set a value, and remove the oldest values beyond the limit."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > _MAX_TURNS:
            self.popitem(last=False)


class OpenTurns:
    """A client's open turns, by framework and thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: _RecentValues[OpenTurn] = _RecentValues()
        self._stored: _RecentValues[UUID] = _RecentValues()

    def pop(self, framework: str, thread_id: str) -> OpenTurn | None:
        """Remove and return the open turn. A concurrent caller gets None."""
        with self._lock:
            return self._open.pop((framework, thread_id), None)

    def put(self, framework: str, thread_id: str, turn: OpenTurn) -> None:
        """Set the open turn, to which the next items are added."""
        with self._lock:
            self._open.put((framework, thread_id), turn)

    def record_stored(self, framework: str, thread_id: str, exchange_id: UUID) -> None:
        """Record an exchange that was stored."""
        with self._lock:
            stored_id = self._stored.get((framework, thread_id), exchange_id)
            self._stored.put((framework, thread_id), max(stored_id, exchange_id))

    def newest_stored(self, framework: str, thread_id: str) -> UUID | None:
        """Return the id of the newest exchange that was stored."""
        with self._lock:
            return self._stored.get((framework, thread_id))

    def forget(self, framework: str, thread_id: str) -> None:
        """Remove a deleted thread's open turn and the id of its newest exchange."""
        with self._lock:
            self._open.pop((framework, thread_id), None)
            self._stored.pop((framework, thread_id), None)


_BY_CLIENT: WeakKeyDictionary[object, OpenTurns] = WeakKeyDictionary()
_BY_CLIENT_LOCK: Final = threading.Lock()


def open_turns_of(client: object) -> OpenTurns:
    """Return the open turns that all adapters of a client share."""
    with _BY_CLIENT_LOCK:
        return _BY_CLIENT.setdefault(client, OpenTurns())
