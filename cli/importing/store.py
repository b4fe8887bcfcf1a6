"""Stores an import through the API, exchange by exchange, at a limited rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cli.importing.memories import KnownMemories
from cli.importing.plan import Part, Ready
from cli.importing.records import (
    ImportedMemory,
    ImportedPreferences,
    ImportedThread,
    InvalidRecordError,
    UnimportedMemory,
)
from hybrid_memory_client import InvalidRequest, MemoryClient, MemoryClientError, NotFound
from shared.models import title_of


@dataclass(slots=True)
class ImportResult:
    """The result of an import so far.

    Attributes:
        done: The number of exchanges that were sent or skipped, in the file's order.
        stored: The number of exchanges that are stored. It includes exchanges that an earlier import stored.
        titles: The number of threads that were renamed.
        memories: The number of explicit memories that were set.
        known_memories: The number of explicit memories that their users had before.
        refused: The exchanges, titles and memories that the API refused.
    """

    done: int = 0
    stored: int = 0
    preferences: int = 0
    titles: int = 0
    memories: int = 0
    known_memories: int = 0
    refused: list[InvalidRecordError] = field(default_factory=list)


class Importer:
    """Stores the parts of a file.

    Args:
        api: A client that repeats failed requests.
        rate: Maximum exchanges per second.
        is_skipping: Whether to continue after an exchange that the API refuses.
        result: Updated after each request, so that it is correct after an error.
    """

    def __init__(self, api: MemoryClient, rate: float, *, is_skipping: bool, result: ImportResult) -> None:
        self._api = api
        self._seconds = 1 / rate
        self._is_skipping = is_skipping
        self._result = result
        self._documents: dict[str, tuple[str, ...]] = {}
        self._unread: dict[str, ImportedThread] = {}
        self._renamed: list[tuple[ImportedThread, str]] = []
        self._next = time.monotonic()

    def store(self, parts: Iterable[Part], first: int, advance: Callable[[int], None]) -> None:
        """Store the parts, beginning with the exchange number `first`. The numbers begin with 1.

        Raises:
            InvalidRecordError: The API refused an exchange or a memory, or no store responded.
            MemoryClientError: The API did not respond.
        """
        memories: list[ImportedMemory] = []
        for part in parts:
            if isinstance(part, UnimportedMemory):
                continue
            if memories and not (isinstance(part, ImportedMemory) and part.user_id == memories[0].user_id):
                self._store_memories(memories)
                memories = []
            if isinstance(part, ImportedMemory):
                memories.append(part)
            elif isinstance(part, ImportedThread):
                self._documents[part.thread_id] = part.document_ids
                self._unread[part.thread_id] = part
            elif isinstance(part, ImportedPreferences):
                self._store_preferences(part)
            elif isinstance(part, Ready):
                self._note_title(part)
                documents = part.exchange.document_ids or self._documents.pop(part.exchange.thread_id, ())
                if self._result.done + 1 >= first:
                    self._store_exchange(part, documents)
                self._result.done += 1
                advance(self._result.done)
        if memories:
            self._store_memories(memories)
        self._store_titles()

    def _note_title(self, part: Ready) -> None:
        """Note a thread whose title is not that of its first message, because a user has renamed it."""
        thread = self._unread.pop(part.exchange.thread_id, None)
        own_title = title_of(part.exchange.user_message)
        if thread is not None and thread.title and thread.title != own_title:
            self._renamed.append((thread, own_title))

    def _store_titles(self) -> None:
        """Rename the threads that still have the title of their first message."""
        for thread, own_title in self._renamed:
            try:
                if thread.title and (self._api.read_thread(thread.thread_id).title or "") == own_title:
                    self._api.rename_thread(thread.thread_id, thread.title)
                    self._result.titles += 1
            except (InvalidRequest, NotFound) as error:
                self._refuse(thread.position, error)

    def _store_exchange(self, part: Ready, documents: tuple[str, ...]) -> None:
        self._wait()
        exchange = part.exchange
        try:
            result = self._api.invoked(
                exchange.user_message,
                exchange.assistant_message,
                thread_id=exchange.thread_id,
                user_id=exchange.user_id,
                document_ids=documents,
                exchange_id=part.exchange_id,
                metadata=exchange.metadata,
                created_at=part.created_at,
            )
        except (InvalidRequest, NotFound) as error:
            self._refuse(exchange.position, error)
            return
        if result.durability != "none":
            self._result.stored += 1
            return
        reason = "it is not stored, because no store responded" if result.degraded else "it was deleted before"
        self._result.refused.append(InvalidRecordError(exchange.position, reason))
        if result.degraded:
            raise self._result.refused[-1]

    def _refuse(self, position: str, error: MemoryClientError) -> None:
        """Record a refusal of the API.

        Raises:
            InvalidRecordError: The import stops at a refusal.
        """
        refusal = InvalidRecordError(position, f"the API refused it: {error}")
        self._result.refused.append(refusal)
        if not self._is_skipping:
            raise refusal from error

    def _store_memories(self, memories: Sequence[ImportedMemory]) -> None:
        """Set the explicit memories of one user that the user does not have yet.

        An export has the newest first. The oldest is set first, so that the order stays.
        """
        user_id = memories[0].user_id
        known = KnownMemories(self._api.iter_memories(user_id, include_superseded=True))
        for memory in reversed(memories):
            if known.has(memory):
                self._result.known_memories += 1
                continue
            self._wait()
            try:
                self._api.add_memory(user_id, memory.text, kind=memory.kind, key=memory.key)
            except InvalidRequest as error:
                self._refuse(memory.position, error)
            else:
                self._result.memories += 1

    def _store_preferences(self, part: ImportedPreferences) -> None:
        """Set the preferences that the user does not have yet."""
        existing = self._api.read_preferences(part.user_id)
        missing = {name: value for name, value in part.preferences.items() if name not in existing}
        if missing:
            self._api.merge_preferences(part.user_id, missing)
        self._result.preferences += len(missing)

    def _wait(self) -> None:
        """Wait until the rate allows the next request."""
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(self._next, now) + self._seconds
