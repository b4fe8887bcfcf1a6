"""A locked table stops only the work that needs this table. Each process waits for the lock once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import UUID

import psycopg
import pytest

from shared.errors import StoreUnavailable
from shared.settings import DatabaseSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.search import SearchScope
from tests.support.waiting import until

_Call = Callable[[PostgresArchive, PostgresKeys], object]
_CALLS: dict[str, tuple[str, _Call]] = {
    "a key is claimed": ("idempotency_keys", lambda _, keys: keys.acquire("k", "h", UUID(int=1))),
    "preferences are read": ("user_preferences", lambda archive, _: archive.preferences("ana")),
    "preferences are changed": (
        "user_preferences",
        lambda archive, _: archive.change_preferences("ana", {"a": "b"}, replace=False, update_cache=lambda _: True),
    ),
}


@pytest.fixture
def connection(database_url: str) -> Iterator[PostgresConnection]:
    """Return a connection with a timeout of less than a second."""
    created = PostgresConnection(DatabaseSettings(url=database_url, timeout_ms=600))
    yield created
    created.close()


@pytest.mark.parametrize(("table", "call"), _CALLS.values(), ids=_CALLS)
def test_only_the_first_call_waits_for_a_locked_table(
    connection: PostgresConnection, database_url: str, table: str, call: _Call
) -> None:
    """The first call waits for the locked table. Later calls fail at once until the lock ends. Other calls succeed."""
    archive, keys = PostgresArchive(connection), PostgresKeys(connection)
    with psycopg.connect(database_url) as other:
        other.execute(f"lock table {table} in access exclusive mode".encode())
        with pytest.raises(StoreUnavailable, match="55P03"):
            call(archive, keys)
        for _ in range(3):
            # After this time the next call may start a probe.
            time.sleep(1.1)
            assert archive.window("t", 9).exchanges == []
            with pytest.raises(StoreUnavailable, match="circuit open"):
                call(archive, keys)
        assert not connection.breaker.is_open
    until(lambda: _succeeds(lambda: call(archive, keys)))


def test_a_slow_search_opens_no_circuit(connection: PostgresConnection, database_url: str) -> None:
    """A search that waits too long does not open the circuit, so other statements still run."""
    archive = PostgresArchive(connection)
    with psycopg.connect(database_url) as other:
        other.execute("lock table messages in access exclusive mode")
        with pytest.raises(StoreUnavailable, match="55P03"):
            archive.matches(SearchScope("ana"), [1])
    assert not connection.breaker.is_open
    assert archive.window("t", 9).exchanges == []


def _succeeds(call: Callable[[], object]) -> bool:
    with suppress(StoreUnavailable):
        call()
        return True
    return False
