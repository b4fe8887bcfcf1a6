"""The undrained exchanges of the in-memory L1, by thread and by user."""

from __future__ import annotations

from abc import abstractmethod
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.models import Exchange
from shared.stores.cache import CacheState, UndrainedExchanges
from shared.testing.outbox import InMemoryOutbox


class InMemoryUndrained(InMemoryOutbox):
    """Undrained exchanges and deletions in memory.

    Attributes:
        undrained: The undrained exchanges of each thread, as far as the cache knows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.undrained: dict[str, dict[UUID, Exchange]] = {}
        self.deleted_threads: dict[str, UUID] = {}
        self.deleted_users: dict[str, UUID] = {}
        self.deleted_exchanges: dict[str, set[UUID]] = {}
        self._threads_of: dict[str, dict[str, None]] = {}

    @abstractmethod
    def _state(self) -> CacheState:
        """Return how far this data can be trusted."""

    def undrained_of(self, user_id: str, max_threads: int) -> UndrainedExchanges:
        """Return the undrained exchanges of the user's newest threads."""
        self.record_call("undrained_of")
        threads = list(reversed(self._threads_of.get(user_id, {})))
        exchanges = [
            exchange
            for thread_id in threads[:max_threads]
            for exchange in self.undrained.get(thread_id, {}).values()
            if exchange.user_id == user_id and not self._is_deleted(exchange)
        ]
        return UndrainedExchanges(exchanges, len(threads) <= max_threads, self._state())

    def _is_deleted(self, exchange: Exchange) -> bool:
        return is_deleted(
            exchange.exchange_id,
            exchange.acceptance,
            self.deleted_exchanges.get(exchange.thread_id, ()),
            self.deleted_threads.get(exchange.thread_id),
            self.deleted_users.get(exchange.user_id or ""),
        )
