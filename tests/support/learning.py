"""Learns from threads without a deriver: a message that begins with a place is a statement about the user's home."""

from __future__ import annotations

from shared.learning.statements import Statement, statement_id
from shared.stores.archive import Archive
from shared.stores.learning import NewStatement, StoredStatements, Unread


def homes_in(thread_id: str, unread: Unread) -> list[NewStatement]:
    """Return a statement for each exchange: the first word of the user's message is the user's home."""
    found = []
    for each in unread.exchanges:
        place = each.user_message.partition(" ")[0]
        statement = Statement("fact", "home", place.lower(), f"Lives in {place}", place)
        new_id = statement_id(thread_id, each.exchange_id, each.revision, statement)
        found.append(NewStatement(new_id, each, statement))
    return found


def sentences_in(thread_id: str, unread: Unread) -> list[NewStatement]:
    """Return a sentence of the summary for each exchange: the user's message."""
    found = []
    for each in unread.exchanges:
        statement = Statement("summary", "summary", each.user_message, each.user_message, each.user_message)
        new_id = statement_id(thread_id, each.exchange_id, each.revision, statement)
        found.append(NewStatement(new_id, each, statement))
    return found


def learn(archive: Archive, thread_id: str = "t", limit: int = 99) -> StoredStatements:
    """Store the statements of a thread's exchanges that are due."""
    unread = archive.unread(thread_id, limit)
    return archive.store_statements(thread_id, unread, "test:1", homes_in(thread_id, unread))
