"""PostgreSQL cancels statements for which the drain no longer waits. They would slow down the next statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from functions.sync.batch_store import BatchStore
from infra.local.servers import PostgresServer
from shared.settings import DatabaseSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.session import Limits
from tests.support.exchanges import exchange
from tests.support.servers import admin
from tests.support.waiting import until

_RUNNING = (
    "select pid, state, query from pg_stat_activity"
    " where datname = %s and application_name = 'drain' and state not in ('idle', 'disabled')"
)


@pytest.fixture
def store(database_url: str) -> Iterator[BatchStore]:
    """Return the drain's store with a timeout of less than a second."""
    limits = Limits(0.8, grace=0.4, timeout_opens_circuit=False)
    connection = PostgresConnection(DatabaseSettings(url=f"{database_url}?application_name=drain"), limits)
    yield BatchStore(PostgresArchive(connection))
    connection.close()


@pytest.fixture
def running(postgres: PostgresServer, database: psycopg.Connection) -> Callable[[], list[tuple[object, ...]]]:
    """Return the drain's running statements and open transactions."""

    def ask() -> list[tuple[object, ...]]:
        with admin(postgres) as connection:
            return connection.execute(_RUNNING, (database.info.dbname,)).fetchall()

    return ask


def test_no_statement_runs_after_a_batch_timed_out_at_a_lock(
    store: BatchStore, database_url: str, running: Callable[[], list[tuple[object, ...]]]
) -> None:
    """A batch waits for a lock until its timeout. None of its statements runs when the call returns.

    After the lock is released, the drain stores the batch.
    """
    batch = [exchange(number, f"t{number}") for number in range(20)]
    with psycopg.connect(database_url) as other:
        other.execute("lock table messages in access exclusive mode")
        result = store.store(batch, 0)
        assert running() == []
        assert len(result.waiting) == 20
    assert store.store(batch, 60).merged().stored == 20


def test_each_part_of_a_slow_batch_ends_before_the_next_part(
    store: BatchStore, database: psycopg.Connection, running: Callable[[], list[tuple[object, ...]]]
) -> None:
    """Each part of a batch that is too slow ends before the next part starts and before the invocation ends."""
    database.execute(
        "create function slow() returns trigger language plpgsql as $$ begin"
        " perform pg_sleep(0.02);"
        " if (select count(*) from pg_stat_activity where application_name = 'drain' and state = 'active'"
        " and datname = current_database()) > 1 then raise exception 'two at once' using errcode = '22000'; end if;"
        " return new; end $$"
    )
    database.execute("create trigger slow before insert on messages for each row execute function slow()")
    result = store.store([exchange(number, f"t{number}") for number in range(100)], 3)
    assert running() == []
    assert result.refused == []
    assert result.merged().stored + len(result.waiting) == 100
    assert result.merged().stored > 0


def test_statements_end_soon_after_a_server_responds_again(
    store: BatchStore, postgres: PostgresServer, running: Callable[[], list[tuple[object, ...]]]
) -> None:
    """The server hangs, and the drain's statements time out. They end soon after the server responds again."""
    batch = [exchange(number, f"t{number}") for number in range(20)]
    assert store.store(batch[:1], 0).merged().stored == 1
    postgres.freeze()
    assert len(store.store(batch, 0).waiting) == 20
    postgres.thaw()
    until(lambda: running() == [])
    assert store.store(batch, 60).merged().effective != []
