"""The two providers of the seed's pattern: `invoking()` before the agent runs, `invoked()` after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shared.memory.context import conversation_text, preferences_text
from shared.memory.turn import AppendResult, Turn


class MemoryProvider(Protocol):
    """What an agent's host calls around a run."""

    async def invoking(self) -> str:
        """Return the context for the instructions, '' when there is none."""
        ...

    async def invoked(self, user_message: str, assistant_message: str) -> object:
        """Keep what is to be kept of the exchange."""
        ...


class ThreadMemoryProvider:
    """The conversation so far. Providers of one turn share its round trips."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def invoking(self) -> str:
        """Return `Previous conversation:` and its lines; '' without a thread, a history, or a store that answers."""
        return conversation_text(self._turn.show().messages)

    async def invoked(
        self,
        user_message: str,
        assistant_message: str,
        document_ids: Sequence[str] = (),
        exchange_id: UUID | None = None,
        metadata: str | None = None,
    ) -> AppendResult:
        """Keep the exchange, and say where it is."""
        return self._turn.keep(user_message, assistant_message, document_ids, exchange_id, metadata)


class UserPreferencesProvider:
    """What is known of the user across all conversations."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def invoking(self) -> str:
        """Return `User preferences:` and its lines; '' without a user, preferences, or a store that answers."""
        return preferences_text(self._turn.show().preferences)

    async def invoked(self, user_message: str, assistant_message: str) -> None:
        """Do nothing more: the turn's one round trip has already prolonged the preferences' life in L1."""
