"""The ledger records what the callers know: stored, answered and deleted exchanges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from shared.memory.memory import Memory
from shared.memory.turn import AppendResult

# `unsure`: a deletion of the exchange failed or ran at the same time. The exchange may be stored or deleted.
Fate = Literal["live", "unsure", "erased"]


@dataclass(eq=False)
class Entry:
    """One exchange as its caller knows it.

    Attributes:
        texts: The texts that callers stored under this id.
        name: The caller's id.
        ids: The ids in the responses.
        keeper: The process that responded last.
        is_accepted: Whether a response named a durable store.
        is_missing_in_cache: Whether L1 may lack the exchange, because its append failed or L1 lost it.
        is_forgotten: Whether L1 lost the exchange, so that even the keeper may not show it.
        is_lost: Whether only the outbox had the exchange, and Redis lost the outbox.
        was_lost: Whether L1 was emptied or restored while neither L2 nor the queue had the exchange.
        was_flushed: Whether L1 lost the thread before the drain stored the exchange.
        is_beyond: Whether the exchange's order key may be after a deletion's cutoff.
        retired: The replaced texts. A process that can know of the replacement must not show them.
        is_stored: Whether PostgreSQL has the replacement.
        awaited: The text of a queued replacement.
        is_unclear: Whether any of the texts may be the final text, e.g. after concurrent replacements.
        replacements: The number of started replacements.
    """

    thread: str
    name: UUID | None
    texts: set[str]
    keeper: Memory
    ids: set[UUID] = field(default_factory=set)
    fate: Fate = "live"
    durability: str = "none"
    is_accepted: bool = False
    is_missing_in_cache: bool = True
    is_forgotten: bool = False
    is_lost: bool = False
    was_lost: bool = False
    was_flushed: bool = False
    is_beyond: bool = False
    retired: set[str] = field(default_factory=set)
    is_stored: bool = False
    awaited: str | None = None
    is_unclear: bool = False
    replacements: int = 0

    @property
    def exchange_id(self) -> UUID | None:
        """The id in the last response."""
        return max(self.ids, default=None)

    def may_be_outdated(self, reader: Memory | None) -> bool:
        """Return whether a turn of this process may contain a replaced text although no layer is degraded."""
        return self.is_unclear or self.may_miss(reader)

    def replaced(self, receipt: AppendResult, text: str, before: set[str], keeper: Memory) -> None:
        """Record the response to a replacement."""
        if receipt.durability == "redis" or self.awaited is not None:
            # The outbox with this replacement may be lost, or an earlier queued replacement may have the same revision.
            self.is_unclear = True
        if receipt.durability == "queue":
            self.awaited = text
        self.is_stored = receipt.durability == "postgres"
        self.retired |= before - {text}
        self.is_missing_in_cache = not receipt.cached
        self.keeper, self.is_accepted, self.is_forgotten = keeper, True, False

    def warm_up(self, stored: set[str]) -> None:
        """Record the text that PostgreSQL has at rest."""
        self.is_unclear, self.awaited, self.is_stored = False, None, True
        self.retired = self.texts - stored if self.replacements else set()

    def may_miss(self, reader: Memory | None) -> bool:
        """Return whether a turn of this process may lack the exchange although no layer is degraded."""
        if not self.is_accepted or self.fate != "live" or self.is_lost:
            return True
        return self.is_missing_in_cache and (self.is_forgotten or reader is not self.keeper)

    def answered(self, receipt: AppendResult) -> None:
        """Record the response to an append."""
        if receipt.exchange_id is not None:
            self.ids.add(receipt.exchange_id)
        if receipt.durability == "none":
            return
        self.durability = receipt.durability
        self.is_missing_in_cache = not receipt.cached and (self.is_missing_in_cache or not self.is_accepted)
        self.is_accepted = True


class Ledger:
    """All entries of an example."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._said = 0

    def text(self) -> str:
        """Return a new text."""
        self._said += 1
        return f"text-{self._said}."

    def say(self, thread: str, name: UUID | None, keeper: Memory) -> tuple[Entry, str]:
        """Add a new text to the entry with this id, or to a new entry. Return the entry and the text."""
        text = self.text()
        entry = next((e for e in self.of(thread) if name is not None and e.name == name and e.fate != "erased"), None)
        if entry is None:
            entry = Entry(thread, name, set(), keeper)
            self.entries.append(entry)
        entry.texts.add(text)
        if entry.replacements:
            # A repeated id does not replace the exchange. A list without the exchange shows the new text for a while.
            entry.is_unclear = True
        entry.keeper = keeper
        return entry, text

    def of(self, thread: str) -> list[Entry]:
        """Return a thread's entries."""
        return [entry for entry in self.entries if entry.thread == thread]

    def by_text(self, thread: str) -> dict[str, Entry]:
        """Return a thread's entries by their texts."""
        return {text: entry for entry in self.of(thread) for text in entry.texts}

    def delete(
        self, entries: Iterable[Entry], threads: Iterable[str], *, is_complete: bool, beside: Entry | None
    ) -> None:
        """Record a deletion of threads. The exchange `beside` is stored at the same time as the deletion."""
        wanted = set(threads)
        for entry in entries:
            if entry.thread not in wanted or entry.fate == "erased" or entry.is_beyond:
                continue
            entry.fate = "erased" if is_complete and entry is not beside else "unsure"
