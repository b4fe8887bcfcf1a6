"""Learned memory of the in-memory L2."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Literal
from uuid import UUID

from shared.errors import TooManyMemories
from shared.learning.fold import UserKnowledge
from shared.learning.forgetting import Forgetting
from shared.learning.memories import MAX_EXPLICIT, ExplicitMemory, Forgotten, StoredStatement
from shared.models import Exchange
from shared.stores.archive import InvalidationKind
from shared.stores.derivations import MEMORIES
from shared.stores.learning import NewStatement, StoredStatements, Unread, UnreadExchange, allowed_statements
from shared.testing.vectors import InMemoryVectors


class InMemoryLearning(InMemoryVectors):
    """Statements of the conversations of the in-memory L2, explicit memories, and deleted memories.

    Attributes:
        budgets: The characters that a model has read, by user and day.
    """

    def __init__(self) -> None:
        super().__init__()
        self._preferences: dict[str, dict[str, str]] = {}
        self._invalidations: dict[tuple[InvalidationKind, str], datetime] = {}
        self._statements: dict[UUID, NewStatement] = {}
        self._explicit: dict[str, dict[UUID, ExplicitMemory]] = defaultdict(dict)
        self._forgotten: dict[str, list[Forgotten]] = defaultdict(list)
        self.budgets: dict[tuple[str, date], int] = {}

    def _forget_learning(self, user_id: str) -> None:
        self._explicit.pop(user_id, None)
        self._forgotten.pop(user_id, None)

    def unread(self, thread_id: str, limit: int) -> Unread:
        """Return the thread's first exchanges that statements are due for."""
        self.record_call("unread")
        conversation = self._conversations.get(thread_id)
        if conversation is None:
            return Unread()
        due_at = self.due.get((MEMORIES, thread_id))
        if due_at is None or conversation.user_id is None:
            return Unread(conversation.user_id, due_at)
        from_order = self.from_orders.get((MEMORIES, thread_id))
        exchanges = self._due_exchanges(thread_id, from_order)
        return Unread(
            conversation.user_id,
            due_at,
            from_order,
            exchanges[:limit],
            has_more=len(exchanges) > limit,
            is_old=(MEMORIES, thread_id) in self._old,
        )

    def _due_exchanges(self, thread_id: str, from_order: UUID | None) -> list[UnreadExchange]:
        conversation = self._conversations.get(thread_id)
        exchanges = conversation.in_order() if conversation else []
        return [self._unread_exchange(each) for each in exchanges if from_order is None or each.order >= from_order]

    def _unread_exchange(self, exchange: Exchange) -> UnreadExchange:
        return UnreadExchange(
            self._row_id(exchange),
            exchange.exchange_id,
            exchange.order,
            exchange.revision,
            exchange.user_message,
            exchange.assistant_message,
            exchange.created_at,
            exchange.acceptance_time,
        )

    def store_statements(
        self,
        thread_id: str,
        unread: Unread,
        deriver: str,  # noqa: ARG002 - the protocol's parameter
        statements: Sequence[NewStatement],
    ) -> StoredStatements:
        """Replace the statements of the exchanges in `unread`, and record that they are no longer due."""
        self.record_call("store_statements")
        key = (MEMORIES, thread_id)
        conversation = self._conversations.get(thread_id)
        if conversation is None or conversation.user_id != unread.user_id or key not in self.due:
            return "stale"
        now_due = self._due_exchanges(thread_id, unread.from_order)
        is_same = now_due[: len(unread.exchanges)] == unread.exchanges
        if not is_same or self.from_orders.get(key) != unread.from_order:
            return "stale"
        if len(now_due) == len(unread.exchanges) and self.due[key] == unread.due_at:
            self.clear_due(thread_id, MEMORIES, self.due[key])
        else:
            self.from_orders[key] = UUID(int=unread.exchanges[-1].order.int + 1)
        return self._replace_statements(thread_id, unread, statements, is_summary=False)

    def _replace_statements(
        self, thread_id: str, unread: Unread, statements: Sequence[NewStatement], *, is_summary: bool
    ) -> Literal["changed", "unchanged"]:
        user_id = unread.user_id or ""
        forgetting = Forgetting(user_id.encode(), self._forgotten[user_id])
        new = {each.statement_id: each for each in allowed_statements(forgetting, thread_id, statements)}
        read, has_removed = {each.row_id for each in unread.exchanges}, False
        for old_id, old in list(self._statements.items()):
            is_of_kind = (old.statement.kind == "summary") == is_summary
            if old.exchange.row_id in read and is_of_kind and old_id not in new:
                del self._statements[old_id]
                has_removed = True
                self._log_user(user_id)
        added = new.keys() - self._statements.keys()
        self._statements |= new
        if added:
            self._log_user(user_id)
        return "changed" if added or has_removed else "unchanged"

    def _log_user(self, user_id: str) -> None:
        self._invalidations["user", user_id] = datetime.now(UTC)

    def unsummarized(self, thread_id: str, window: int, limit: int) -> Unread:
        """Return the newest exchanges before the window that have no sentence of a summary."""
        self.record_call("unsummarized")
        conversation = self._conversations.get(thread_id)
        if conversation is None or conversation.user_id is None:
            return Unread()
        done = {each.exchange.row_id for each in self._statements.values() if each.statement.kind == "summary"}
        older = [self._unread_exchange(each) for each in conversation.in_order()[:-window]]
        return Unread(conversation.user_id, exchanges=[each for each in older if each.row_id not in done][-limit:])

    def store_sentences(
        self,
        thread_id: str,
        unread: Unread,
        deriver: str,  # noqa: ARG002 - the protocol's parameter
        statements: Sequence[NewStatement],
    ) -> StoredStatements:
        """Store sentences of the thread's summary."""
        self.record_call("store_sentences")
        now = self._due_exchanges(thread_id, None)
        if any(each not in now for each in unread.exchanges):
            return "stale"
        return self._replace_statements(thread_id, unread, statements, is_summary=True)

    def postpone(self, thread_id: str, until: datetime) -> None:
        """Record that a due thread is to be derived from at a later time."""
        self.record_call("postpone")
        if (MEMORIES, thread_id) in self.due:
            self.due[MEMORIES, thread_id] = until

    def learn_lag(self) -> float:
        """Return for how many seconds the oldest thread with new exchanges has been due."""
        self.record_call("learn_lag")
        now = datetime.now(UTC)
        due = [at for key, at in self.due.items() if key[0] == MEMORIES and key not in self._old and at <= now]
        return (now - min(due)).total_seconds() if due else 0.0

    def take_budget(self, user_id: str, day: date, characters: int, most: int) -> bool:
        """Count characters that a model reads for a user on a day; return False, and count none, above `most`."""
        self.record_call("take_budget")
        used = self.budgets.get((user_id, day), 0) + characters
        if used > most or all(each.user_id != user_id for each in self._conversations.values()):
            return False
        self.budgets[user_id, day] = used
        return True

    def knowledge(self, user_id: str, window: int, thread_id: str | None = None) -> UserKnowledge:
        """Return what is stored about a user."""
        self.record_call("knowledge")
        statements: list[StoredStatement] = []
        summaries: list[StoredStatement] = []
        for name, conversation in self._conversations.items():
            if conversation.user_id != user_id:
                continue
            exchanges = conversation.in_order()
            older = {self._row_id(each) for each in exchanges[:-window]}
            rows = {self._row_id(each): each for each in exchanges}
            for new in self._statements.values():
                exchange = rows.get(new.exchange.row_id)
                if exchange is None or self._unread_exchange(exchange) != new.exchange:
                    continue
                stored = StoredStatement(
                    new.statement_id,
                    new.statement,
                    name,
                    exchange.exchange_id,
                    exchange.created_at,
                    exchange.acceptance_time,
                    exchange.order,
                    exchange.revision,
                )
                if new.statement.kind != "summary":
                    statements.append(stored)
                elif new.statement.value and new.exchange.row_id in older and thread_id in {None, name}:
                    summaries.append(stored)
        summaries.sort(key=lambda each: each.order)
        return UserKnowledge(
            statements,
            [*self._explicit_preferences(user_id), *self._explicit[user_id].values()],
            Forgetting(user_id.encode(), self._forgotten[user_id]),
            summaries,
        )

    def _explicit_preferences(self, user_id: str) -> list[ExplicitMemory]:
        now = datetime.now(UTC)
        return [
            ExplicitMemory(None, "preference", name, value, now, now)
            for name, value in self._preferences.get(user_id, {}).items()
        ]

    def set_explicit(
        self,
        user_id: str,
        memory: ExplicitMemory,
        forgotten: Sequence[Forgotten] = (),
        statement_ids: Sequence[UUID] = (),
    ) -> None:
        """Store an explicit memory, or replace the one with its id."""
        self.record_call("set_explicit")
        if memory.memory_id is None:
            raise ValueError
        if memory.memory_id not in self._explicit[user_id] and len(self._explicit[user_id]) >= MAX_EXPLICIT:
            raise TooManyMemories(f"a user has at most {MAX_EXPLICIT} explicit memories")
        self._record_forgotten(user_id, forgotten, statement_ids)
        self._explicit[user_id][memory.memory_id] = memory
        self._log_user(user_id)

    def forget_memories(
        self, user_id: str, forgotten: Sequence[Forgotten], statement_ids: Sequence[UUID], memory_ids: Sequence[UUID]
    ) -> None:
        """Delete statements and explicit memories, and record their deletion."""
        self.record_call("forget_memories")
        self._record_forgotten(user_id, forgotten, statement_ids)
        for memory_id in memory_ids:
            self._explicit[user_id].pop(memory_id, None)
        self._log_user(user_id)

    def forget_all_memories(self, user_id: str, forgotten: Forgotten) -> None:
        """Delete everything that is known about a user."""
        self.record_call("forget_all_memories")
        rows = {
            self._row_id(each)
            for conversation in self._conversations.values()
            if conversation.user_id == user_id
            for each in conversation.in_order()
            if each.acceptance_time <= forgotten.deleted_at
        }
        old = [name for name, each in self._statements.items() if each.exchange.row_id in rows]
        self._record_forgotten(user_id, [forgotten], old)
        self._explicit.pop(user_id, None)
        self._log_user(user_id)

    def _record_forgotten(self, user_id: str, forgotten: Sequence[Forgotten], statement_ids: Sequence[UUID]) -> None:
        self._forgotten[user_id].extend(forgotten)
        for statement_id in statement_ids:
            self._statements.pop(statement_id, None)

    def hash_key(self, user_id: str) -> bytes:
        """Return the key of the user's hashes."""
        self.record_call("hash_key")
        return user_id.encode()

    def mark_user(self, user_id: str) -> int:
        """Record that statements are due for all exchanges of the user; return the number of threads."""
        self.record_call("mark_user")
        threads = [name for name, each in self._conversations.items() if each.user_id == user_id]
        for thread_id in threads:
            self.due[MEMORIES, thread_id] = datetime.now(UTC)
            self.from_orders[MEMORIES, thread_id] = None
            self._old.add((MEMORIES, thread_id))
        return len(threads)
