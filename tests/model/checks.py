"""Each check tests a guarantee. A failing check names the guarantee. "At rest" means that everything is drained."""

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
from tests.model.world import WINDOW, MessageRow, World


def report_violation(guarantee: str, what: str) -> NoReturn:
    """Fail with the guarantee's name.

    Raises:
        AssertionError: Always.
    """
    raise AssertionError(f"{guarantee}: {what}")


@dataclass(frozen=True)
class ListedExchange:
    """An exchange in a context or a list."""

    text: str
    exchange_id: UUID
    order: UUID


def pairs(messages: Sequence[Message]) -> list[ListedExchange]:
    """Return the exchanges of a list of messages."""
    exchanges = []
    for user, assistant in zip(messages[::2], messages[1::2], strict=False):
        if (user.role, assistant.role, user.exchange_id) != ("user", "assistant", assistant.exchange_id):
            report_violation("Same", f"not a pair: {messages}")
        text = user.content.removeprefix("u ")
        if assistant.content != f"a {text}" or user.exchange_id is None or user.order is None:
            report_violation("Same", f"the two messages belong to different exchanges: {messages}")
        exchanges.append(ListedExchange(text, user.exchange_id, user.order))
    if len(messages) % 2:
        report_violation("Same", f"half an exchange: {messages}")
    return exchanges


@dataclass
class Expectation:
    """The exchanges that a context must or must not contain, recorded before the context is loaded."""

    required: set[Entry]
    deleted: set[Entry]
    replaced_texts: set[str]

    @classmethod
    def record(cls, ledger: Ledger, thread: str, reader: Memory | None) -> Expectation:
        """Record the exchanges for a context that is loaded now."""
        entries = ledger.of_thread(thread)
        required = {entry for entry in entries if not entry.may_be_missing(reader)}
        replaced_texts = {
            text for entry in entries if not entry.may_be_outdated(reader) for text in entry.replaced_texts
        }
        return cls(required, {entry for entry in entries if entry.outcome == "erased"}, replaced_texts)


def check_context(
    world: World, ledger: Ledger, thread: str, recall: Recall, reader: Memory | None, expected: Expectation
) -> list[ListedExchange]:
    """Check that a context fulfils the guarantees *Erased* and *Idempotent*, and the order that *Same* requires.

    If no layer is degraded, the context must also fulfil *Whole* and *Replaced*.
    """
    listed = pairs(recall.messages)
    by_text = ledger.by_text(thread)
    entries = [
        by_text[each.text] if each.text in by_text else report_violation("Erased", f"{each} is foreign")
        for each in listed
    ]
    for each, entry in zip(listed, entries, strict=True):
        if entry in expected.deleted:
            report_violation("Erased", f"{each} was deleted, degraded {recall.degraded}")
    if len(set(entries)) != len(entries):
        report_violation("Idempotent", f"shown twice: {listed}")
    if sorted(listed, key=lambda each: (each.order, each.exchange_id)) != listed:
        report_violation("Same", f"not in order: {listed}")
    if recall.degraded:
        return listed
    outdated = [each for each, entry in zip(listed, entries, strict=True) if not entry.may_be_outdated(reader)]
    if replaced := [each for each in outdated if each.text in expected.replaced_texts]:
        report_violation("Replaced", f"{replaced} was replaced, and no layer is degraded")
    for entry in expected.required - set(entries):
        if entry.may_be_missing(reader):
            continue
        orders = [each.order for each in world.sent if each.user_message.removeprefix("u ") in entry.texts]
        if len(listed) < WINDOW or min(orders) > listed[0].order:
            report_violation(
                "Whole, Read your writes", f"{sorted(entry.texts)} is missing in {listed}, and no layer is degraded"
            )
    return listed


def check_stored(ledger: Ledger, rows: Iterable[MessageRow]) -> None:
    """Check that L2 fulfils *Erased*, *Replaced* and *Idempotent*. These guarantees hold at any time."""
    seen: dict[tuple[Entry, int], str] = {}
    for row in rows:
        text = row.content[2:]
        entry = ledger.by_text(row.thread_id).get(text)
        if entry is None or entry.outcome == "erased":
            report_violation("Erased", f"{row} is in PostgreSQL")
        if text in entry.replaced_texts and entry.is_replacement_stored and not entry.is_text_unknown:
            report_violation("Replaced", f"{row} is in PostgreSQL although it was replaced")
        if (entry, row.position) in seen:
            report_violation("Idempotent", f"{row} is in PostgreSQL in addition to {seen[entry, row.position]}")
        seen[entry, row.position] = row.exchange_id


def check_durable(ledger: Ledger, rows: Sequence[MessageRow]) -> None:
    """Check that L2 has each accepted exchange at rest (*Durable*)."""
    for thread in {entry.thread for entry in ledger.entries}:
        stored = [row for row in rows if row.thread_id == thread]
        contents = [row.content for row in stored]
        for entry in ledger.of_thread(thread):
            stored_texts = [
                text
                for text in entry.texts - entry.replaced_texts
                if f"u {text}" in contents and f"a {text}" in contents
            ]
            if entry.is_accepted and entry.outcome == "live" and not entry.is_lost and len(stored_texts) != 1:
                report_violation("Durable", f"{entry} has durability {entry.durability}; PostgreSQL has {contents}")


def check_same(world: World, threads: Sequence[str], rows: Sequence[MessageRow]) -> None:
    """Check that both layers have the same exchanges at rest (*Same*). A list without a seal may be shorter."""
    generation = world.client.hget("memory:epoch", "doubt") or ""
    for thread in threads:
        stored = [row for row in rows if row.thread_id == thread]
        entries = world.client.lrange(f"thread:{thread}:messages", 0, -1)
        fields = [orjson.loads(entry) for entry in entries]
        own_fields = [each for each in fields if each["role"] != "system"]
        cached = [
            (each["exchange_id"], each["order"], each["role"], each["content"], each["created_at"])
            for each in own_fields
        ]
        window = [(row.exchange_id, row.order, row.role, row.content, row.created_at) for row in stored]
        is_sealed = bool(fields) and fields[0].get("first") == generation
        expected = window[-2 * WINDOW :] if is_sealed else window[len(window) - len(cached) :]
        if cached != expected:
            report_violation("Same", f"{thread}: Redis has {entries}, PostgreSQL {window}")


def check_erased(ledger: Ledger, cached: dict[str, str]) -> None:
    """Check that no key of Redis contains a deleted or replaced text at rest (*Erased*)."""
    for entry in ledger.entries:
        deleted = entry.texts if entry.outcome == "erased" else entry.replaced_texts
        for key, value in cached.items():
            for text in deleted:
                if f"u {text}" in value or f"a {text}" in value:
                    report_violation("Erased", f"{text} is still in {key}: {value}")
