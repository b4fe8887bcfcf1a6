"""The ledger records which exchanges the callers have stored, replaced and deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from shared.memory.memory import Memory
from shared.memory.turn import AppendResult

# `unsure`: a deletion of the exchange failed or ran at the same time. The exchange may be stored or deleted.
Outcome = Literal["live", "unsure", "erased"]


@dataclass(eq=False)
class Entry:
    """One exchange as its caller knows it.

    Attributes:
        texts: The texts that callers stored under this id.
        chosen_id: The id that the caller chose.
        ids: The ids in the responses.
        last_process: The process that responded last.
        is_accepted: Whether a response named a durable store.
        is_missing_in_cache: Whether L1 may lack the exchange, because its append failed or L1 lost it.
        is_lost_by_cache: Whether L1 lost the exchange, so that even `last_process` may not show it.
        is_lost: Whether only the outbox had the exchange, and Redis lost the outbox.
        was_lost: Whether L1 was emptied or restored while neither L2 nor the queue had the exchange.
        was_lost_undrained: Whether L1 lost the thread before the drain stored the exchange.
        may_survive_deletion: Whether the exchange's order key may be after a deletion's cutoff.
        replaced_texts: The replaced texts. A process that can know the replacement must not show them.
        is_replacement_stored: Whether PostgreSQL has the replacement.
        queued_text: The text of a queued replacement.
        is_text_unknown: Whether any of the texts may be the final text, for example after concurrent replacements.
        replacements: The number of started replacements.
    """

    thread: str
    chosen_id: UUID | None
    texts: set[str]
    last_process: Memory
    ids: set[UUID] = field(default_factory=set)
    outcome: Outcome = "live"
    durability: str = "none"
    is_accepted: bool = False
    is_missing_in_cache: bool = True
    is_lost_by_cache: bool = False
    is_lost: bool = False
    was_lost: bool = False
    was_lost_undrained: bool = False
    may_survive_deletion: bool = False
    replaced_texts: set[str] = field(default_factory=set)
    is_replacement_stored: bool = False
    queued_text: str | None = None
    is_text_unknown: bool = False
    replacements: int = 0

    @property
    def exchange_id(self) -> UUID | None:
        """The id in the last response."""
        return max(self.ids, default=None)

    def may_be_outdated(self, reader: Memory | None) -> bool:
        """Return whether a turn of this process may contain a replaced text although no layer is degraded."""
        return self.is_text_unknown or self.may_be_missing(reader)

    def record_replacement(self, result: AppendResult, text: str, texts_before: set[str], last_process: Memory) -> None:
        """Record the response to a replacement."""
        if result.durability == "redis" or self.queued_text is not None:
            # The outbox with this replacement may be lost, or an earlier queued replacement may have the same revision.
            self.is_text_unknown = True
        if result.durability == "queue":
            self.queued_text = text
        self.is_replacement_stored = result.durability == "postgres"
        self.replaced_texts |= texts_before - {text}
        self.is_missing_in_cache = not result.cached
        self.last_process, self.is_accepted, self.is_lost_by_cache = last_process, True, False

    def record_rest(self, stored: set[str]) -> None:
        """Record the text that PostgreSQL has when everything is drained."""
        self.is_text_unknown, self.queued_text, self.is_replacement_stored = False, None, True
        self.replaced_texts = self.texts - stored if self.replacements else set()

    def may_be_missing(self, reader: Memory | None) -> bool:
        """Return whether a turn of this process may lack the exchange although no layer is degraded."""
        if not self.is_accepted or self.outcome != "live" or self.is_lost:
            return True
        return self.is_missing_in_cache and (self.is_lost_by_cache or reader is not self.last_process)

    def record_append(self, result: AppendResult) -> None:
        """Record the response to an append."""
        if result.exchange_id is not None:
            self.ids.add(result.exchange_id)
        if result.durability == "none":
            return
        self.durability = result.durability
        self.is_missing_in_cache = not result.cached and (self.is_missing_in_cache or not self.is_accepted)
        self.is_accepted = True


class Ledger:
    """All entries of an example."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._text_count = 0

    def new_text(self) -> str:
        """Return a new text."""
        self._text_count += 1
        return f"text-{self._text_count}."

    def add_text(self, thread: str, chosen_id: UUID | None, last_process: Memory) -> tuple[Entry, str]:
        """Add a new text to the entry with this id, or to a new entry. Return the entry and the text."""
        text = self.new_text()
        entry = next(
            (
                e
                for e in self.of_thread(thread)
                if chosen_id is not None and e.chosen_id == chosen_id and e.outcome != "erased"
            ),
            None,
        )
        if entry is None:
            entry = Entry(thread, chosen_id, set(), last_process)
            self.entries.append(entry)
        entry.texts.add(text)
        if entry.replacements:
            # A repeated id does not replace the exchange, but a list without the exchange may show the new text.
            entry.is_text_unknown = True
        entry.last_process = last_process
        return entry, text

    def of_thread(self, thread: str) -> list[Entry]:
        """Return a thread's entries."""
        return [entry for entry in self.entries if entry.thread == thread]

    def by_text(self, thread: str) -> dict[str, Entry]:
        """Return a thread's entries by their texts."""
        return {text: entry for entry in self.of_thread(thread) for text in entry.texts}

    def record_deletion(
        self, entries: Iterable[Entry], threads: Iterable[str], *, is_complete: bool, concurrent: Entry | None
    ) -> None:
        """Record a deletion of threads. The exchange `concurrent` is stored during the deletion."""
        thread_ids = set(threads)
        for entry in entries:
            if entry.thread not in thread_ids or entry.outcome == "erased" or entry.may_survive_deletion:
                continue
            entry.outcome = "erased" if is_complete and entry is not concurrent else "unsure"
