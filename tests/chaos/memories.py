"""Checks learned memory after a run: each stored exchange has exactly the statements that it makes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from shared.learning.statements import Deriver, SourceExchange
from tests.chaos.backlog import sweep
from tests.chaos.learned import LearnedVerdict, MemoryJudge, Source, StoredStatement

LEARN_TIMEOUT_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 1.0
_SWEEP_PAUSE_SECONDS: Final = 5.0
_IS_DUE: Final = """
select count(*) from due_derivations d join live_conversations c on c.id = d.conversation_id
where d.kind = 'memories'"""
# The emulator keeps its queues in memory, so a killed emulator has lost messages. The sweep sends them again after a
# minute, or, with this statement, at once.
_AGE: Final = """
update due_derivations set due_at = now() - interval '2 minutes', sent_at = null
where kind = 'memories' and coalesce(sent_at, due_at) < now() - interval '10 seconds'"""
# As `hybrid-memory memories rebuild` does, for all users.
_MARK_ALL: Final = """
insert into due_derivations (conversation_id, kind, is_old)
select id, 'memories', true from live_conversations where user_id is not null order by id
on conflict (conversation_id, kind) do update
set due_at = clock_timestamp(), sent_at = null, is_old = true, from_order = null"""
_EXCHANGES: Final = """
select u.id, u.exchange_id, c.user_id, u.content, a.content, u.created_at
from live_conversations c
join messages u on u.conversation_id = c.id and u.position = 0
join messages a on a.conversation_id = c.id and a.exchange_id = u.exchange_id and a.position = 1
where c.user_id is not null"""
_STATEMENTS: Final = """
select s.id, s.message_id, s.kind, s.slot, s.value, s.quote, s.role
from memory_statements s
join messages m on m.id = s.message_id
join live_conversations c on c.id = m.conversation_id"""


def wait_until_learned(info: dict[str, Any]) -> int:
    """Wait until no thread is due. Return the number of threads that are due when nothing was learned for long."""
    with psycopg.connect(info["database_url"], connect_timeout=10, autocommit=True) as database:
        last, swept_at, changed_at = 0, 0.0, time.monotonic()
        while due := _count_due(database):
            now = time.monotonic()
            if due != last:
                last, changed_at = due, now
            if now - changed_at > LEARN_TIMEOUT_SECONDS:
                return due
            if now - swept_at > _SWEEP_PAUSE_SECONDS:
                database.execute(_AGE)
                sweep(info)
                swept_at = now
            time.sleep(_PAUSE_SECONDS)
    return 0


def check_memories(
    info: dict[str, Any],
    deriver: Deriver,
    lists: Mapping[str, Sequence[Mapping[str, Any]]],
    forgotten: Mapping[str, bool],
) -> LearnedVerdict:
    """Compare what was learned with what the exchanges state. Then learn all again, and compare once more.

    Args:
        info: The content of `stack.json`.
        deriver: Finds what an exchange states, and nothing else.
        lists: All memories of each user, as the API returns them.
        forgotten: The labels of the exchanges whose memories were deleted, and whether the deletion was confirmed.
    """
    with psycopg.connect(info["database_url"], connect_timeout=10, autocommit=True) as database:
        judge = MemoryJudge(read_sources(database), deriver, forgotten)
        first = read_statements(database)
        judge.check_statements(first)
        for user_id, memories in lists.items():
            judge.check_list(user_id, memories)
        database.execute(_MARK_ALL)
        if due := wait_until_learned(info):
            judge.verdict.unfinished.append(f"{due} threads are still to be learned from again")
        judge.check_rebuilt(first, read_statements(database))
    return judge.verdict


def _count_due(database: psycopg.Connection) -> int:
    row = database.execute(_IS_DUE).fetchone()
    return int(row[0]) if row else 0


def read_sources(database: psycopg.Connection) -> list[Source]:
    """Return all exchanges of known users."""
    return [
        Source(message_id, exchange_id, user_id, SourceExchange(question, answer, created_at))
        for message_id, exchange_id, user_id, question, answer, created_at in database.execute(_EXCHANGES)
    ]


def read_statements(database: psycopg.Connection) -> list[StoredStatement]:
    """Return all statements of threads that are not deleted."""
    return [StoredStatement(*row) for row in database.execute(_STATEMENTS)]
