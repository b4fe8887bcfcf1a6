"""What this process accepted lately: at hand should L1 lose it before it is drained."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final
from uuid import UUID

from shared.memory.deletion import Deletion
from shared.models import Exchange

_MOST_SECONDS: Final = 900
_MOST_EXCHANGES: Final = 1_000
_MOST_CHARACTERS: Final = 8_000_000


class RecentExchanges:
    """The newest exchanges, bounded in age, number and size."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, UUID], tuple[float, Exchange]] = OrderedDict()
        self._characters = 0

    def add(self, exchange: Exchange, now: float) -> None:
        """Keep an exchange; of two with one thread and id the higher revision stays, then the first."""
        if exchange.key in self._kept:
            known = self._kept[exchange.key][1]
            if exchange.revision <= known.revision:
                return
            self._characters -= _size(known)
        self._kept[exchange.key] = (now, exchange)
        self._characters += _size(exchange)
        while len(self._kept) > _MOST_EXCHANGES or self._characters > _MOST_CHARACTERS:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._characters -= _size(oldest)

    def of(self, thread_id: str, now: float) -> list[Exchange]:
        """Return a thread's exchanges in the order of their acceptance."""
        return [
            exchange
            for added, exchange in self._kept.values()
            if exchange.thread_id == thread_id and now - added < _MOST_SECONDS
        ]

    def drop_exchange(self, thread_id: str, exchange_id: UUID) -> None:
        """Forget one exchange."""
        _, exchange = self._kept.pop((thread_id, exchange_id), (0.0, None))
        self._characters -= 0 if exchange is None else _size(exchange)

    def drop(self, deletion: Deletion) -> None:
        """Forget what a deletion reaches."""
        for exchange in [exchange for _, exchange in self._kept.values()]:
            if deletion.reaches(exchange):
                del self._kept[exchange.key]
                self._characters -= _size(exchange)


def _size(exchange: Exchange) -> int:
    return len(exchange.user_message) + len(exchange.assistant_message) + len(exchange.metadata or "")
