"""The two memory providers of a turn. A host calls `invoking()` before the agent runs, and `invoked()` after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.memory.context import conversation_text, preferences_text
from shared.memory.turn import AppendResult, Turn


class MemoryProvider(Protocol):
    """The interface that an agent's host calls around a run."""

    async def invoking(self) -> str:
        """Return the context for the instructions; '' if there is none."""
        ...

    async def invoked(self, user_message: str, assistant_message: str) -> object:
        """Store the exchange."""
        ...


class ThreadMemoryProvider:
    """The conversation so far. Both providers of a turn use the data of the turn's one read."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def invoking(self) -> str:
        """Return `Previous conversation:` and its lines; '' without a thread, a history, or an available store."""
        return conversation_text(self._turn.select().messages)

    async def invoked(
        self,
        user_message: str,
        assistant_message: str,
        document_ids: Sequence[str] = (),
        exchange_id: UUID | None = None,
        metadata: str | None = None,
        created_at: datetime | None = None,
    ) -> AppendResult:
        """Store the exchange; return the store that has it. Only an imported exchange has a `created_at`."""
        return self._turn.append(user_message, assistant_message, document_ids, exchange_id, metadata, created_at)


class UserPreferencesProvider:
    """The user's preferences across all conversations."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def invoking(self) -> str:
        """Return `User preferences:` and its lines; '' without a user, preferences, or an available store."""
        return preferences_text(self._turn.select().preferences)

    async def invoked(self, user_message: str, assistant_message: str) -> None:
        """Do nothing: the turn's round trip has already extended the preferences' time to live in L1."""
