"""Python and PostgreSQL compute the same order keys and sort them equally, for any id and time."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.ids import order_key
from tests.support.strategies import moments, time_ordered, uuids

pairs = st.lists(
    st.tuples(st.one_of(uuids, time_ordered()), moments), min_size=1, max_size=30, unique_by=lambda p: p[0]
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pairs)
def test_python_and_postgresql_compute_the_same_order_keys(
    database: psycopg.Connection, pairs: list[tuple[UUID, datetime]]
) -> None:
    """Python and PostgreSQL return the same keys in the same order."""
    with database.transaction(force_rollback=True):
        row = database.execute("insert into conversations (thread_id) values ('t') returning id").fetchone()
        assert row is not None
        database.execute(
            "insert into messages (conversation_id, exchange_id, position, role, content, created_at)"
            " select %s, given.id, 0, 'user', '', given.at from unnest(%s::uuid[], %s::timestamptz[]) given (id, at)",
            (row[0], [pair[0] for pair in pairs], [pair[1] for pair in pairs]),
        )
        generated = database.execute("select exchange_id, order_key from messages order by order_key, exchange_id")
        expected = sorted(((i, order_key(i, at)) for i, at in pairs), key=lambda pair: (pair[1], pair[0]))
        assert generated.fetchall() == expected
