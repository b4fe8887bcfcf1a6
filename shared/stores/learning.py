"""Learned memory in L2: which exchanges statements are due for, what is stored about a user, and how it is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from shared.learning.fold import UserKnowledge
from shared.learning.forgetting import Forgetting
from shared.learning.memories import ExplicitMemory, Forgotten, slot_of
from shared.learning.statements import Statement


@dataclass(frozen=True, slots=True)
class UnreadExchange:
    """A stored exchange that statements are to be derived from.

    Attributes:
        row_id: L2's id of the exchange.
        order: The order key.
        said_at: The exchange's time.
        accepted_at: When these texts were accepted.
    """

    row_id: UUID
    exchange_id: UUID
    order: UUID
    revision: int
    user_message: str
    assistant_message: str
    said_at: datetime
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Unread:
    """A thread's exchanges that statements are due for.

    Attributes:
        user_id: The thread's user; None if the thread does not exist or has no user.
        due_at: When the thread became due; None if it is not.
        from_order: The lowest order key that is due; None for all exchanges.
        exchanges: The first exchanges from `from_order` on, in thread order.
        has_more: Whether there are further exchanges.
        is_old: Whether the thread is due because all of its exchanges are derived from again.
    """

    user_id: str | None = None
    due_at: datetime | None = None
    from_order: UUID | None = None
    exchanges: list[UnreadExchange] = field(default_factory=list)
    has_more: bool = False
    is_old: bool = False


class NewStatement(NamedTuple):
    """A statement of a stored exchange."""

    statement_id: UUID
    exchange: UnreadExchange
    statement: Statement


def allowed_statements(
    forgetting: Forgetting, thread_id: str, statements: Sequence[NewStatement]
) -> list[NewStatement]:
    """Return the statements without those that the deletion of a memory refuses.

    A refused sentence of a summary becomes an empty one, which shows that its exchange was read.
    """
    allowed: list[NewStatement] = []
    for each in statements:
        slot, exchange = slot_of(each.statement, thread_id), each.exchange
        said = (exchange.exchange_id, exchange.revision, exchange.order, exchange.accepted_at)
        if not forgetting.refuses(each.statement, slot, *said):
            allowed.append(each)
        elif each.statement.kind == "summary":
            allowed.append(each._replace(statement=replace(each.statement, value="", text="", quote="")))
    return allowed


StoredStatements = Literal["changed", "unchanged", "stale"]
"""The effect of storing statements: the user's memories may have changed or not, or nothing was stored."""


class LearningArchive(Protocol):
    """Learned memory in L2. Every method raises `StoreUnavailable` if PostgreSQL does not respond."""

    def unread(self, thread_id: str, limit: int) -> Unread:
        """Return the thread's first exchanges that statements are due for."""
        ...

    def store_statements(
        self, thread_id: str, unread: Unread, deriver: str, statements: Sequence[NewStatement]
    ) -> StoredStatements:
        """Replace the statements of the exchanges in `unread`, and record that they are no longer due.

        Statements that a deletion of a memory refuses are not stored. The result is `stale`, and nothing is stored, if
        the thread changed since it was read: another worker stored the statements, or an exchange was stored, replaced
        or deleted.
        """
        ...

    def unsummarized(self, thread_id: str, window: int, limit: int) -> Unread:
        """Return the newest exchanges before the newest `window` ones that have no sentence of a summary.

        Only the newest exchanges before the window are looked at.
        """
        ...

    def store_sentences(
        self, thread_id: str, unread: Unread, deriver: str, statements: Sequence[NewStatement]
    ) -> StoredStatements:
        """Store sentences of the thread's summary; `stale` if an exchange was replaced or deleted since it was read."""
        ...

    def postpone(self, thread_id: str, until: datetime) -> None:
        """Record that a due thread is to be derived from at a later time."""
        ...

    def learn_lag(self) -> float:
        """Return for how many seconds the oldest thread with new exchanges has been due; 0 if there is none."""
        ...

    def take_budget(self, user_id: str, day: date, characters: int, most: int) -> bool:
        """Count characters that a model reads for a user on a day; return False, and count none, above `most`.

        It also counts none for a user without a thread, who may have been deleted meanwhile.
        """
        ...

    def knowledge(self, user_id: str, window: int, thread_id: str | None = None) -> UserKnowledge:
        """Return what is stored about a user.

        Args:
            user_id: The user.
            window: The number of exchanges of a thread that its summary does not need.
            thread_id: The only thread whose summary is returned; None for all long threads.
        """
        ...

    def set_explicit(
        self,
        user_id: str,
        memory: ExplicitMemory,
        forgotten: Sequence[Forgotten] = (),
        statement_ids: Sequence[UUID] = (),
    ) -> None:
        """Store an explicit memory, or replace the one with its id.

        Args:
            user_id: The user.
            memory: The memory.
            forgotten: The records of the memory that it corrects.
            statement_ids: The statements of that memory. They are deleted.

        Raises:
            TooManyMemories: The user would have more than `MAX_EXPLICIT` of them.
        """
        ...

    def forget_memories(
        self, user_id: str, forgotten: Sequence[Forgotten], statement_ids: Sequence[UUID], memory_ids: Sequence[UUID]
    ) -> None:
        """Delete statements and explicit memories, and record what statements from before must not say."""
        ...

    def forget_all_memories(self, user_id: str, forgotten: Forgotten) -> None:
        """Delete everything that is known about a user from exchanges accepted up to `forgotten.deleted_at`."""
        ...

    def hash_key(self, user_id: str) -> bytes:
        """Return the key of the user's hashes. It is created with the first one, and deleted with the user."""
        ...

    def mark_user(self, user_id: str) -> int:
        """Record that statements are due for all exchanges of the user; return the number of threads."""
        ...
