"""One user's data in L2, as counts. Read-only."""

from __future__ import annotations

from pathlib import Path

from shared.stores.postgres.connection import PostgresConnection

_COUNTS = Path(__file__).with_suffix(".sql").read_bytes()
_THREADS = """
select thread_id from live_conversations
where user_id = %(user_id)s and thread_id > %(after)s order by thread_id limit %(rows)s
"""


class PostgresUserData:
    """Counts a user's rows. Its methods raise `StoreUnavailable` if PostgreSQL does not respond."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def counts(self, user_id: str) -> dict[str, int]:
        """Return the number of the user's `threads`, `messages`, `documents` and `preferences`."""
        row = self._connection.run(lambda c: c.execute(_COUNTS, {"user_id": user_id}).fetchone())
        return {name: int(count) for name, count in (row or {}).items()}

    def thread_ids(self, user_id: str, after: str, limit: int) -> list[str]:
        """Return the user's next thread ids after `after`, in order."""
        parameters = {"user_id": user_id, "after": after, "rows": limit}
        rows = self._connection.run(lambda c: c.execute(_THREADS, parameters).fetchall())
        return [row["thread_id"] for row in rows]
