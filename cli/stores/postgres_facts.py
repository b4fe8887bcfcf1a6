"""PostgreSQL's version and the sweep's last run. Read-only."""

from __future__ import annotations

from shared.stores.postgres.connection import PostgresConnection


class PostgresFacts:
    """Reads facts about the server. Its methods raise `StoreUnavailable` if PostgreSQL does not respond."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def version(self) -> int:
        """Return the server's version number, e.g. 160004."""
        row = self._connection.run(
            lambda c: c.execute("select current_setting('server_version_num')::int as version").fetchone()
        )
        return int(row["version"]) if row else 0

    def seconds_since_sweep(self) -> float | None:
        """Return the seconds since the last scheduled sweep; None if none ever ran."""
        row = self._connection.run(
            lambda c: c.execute("select extract(epoch from now() - max(beat_at)) as age from drain_health").fetchone()
        )
        return None if row is None or row["age"] is None else max(0.0, float(row["age"]))
