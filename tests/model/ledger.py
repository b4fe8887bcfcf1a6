"""What the callers know: what they kept, what they were answered, what they deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from shared.memory.turn import Memory, Receipt

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
        was_flushed: Whether L1 was emptied since, before the drain.
        is_beyond: Whether a deletion may not have reached it.
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
    was_flushed: bool = False
    is_beyond: bool = False

    def may_miss(self, reader: Memory | None) -> bool:
        """Return whether a turn of this sandbox may be shown a history without it, and not be told."""
        if not self.is_accepted or self.fate != "live" or self.is_lost:
            return True
        return self.is_unheard and (self.is_forgotten or reader is not self.keeper)

    def answered(self, receipt: Receipt) -> None:
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

    def say(self, thread: str, name: UUID | None, keeper: Memory) -> tuple[Entry, str]:
        """Begin an exchange with a text of its own, or another one under a name that is in use."""
        self._said += 1
        text = f"text-{self._said}."
        entry = next((e for e in self.of(thread) if name is not None and e.name == name and e.fate != "erased"), None)
        if entry is None:
            entry = Entry(thread, name, set(), keeper)
            self.entries.append(entry)
        entry.texts.add(text)
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
