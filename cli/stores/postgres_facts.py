"""What an operator asks of PostgreSQL itself. Reads only."""

from __future__ import annotations

from shared.stores.postgres.connection import PostgresConnection


class PostgresFacts:
    """Methods raise `StoreUnavailable` when PostgreSQL does not answer."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def version(self) -> int:
        """Return the server's version as PostgreSQL numbers it, e.g. 160004."""
        row = self._connection.run(
            lambda c: c.execute("select current_setting('server_version_num')::int as version").fetchone()
        )
        return int(row["version"]) if row else 0

    def seconds_since_sweep(self) -> float | None:
        """Return how long ago the scheduled sweep ran last, None if it never did."""
        row = self._connection.run(
            lambda c: c.execute("select extract(epoch from now() - max(beat_at)) as age from drain_health").fetchone()
        )
        return None if row is None or row["age"] is None else max(0.0, float(row["age"]))
