"""The rows of threads in the in-memory L2: their exchanges, titles and documents."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from shared.models import Exchange, ExchangeTexts, Message, Thread, title_of
from shared.stores.archive import MessagePosition
from shared.stores.search import SearchScope


@dataclass(slots=True)
class Conversation:
    """One thread's rows."""

    row_id: UUID
    user_id: str | None
    title: str | None
    created_at: datetime
    updated_at: datetime
    first_accepted_at: datetime
    title_is_fixed: bool = False
    exchanges: dict[UUID, Exchange] = field(default_factory=dict)
    documents: dict[str, None] = field(default_factory=dict)
    stored_at: dict[UUID, datetime] = field(default_factory=dict)

    def in_order(self) -> list[Exchange]:
        """Return the exchanges in the thread's order."""
        return sorted(self.exchanges.values(), key=lambda exchange: (exchange.order, exchange.exchange_id))

    def add(self, exchange: Exchange) -> bool:
        """Add an exchange, or a newer version of a stored exchange, and return whether the exchange is new."""
        title = title_of(exchange.user_message)
        if exchange.acceptance_time < self.first_accepted_at:
            self.first_accepted_at = exchange.acceptance_time
            self.user_id = exchange.user_id
            self.title = self.title if self.title_is_fixed else title
        self.title = title if self.title is None else self.title
        self.created_at = min(self.created_at, exchange.created_at)
        self.updated_at = max(self.updated_at, exchange.created_at)
        self.documents.update(dict.fromkeys(exchange.document_ids))
        stored = self.exchanges.get(exchange.exchange_id)
        if stored is None or _rank(exchange) < _rank(stored):
            self._put(exchange)
        return stored is None

    def revise(self, exchange_id: UUID, texts: ExchangeTexts, above: int) -> Exchange | None:
        """Replace an exchange's texts with a revision higher than `above`; None if it does not exist."""
        stored = self.exchanges.get(exchange_id)
        if stored is None:
            return None
        replacement = stored.revised(texts, max(stored.revision, above) + 1)
        self._put(replacement)
        self.documents.update(dict.fromkeys(texts.document_ids))
        self._retitle(stored, title_of(texts.user_message))
        return replacement

    def remove(self, exchange_id: UUID) -> bool:
        """Remove an exchange and return whether it existed."""
        stored = self.exchanges.pop(exchange_id, None)
        if stored is None:
            return False
        first = next(iter(self.in_order()), None)
        self._retitle(stored, None if first is None else title_of(first.user_message))
        return True

    def _put(self, exchange: Exchange) -> None:
        self.exchanges[exchange.exchange_id] = exchange
        self.stored_at[exchange.exchange_id] = datetime.now(UTC)

    def _retitle(self, titled_by: Exchange, title: str | None) -> None:
        if not self.title_is_fixed and self.title == title_of(titled_by.user_message):
            self.title = title


def _rank(exchange: Exchange) -> tuple[int, datetime]:
    """Return the key that sorts exchanges with one id: the highest revision first, then the one accepted first."""
    return -exchange.revision, exchange.acceptance_time


class Conversations(dict[str, Conversation]):
    """All threads' rows, by thread id."""

    def __init__(self) -> None:
        super().__init__()
        self._rows = 0

    def add(self, exchange: Exchange) -> bool:
        """Add an exchange to its thread, which is created if necessary, and return whether the exchange is new."""
        if exchange.thread_id not in self:
            self._rows += 1
            moments = exchange.created_at, exchange.created_at, exchange.acceptance_time
            self[exchange.thread_id] = Conversation(UUID(int=self._rows), exchange.user_id, None, *moments)
        return self[exchange.thread_id].add(exchange)

    def thread(self, thread_id: str) -> Thread | None:
        """Return a thread with its documents."""
        conversation = self.get(thread_id)
        if conversation is None:
            return None
        return Thread(
            thread_id,
            conversation.user_id,
            conversation.title,
            conversation.created_at,
            conversation.updated_at,
            2 * len(conversation.exchanges),
            tuple(conversation.documents),
        )

    def threads(
        self, user_id: str, limit: int, before: tuple[datetime, UUID] | None
    ) -> list[tuple[Thread, tuple[datetime, UUID]]]:
        """Return a user's threads newest first, each with its position in that order."""
        conversations = [
            (replace(thread, document_ids=None), (conversation.updated_at, conversation.row_id))
            for thread_id, conversation in self.items()
            if conversation.user_id == user_id and (thread := self.thread(thread_id)) is not None
        ]
        conversations.sort(key=lambda item: item[1], reverse=True)
        return [item for item in conversations if before is None or item[1] < before][:limit]

    def messages(self, thread_id: str, limit: int, after: MessagePosition | None, *, descending: bool) -> list[Message]:
        """Return a page of a thread's messages in its order, or in reverse."""
        if thread_id not in self:
            return []
        exchanges, stored_at = self[thread_id].in_order(), self[thread_id].stored_at
        placed = [
            ((exchange.order, position), replace(message, stored_at=stored_at[exchange.exchange_id]))
            for exchange in exchanges
            for position, message in enumerate(exchange.messages)
        ]
        if descending:
            placed.reverse()
        if after is not None:
            start = (after.order, after.position)
            placed = [item for item in placed if (item[0] < start if descending else item[0] > start)]
        return [message for _, message in placed[:limit]]

    def in_scope(self, scope: SearchScope) -> list[tuple[Conversation, Exchange]]:
        """Return the exchanges of a search's scope, each with its thread."""
        return [
            (conversation, exchange)
            for conversation in self.values()
            if conversation.user_id == scope.user_id
            for exchange in conversation.in_order()
            if scope.includes(exchange)
        ]
