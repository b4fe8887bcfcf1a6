"""The drain dead-letters each record whose row PostgreSQL refuses, and stores the other records."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest

from functions.sync.drain import Drain, DrainResult
from shared.models import Exchange
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.stores.sqs.queue import SqsQueue
from shared.stores.sqs.received import SqsQueues
from tests.support.exchanges import exchange
from tests.support.queues import Queues

_REFUSED_NUMBER = 7
_REFUSING_TRIGGER = (
    "create function refuse() returns trigger language plpgsql as $$ begin"
    " if {condition} then raise exception 'not this one' using errcode = '{state}'; end if; return new; end $$;"
    " create trigger refuse {when} on {table} for each row execute function refuse()"
)
_IS_REFUSED = f"new.content = 'q{_REFUSED_NUMBER}'"
# SQLSTATEs of each kind of error: value, privilege, object, timeout, conflict, resources, outage, unknown.
_STATES = re.findall(
    r"\w+",
    "P0001 P0002 P0003 P0004 01000 02000 08000 08006 08P01 0A000 21000 22023 23503 23514 25001 25006 25P02 25P03 28000"
    " 3D000 40001 40P01 42501 42P01 44000 53000 53100 53200 53300 54000 55000 55006 55P03 57000 57014 57P01 57P03 57P05"
    " 58000 58030 72000 F0000 HV000 XX000 XX001 ZZ001",
)


@pytest.fixture
def drain(real_archive: Callable[..., PostgresArchive], real_cache: Callable[..., RedisCache], queues: Queues) -> Drain:
    """Return a process' drain."""
    return Drain(real_archive(), real_cache(), SqsQueues(queues.settings()))


@pytest.fixture
def run(drain: Drain, queues: Queues, real_queue: SqsQueue) -> Callable[[], DrainResult]:
    """Drain twenty exchanges of twenty threads. PostgreSQL refuses one of them."""

    def once() -> DrainResult:
        for number in range(20):
            real_queue.send(exchange(number, f"t{number}"))
        return drain.run(queues.receive(), 60)

    return once


def _check(outcome: DrainResult, queues: Queues, database: psycopg.Connection, detail: str) -> None:
    assert (outcome.stored, outcome.failed) == (19, [])
    ((body, attributes),) = queues.dead()
    assert Exchange.from_wire(body).user_message == f"q{_REFUSED_NUMBER}"
    assert attributes["reason"] == "refused_by_postgres"
    assert attributes["detail"].startswith(detail)
    assert database.execute("select count(*) from messages where order_key is not null").fetchone() == (38,)


def test_records_refused_with_any_sqlstate_are_dead_lettered(
    drain: Drain, real_queue: SqsQueue, queues: Queues, database: psycopg.Connection
) -> None:
    """Every second record is refused, each with another SQLSTATE. Each dead letter has its record's SQLSTATE.

    The other records are stored.
    """
    database.execute(
        (
            "create function refuse() returns trigger language plpgsql as $$"
            f" declare states text[] := string_to_array('{' '.join(_STATES)}', ' ');"
            " number int := substring(new.content from '^q([0-9]+)$')::int;"
            " begin if number % 2 = 1 then raise exception 'not this one' using errcode = states[(number + 1) / 2];"
            " end if; return new; end $$;"
            " create trigger refuse before insert on messages for each row execute function refuse()"
        ).encode()
    )
    for number in range(2 * len(_STATES)):
        real_queue.send(exchange(number, f"t{number}"))
    outcome = drain.run(queues.receive(), 60)
    assert (outcome.stored, outcome.failed) == (len(_STATES), [])
    details: dict[str, str] = {}
    while dead := queues.dead(visibility=60):
        details |= {Exchange.from_wire(body).user_message: attributes["detail"] for body, attributes in dead}
    assert details == {f"q{2 * index + 1}": f"{state}: not this one" for index, state in enumerate(_STATES)}


@pytest.mark.parametrize("state", ["P0001", "57014", "08006"])
@pytest.mark.parametrize(
    ("when", "table", "condition"),
    [
        ("before insert", "messages", f"not new.content ~ '^[qa][0-9]+$' or {_IS_REFUSED}"),
        ("after insert", "messages", _IS_REFUSED),
        ("before insert", "conversations", f"new.thread_id = 't{_REFUSED_NUMBER}'"),
    ],
    ids=["before the insert, also of the test row", "after the insert", "of the conversation"],
)
def test_a_row_refused_by_any_trigger_is_dead_lettered(
    run: Callable[[], DrainResult],
    queues: Queues,
    database: psycopg.Connection,
    state: str,
    when: str,
    table: str,
    condition: str,
) -> None:
    """A trigger refuses one exchange's row before or after the insert, in either table.

    One of the triggers also refuses the test row that the drain inserts.
    """
    database.execute(_REFUSING_TRIGGER.format(condition=condition, state=state, when=when, table=table).encode())
    _check(run(), queues, database, f"{state}: not this one")


def test_a_row_refused_at_the_commit_is_dead_lettered(
    run: Callable[[], DrainResult], queues: Queues, database: psycopg.Connection
) -> None:
    """A deferred trigger refuses the row. The statement succeeds, and the commit fails."""
    trigger = _REFUSING_TRIGGER.format(condition=_IS_REFUSED, state="40001", when="after insert", table="messages")
    deferred = trigger.replace("create trigger", "create constraint trigger").replace(
        "for each row", "deferrable initially deferred for each row"
    )
    database.execute(deferred.encode())
    _check(run(), queues, database, "40001: not this one")


@pytest.mark.parametrize("is_test_row_refused", [False, True])
def test_a_row_refused_by_row_level_security_is_dead_lettered(
    run: Callable[[], DrainResult], queues: Queues, database: psycopg.Connection, *, is_test_row_refused: bool
) -> None:
    """Row-level security refuses the row. Its SQLSTATE only says that a privilege is missing."""
    condition = f"content <> 'q{_REFUSED_NUMBER}'" + (" and content ~ '^[qa][0-9]+$'" if is_test_row_refused else "")
    database.execute("alter table messages enable row level security")
    database.execute("alter table messages force row level security")
    database.execute(f"create policy p on messages using (true) with check ({condition})".encode())
    _check(run(), queues, database, "42501: new row violates row-level security policy")


@pytest.mark.parametrize("is_test_row_refused", [False, True])
def test_a_row_refused_by_a_check_constraint_is_dead_lettered(
    run: Callable[[], DrainResult], queues: Queues, database: psycopg.Connection, *, is_test_row_refused: bool
) -> None:
    """A check constraint of a later release or of an administrator refuses the row."""
    condition = f"content <> 'q{_REFUSED_NUMBER}'" + (" and content ~ '^[qa][0-9]+$'" if is_test_row_refused else "")
    database.execute(f"alter table messages add constraint c check ({condition})".encode())
    _check(run(), queues, database, "23514: ")


def test_records_stay_in_the_queue_if_the_role_may_not_insert(
    run: Callable[[], DrainResult], queues: Queues, database: psycopg.Connection
) -> None:
    """The drain's role may not insert rows. All records stay in the queue."""
    database.execute("revoke insert on messages from memory")
    outcome = run()
    assert (outcome.stored, len(outcome.failed), queues.dead()) == (0, 20, [])
