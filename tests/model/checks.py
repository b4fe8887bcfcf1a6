"""Each check tests a guarantee. A failing check names the guarantee."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

import orjson

from shared.memory.memory import Memory
from shared.memory.recall import Recall
from shared.models import Message
from tests.model.ledger import Entry, Ledger
from tests.model.world import WINDOW, Stored, World


def violated(guarantee: str, what: str) -> NoReturn:
    """Fail with the guarantee's name.

    Raises:
        AssertionError: Always.
    """
    raise AssertionError(f"{guarantee}: {what}")


@dataclass(frozen=True)
class Shown:
    """An exchange in a context or a list."""

    text: str
    exchange_id: UUID
    order: UUID


def pairs(messages: Sequence[Message]) -> list[Shown]:
    """Return the exchanges of a list of messages."""
    found = []
    for user, assistant in zip(messages[::2], messages[1::2], strict=False):
        if (user.role, assistant.role, user.exchange_id) != ("user", "assistant", assistant.exchange_id):
            violated("Same", f"no pair: {messages}")
        text = user.content.removeprefix("u ")
        if assistant.content != f"a {text}" or user.exchange_id is None or user.order is None:
            violated("Same", f"the sides of an exchange are of two: {messages}")
        found.append(Shown(text, user.exchange_id, user.order))
    if len(messages) % 2:
        violated("Same", f"half an exchange: {messages}")
    return found


@dataclass
class Before:
    """The exchanges that a context must contain or must not contain. They are recorded before the context is loaded."""

    required: set[Entry]
    gone: set[Entry]
    retired: set[str]

    @classmethod
    def now(cls, ledger: Ledger, thread: str, reader: Memory | None) -> Before:
        """Record the exchanges for a context that is loaded now."""
        entries = ledger.of(thread)
        required = {entry for entry in entries if not entry.may_miss(reader)}
        retired = {text for entry in entries if not entry.may_be_outdated(reader) for text in entry.retired}
        return cls(required, {entry for entry in entries if entry.fate == "erased"}, retired)


def check_recall(
    world: World, ledger: Ledger, thread: str, recall: Recall, reader: Memory | None, before: Before
) -> list[Shown]:
    """Check that a context fulfils the guarantees *Erased*, *Idempotent* and *Same* order.

    If no layer is degraded, the context must also fulfil *Whole* and *Replaced*.
    """
    shown = pairs(recall.messages)
    by_text = ledger.by_text(thread)
    entries = [by_text[one.text] if one.text in by_text else violated("Erased", f"{one} is foreign") for one in shown]
    for one, entry in zip(shown, entries, strict=True):
        if entry in before.gone:
            violated("Erased", f"{one} came back, degraded {recall.degraded}")
    if len(set(entries)) != len(entries):
        violated("Idempotent", f"shown twice: {shown}")
    if sorted(shown, key=lambda one: (one.order, one.exchange_id)) != shown:
        violated("Same", f"not in order: {shown}")
    if recall.degraded:
        return shown
    outdated = [one for one, entry in zip(shown, entries, strict=True) if not entry.may_be_outdated(reader)]
    if found := [one for one in outdated if one.text in before.retired]:
        violated("Replaced", f"{found} was replaced, and nothing says so")
    for entry in before.required - set(entries):
        if entry.may_miss(reader):
            continue
        orders = [each.order for each in world.sent if each.user_message.removeprefix("u ") in entry.texts]
        if len(shown) < WINDOW or min(orders) > shown[0].order:
            violated("Whole, Read your writes", f"{sorted(entry.texts)} is missing in {shown}, and nothing says so")
    return shown


def check_stored(ledger: Ledger, rows: Iterable[Stored]) -> None:
    """Check that L2's contents fulfil the guarantees *Erased*, *Replaced* and *Idempotent*. They hold at any time."""
    seen: dict[tuple[Entry, int], str] = {}
    for row in rows:
        text = row.content[2:]
        entry = ledger.by_text(row.thread_id).get(text)
        if entry is None or entry.fate == "erased":
            violated("Erased", f"{row} is in PostgreSQL")
        if text in entry.retired and entry.is_stored and not entry.is_unclear:
            violated("Replaced", f"{row} is in PostgreSQL, and was replaced")
        if (entry, row.position) in seen:
            violated("Idempotent", f"{row} is in PostgreSQL beside {seen[entry, row.position]}")
        seen[entry, row.position] = row.exchange_id


def check_durable(ledger: Ledger, rows: Sequence[Stored]) -> None:
    """Check that L2 has each accepted exchange at rest (*Durable*)."""
    for thread in {entry.thread for entry in ledger.entries}:
        stored = [row for row in rows if row.thread_id == thread]
        contents = [row.content for row in stored]
        for entry in ledger.of(thread):
            kept = [text for text in entry.texts - entry.retired if f"u {text}" in contents and f"a {text}" in contents]
            if entry.is_accepted and entry.fate == "live" and not entry.is_lost and len(kept) != 1:
                violated("Durable", f"{entry} was answered {entry.durability}; PostgreSQL has {contents}")


def check_same(world: World, threads: Sequence[str], rows: Sequence[Stored]) -> None:
    """Check that both layers have the same exchanges at rest (*Same*). A list without a seal may be shorter."""
    generation = world.client.hget("memory:epoch", "doubt") or ""
    for thread in threads:
        stored = [row for row in rows if row.thread_id == thread]
        entries = world.client.lrange(f"thread:{thread}:messages", 0, -1)
        fields = [orjson.loads(entry) for entry in entries]
        own = [one for one in fields if one["role"] != "system"]
        cached = [(one["exchange_id"], one["order"], one["role"], one["content"], one["created_at"]) for one in own]
        window = [(row.exchange_id, row.order, row.role, row.content, row.created_at) for row in stored]
        claims_all = bool(fields) and fields[0].get("first") == generation
        expected = window[-2 * WINDOW :] if claims_all else window[len(window) - len(cached) :]
        if cached != expected:
            violated("Same", f"{thread}: Redis has {entries}, PostgreSQL {window}")


def check_erased(ledger: Ledger, cached: dict[str, str]) -> None:
    """Check that no key of Redis contains a deleted or replaced text at rest (*Erased*)."""
    for entry in ledger.entries:
        gone = entry.texts if entry.fate == "erased" else entry.retired
        for key, value in cached.items():
            for text in gone:
                if f"u {text}" in value or f"a {text}" in value:
                    violated("Erased", f"{text} is still in {key}: {value}")
