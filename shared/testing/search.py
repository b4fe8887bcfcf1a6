"""The search of the in-memory L2."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.models import Exchange
from shared.search_keys import document_terms, matched_keys
from shared.stores.search import Beside, FoundExchange, Matches, SearchScope
from shared.testing.conversations import Conversations
from shared.testing.heartbeats import Heartbeats
from shared.testing.store import InMemoryStore


class InMemorySearch(InMemoryStore):
    """Searches the conversations of the in-memory L2, which are always indexed.

    Attributes:
        heartbeats: The heartbeats of the sweep.
        time: The clock, in Unix seconds.
        owners: The recorded owner of each thread.
        deleted_threads: The cutoff of each deleted thread.
        deleted_users: The cutoff of each deleted user.
        deleted_ids: The exchanges that were deleted individually, by thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conversations = Conversations()
        self.owners: dict[str, str | None] = {}
        self.deleted_threads: dict[str, UUID] = {}
        self.deleted_users: dict[str, UUID] = {}
        self.deleted_ids: dict[str, set[UUID]] = {}
        self.heartbeats = Heartbeats()
        self.time: Callable[[], float] = time.time
        # The ids of rows by thread and exchange, and the reverse.
        self._row_ids: dict[tuple[str, UUID], UUID] = {}
        self._rows: dict[UUID, tuple[str, UUID]] = {}

    def matches(self, scope: SearchScope, keys: Sequence[int]) -> Matches:
        """Return the exchanges that have any of the keys."""
        self.record_call("matches")
        rows = self._conversations.in_scope(scope)
        matched = []
        for conversation, exchange in rows:
            terms = document_terms(exchange.user_message, exchange.assistant_message)
            bits = matched_keys(keys, terms)
            if bits:
                matched.append(
                    (self._row_id(exchange), conversation.row_id.int, bits, terms.user_length, terms.assistant_length)
                )
        row_ids, threads, key_bits, user_terms, assistant_terms = zip(*matched, strict=True) if matched else ((),) * 5
        return Matches(
            b"".join(row_id.bytes for row_id in row_ids),
            threads,
            key_bits,
            user_terms,
            assistant_terms,
            total=len(rows),
            uptime=self.heartbeats.uptime(self.time()),
        )

    def _row_id(self, exchange: Exchange) -> UUID:
        row_id = self._row_ids.setdefault(exchange.key, UUID(int=len(self._row_ids) + 1))
        self._rows[row_id] = exchange.key
        return row_id

    def beside(self, scope: SearchScope, row_ids: Sequence[UUID]) -> list[Beside]:
        """Return the exchanges next to each of these exchanges in its thread."""
        self.record_call("beside")
        return [self._beside(scope, *self._rows[row_id]) for row_id in row_ids]

    def _beside(self, scope: SearchScope, thread_id: str, exchange_id: UUID) -> Beside:
        conversation = self._conversations.get(thread_id)
        exchanges = conversation.in_order() if conversation else []
        place = next((n for n, each in enumerate(exchanges) if each.exchange_id == exchange_id), None)
        if place is None:
            return Beside()
        before, after = exchanges[max(0, place - 2) : place], exchanges[place + 1 : place + 3]
        names = {each: self._row_id(each) if scope.includes(each) else None for each in [*before, *after]}
        return Beside([names[each] for each in reversed(before)], [names[each] for each in after])

    def found(self, user_id: str, row_ids: Sequence[UUID]) -> dict[UUID, FoundExchange]:
        """Return these exchanges of the user, without those that were deleted meanwhile."""
        self.record_call("found")
        found = {}
        for row_id in row_ids:
            thread_id, exchange_id = self._rows[row_id]
            conversation = self._conversations.get(thread_id)
            if conversation and conversation.user_id == user_id and exchange_id in conversation.exchanges:
                found[row_id] = FoundExchange(conversation.exchanges[exchange_id], conversation.title)
        return found

    def unstored(self, exchanges: Sequence[Exchange]) -> list[FoundExchange]:
        """Return the exchanges that this store neither has in this or a later revision nor has deleted."""
        self.record_call("unstored")
        titles = {thread_id: conversation.title for thread_id, conversation in self._conversations.items()}
        return [FoundExchange(each, titles.get(each.thread_id)) for each in exchanges if self._is_unstored(each)]

    def _is_unstored(self, exchange: Exchange) -> bool:
        thread_id, user_id = exchange.thread_id, exchange.user_id
        cutoffs = self.deleted_threads.get(thread_id), self.deleted_users.get(user_id or "")
        if is_deleted(exchange.exchange_id, exchange.acceptance, self.deleted_ids.get(thread_id, ()), *cutoffs):
            return False
        conversation = self._conversations.get(thread_id)
        if self.owners.get(thread_id, user_id) != user_id or (conversation and conversation.user_id != user_id):
            return False
        stored = conversation.exchanges.get(exchange.exchange_id) if conversation else None
        return stored is None or stored.revision < exchange.revision

    def index_exchanges(self) -> int:
        """Return 0, because all exchanges are indexed."""
        self.record_call("index_exchanges")
        return 0

    def unindexed(self, limit: int) -> int:  # noqa: ARG002 - the protocol's parameter
        """Return 0, because all exchanges are indexed."""
        self.record_call("unindexed")
        return 0
