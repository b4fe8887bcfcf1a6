"""What waits in L1's outbox and nowhere else: its process puts it on the way itself, once there is a way again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

from shared.memory.deletion import Deletion
from shared.models import Exchange

_MOST: Final = 500
_AT_ONCE: Final = 20


class OwedExchanges:
    """The newest exchanges that only the outbox took.

    The outbox keeps them until the sweep empties it, so an exchange may come twice; but should L1 be lost before, it
    comes once.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, UUID], Exchange] = OrderedDict()

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange until it is paid; of two with one thread and id the higher revision."""
        known = self._kept.get(exchange.key)
        if known is None or exchange.revision >= known.revision:
            self._kept[exchange.key] = exchange
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def pay(self, put: Callable[[Exchange], object]) -> None:
        """Put the oldest where they are durable, some at a time so that a request does not wait for all.

        Raises:
            Whatever `put` raises; what was not put stays.
        """
        for exchange in list(self._kept.values())[:_AT_ONCE]:
            put(exchange)
            self._kept.pop(exchange.key, None)

    def drop_exchange(self, thread_id: str, exchange_id: UUID) -> None:
        """Forget one exchange."""
        self._kept.pop((thread_id, exchange_id), None)

    def drop(self, deletion: Deletion) -> None:
        """Forget what a deletion reaches."""
        for exchange in list(self._kept.values()):
            if deletion.reaches(exchange):
                del self._kept[exchange.key]
