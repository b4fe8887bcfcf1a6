"""What the callers know: what they kept, what they were answered, what they deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from shared.memory.memory import Memory
from shared.memory.turn import AppendResult

# `unsure`: a deletion failed or ran beside it, so that either end is right until the next successful one.
Fate = Literal["live", "unsure", "erased"]


@dataclass(eq=False)
class Entry:
    """One exchange, as its caller knows it.

    Attributes:
        texts: What was said under this id; more than one if the caller used the id again.
        name: The id the caller gave it.
        ids: Ids it was answered under.
        keeper: The sandbox that answered last.
        is_accepted: Whether an answer named a store that holds it for good.
        is_unheard: Whether L1 may not know of it: its append failed, or all that L1 had of it was taken away.
        is_forgotten: The second of these, so that the keeper may not show it either.
        is_lost: Whether the only store that took it has lost it (the outbox of a Redis that was restarted empty).
        was_lost: Whether L1 was emptied or came back older while nothing else had it.
        was_flushed: Whether L1 was emptied since, before the drain.
        is_beyond: Whether a deletion may not have reached it.
        retired: Texts that were replaced: shown to nobody who can know.
        is_stored: Whether the text that replaced them is in PostgreSQL, so that they are not.
        awaited: The text of a replacement that is on the queue only.
        is_unclear: Whether any of its texts may turn out to be the last, e.g. of two replacements at once.
        replacements: How many were begun.
    """

    thread: str
    name: UUID | None
    texts: set[str]
    keeper: Memory
    ids: set[UUID] = field(default_factory=set)
    fate: Fate = "live"
    durability: str = "none"
    is_accepted: bool = False
    is_unheard: bool = True
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
        """The id it was answered under last."""
        return max(self.ids, default=None)

    def may_be_outdated(self, reader: Memory | None) -> bool:
        """Return whether a turn of this sandbox may be shown a text that was replaced, and not be told."""
        return self.is_unclear or self.may_miss(reader)

    def replaced(self, receipt: AppendResult, text: str, before: set[str], keeper: Memory) -> None:
        """Take note of the answer to a replacement."""
        if receipt.durability == "redis" or self.awaited is not None:
            # Lost with the outbox; or numbered without a look at what is on the queue.
            self.is_unclear = True
        if receipt.durability == "queue":
            self.awaited = text
        self.is_stored = receipt.durability == "postgres"
        self.retired |= before - {text}
        self.is_unheard = not receipt.cached
        self.keeper, self.is_accepted, self.is_forgotten = keeper, True, False

    def warm_up(self, stored: set[str]) -> None:
        """Take note of what PostgreSQL holds in quiet."""
        self.is_unclear, self.awaited, self.is_stored = False, None, True
        self.retired = self.texts - stored if self.replacements else set()

    def may_miss(self, reader: Memory | None) -> bool:
        """Return whether a turn of this sandbox may be shown a history without it, and not be told."""
        if not self.is_accepted or self.fate != "live" or self.is_lost:
            return True
        return self.is_unheard and (self.is_forgotten or reader is not self.keeper)

    def answered(self, receipt: AppendResult) -> None:
        """Take note of an answer."""
        if receipt.exchange_id is not None:
            self.ids.add(receipt.exchange_id)
        if receipt.durability == "none":
            return
        self.durability = receipt.durability
        self.is_unheard = not receipt.cached and (self.is_unheard or not self.is_accepted)
        self.is_accepted = True


class Ledger:
    """All entries of an example."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._said = 0

    def text(self) -> str:
        """Return a text that was not said before."""
        self._said += 1
        return f"text-{self._said}."

    def say(self, thread: str, name: UUID | None, keeper: Memory) -> tuple[Entry, str]:
        """Begin an exchange with a text of its own, or another one under a name that is in use."""
        text = self.text()
        entry = next((e for e in self.of(thread) if name is not None and e.name == name and e.fate != "erased"), None)
        if entry is None:
            entry = Entry(thread, name, set(), keeper)
            self.entries.append(entry)
        entry.texts.add(text)
        if entry.replacements:
            # Said again under its name it replaces nothing, but a list that has lost the exchange shows it for a while.
            entry.is_unclear = True
        entry.keeper = keeper
        return entry, text

    def of(self, thread: str) -> list[Entry]:
        """Return a thread's entries."""
        return [entry for entry in self.entries if entry.thread == thread]

    def by_text(self, thread: str) -> dict[str, Entry]:
        """Return a thread's entries by what was said."""
        return {text: entry for entry in self.of(thread) for text in entry.texts}

    def delete(
        self, entries: Iterable[Entry], threads: Iterable[str], *, is_complete: bool, beside: Entry | None
    ) -> None:
        """Take note of a deletion of threads; `beside` is being kept at the same time."""
        wanted = set(threads)
        for entry in entries:
            if entry.thread not in wanted or entry.fate == "erased" or entry.is_beyond:
                continue
            entry.fate = "erased" if is_complete and entry is not beside else "unsure"
