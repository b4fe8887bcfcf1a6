"""Checks learned memory after a run: each stored exchange has exactly the statements that it makes."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from shared.learning.gates import kept
from shared.learning.rules.deriver import RuleDeriver
from shared.learning.statements import SourceExchange
from tests.chaos.backlog import sweep

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
_EXCHANGES: Final = """
select u.id, u.content, a.content, u.created_at, c.user_id is not null
from live_conversations c
join messages u on u.conversation_id = c.id and u.position = 0
join messages a on a.conversation_id = c.id and a.exchange_id = u.exchange_id and a.position = 1"""
_STATEMENTS: Final = """
select s.message_id, s.kind, s.slot, s.value, s.quote, s.role, m.content, a.content
from memory_statements s
join messages m on m.id = s.message_id
join messages a on a.conversation_id = m.conversation_id and a.exchange_id = m.exchange_id and a.position = 1
where s.kind <> 'summary'"""


@dataclass(slots=True)
class LearnedVerdict:
    """The result of the checks. Each list has one sentence for each deviation.

    Attributes:
        statements: The number of statements that the stored exchanges make.
        missing: Statements that were not learned.
        doubled: Statements that were learned twice.
        unproven: Statements that do not quote their exchange, or that their exchange does not make.
        unfinished: Threads that are still due.
    """

    statements: int = 0
    missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


def check_memories(info: dict[str, Any]) -> LearnedVerdict:
    """Wait until everything is learned, and compare the statements with those that the exchanges make."""
    verdict = LearnedVerdict()
    with psycopg.connect(info["database_url"], connect_timeout=10, autocommit=True) as database:
        due = _wait_until_learned(info, database)
        if due:
            verdict.unfinished.append(f"{due} threads are still to be learned from")
        expected = _expected(database)
        stored: Counter[tuple[str, ...]] = Counter()
        for message_id, kind, slot, value, quote, role, question, answer in database.execute(_STATEMENTS):
            statement = (str(message_id), kind, slot, value)
            stored[statement] += 1
            if quote not in (question if role == "user" else answer):
                verdict.unproven.append(f"{statement} quotes {quote!r}")
    verdict.statements = len(expected)
    verdict.missing += [str(each) for each in sorted(expected - stored.keys())]
    verdict.unproven += [str(each) for each in sorted(stored.keys() - expected)]
    verdict.doubled += [f"{each}: {count} times" for each, count in stored.items() if count > 1]
    return verdict


def _wait_until_learned(info: dict[str, Any], database: psycopg.Connection) -> int:
    """Return the number of threads that are still due after the timeout."""
    deadline, swept_at = time.monotonic() + LEARN_TIMEOUT_SECONDS, 0.0
    while True:
        row = database.execute(_IS_DUE).fetchone()
        due = int(row[0]) if row else 0
        if not due or time.monotonic() > deadline:
            return due
        if time.monotonic() - swept_at > _SWEEP_PAUSE_SECONDS:
            database.execute(_AGE)
            sweep(info)
            swept_at = time.monotonic()
        time.sleep(_PAUSE_SECONDS)


def _expected(database: psycopg.Connection) -> set[tuple[str, ...]]:
    """Return the statements that the stored exchanges of known users make."""
    deriver = RuleDeriver()
    expected: set[tuple[str, ...]] = set()
    for message_id, question, answer, created_at, has_user in database.execute(_EXCHANGES):
        exchange = SourceExchange(question, answer, created_at)
        if has_user:
            found = kept(deriver.derive([exchange])[0], exchange)
            expected |= {(str(message_id), each.kind, each.slot, each.value) for each in found}
    return expected
