"""The exchanges that this process accepted recently, which Redis may lose before the drain."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from shared.memory.deletion import Deletion
from shared.models import Exchange

_MAX_SECONDS: Final = 900
_MAX_EXCHANGES: Final = 1_000
_MAX_CHARACTERS: Final = 8_000_000
_RETRY_BATCH: Final = 20


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An exchange that this process accepted.

    Attributes:
        accepted_at: Unix seconds of this machine's clock.
        is_durable: Whether the queue or PostgreSQL has the exchange; if not, only Redis' outbox has it.
    """

    exchange: Exchange
    accepted_at: float
    is_durable: bool


class AcceptedExchanges:
    """The newest exchanges, limited in age, number and size.

    Attributes:
        undurable: The keys of exchanges that only the outbox has, oldest first. This process and the sweep both send
            these exchanges to a durable store. PostgreSQL stores each exchange once.
    """

    def __init__(self) -> None:
        self.undurable: dict[tuple[str, UUID], None] = {}
        self._exchanges: OrderedDict[tuple[str, UUID], _Accepted] = OrderedDict()
        self._characters = 0

    def add(self, exchange: Exchange, now: float, *, is_durable: bool = True) -> None:
        """Add an exchange. If an exchange with this id is present, only a higher revision replaces it."""
        present = self._exchanges.get(exchange.key)
        if present is not None:
            if exchange.revision <= present.exchange.revision:
                return
            self._remove(exchange.key)
        self._exchanges[exchange.key] = _Accepted(exchange, now, is_durable)
        self._characters += _size(exchange)
        if not is_durable:
            self.undurable[exchange.key] = None
        while len(self._exchanges) > _MAX_EXCHANGES or self._characters > _MAX_CHARACTERS:
            self._remove(next(iter(self._exchanges)))

    def of(self, thread_id: str, now: float) -> list[Exchange]:
        """Return a thread's exchanges in the order of acceptance."""
        return [
            each.exchange
            for each in self._exchanges.values()
            if each.exchange.thread_id == thread_id and now - each.accepted_at < _MAX_SECONDS
        ]

    def of_user(self, user_id: str, now: float) -> list[Exchange]:
        """Return a user's exchanges in the order of acceptance."""
        return [
            each.exchange
            for each in self._exchanges.values()
            if each.exchange.user_id == user_id and now - each.accepted_at < _MAX_SECONDS
        ]

    def retry(self, send: Callable[[Exchange], object]) -> None:
        """Send some of the oldest `undurable` exchanges to a durable store. A limit keeps the delay short.

        Raises:
            Exception: The error of `send`. Exchanges that were not sent stay here.
        """
        for key in list(self.undurable)[:_RETRY_BATCH]:
            send(self._exchanges[key].exchange)
            del self.undurable[key]

    def remove_exchange(self, thread_id: str, exchange_id: UUID) -> None:
        """Remove one exchange."""
        if (thread_id, exchange_id) in self._exchanges:
            self._remove((thread_id, exchange_id))

    def remove(self, deletion: Deletion) -> None:
        """Remove the exchanges that a deletion includes."""
        for each in list(self._exchanges.values()):
            if deletion.includes(each.exchange):
                self._remove(each.exchange.key)

    def _remove(self, key: tuple[str, UUID]) -> None:
        self._characters -= _size(self._exchanges.pop(key).exchange)
        self.undurable.pop(key, None)


def _size(exchange: Exchange) -> int:
    return len(exchange.user_message) + len(exchange.assistant_message) + len(exchange.metadata or "")
