"""PostgreSQL fails over to a standby at the same address."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

from infra.local.servers.postgres import BINARIES, SUPERUSER, PostgresServer
from tests.chaos.targets import Targets
from tests.chaos.tcp_proxy import TcpProxy
from tests.chaos.waiting import wait_until

_WAIT_SECONDS: Final = 30.0


class Postgres:
    """The stack's PostgreSQL and, during a failover, the promoted standby.

    Args:
        info: The content of `stack.json`.
        data_dir: The data directory of the stack's PostgreSQL.
        proxy: The proxy that the functions connect to.
        targets: The stack's processes.
    """

    def __init__(self, info: dict[str, Any], data_dir: Path, proxy: TcpProxy, targets: Targets) -> None:
        self._port = urlsplit(info["database_url"]).port or 0
        self._data_dir = data_dir
        self._proxy = proxy
        self._targets = targets
        password = urlsplit(info["database_url"]).password or ""
        self._admin_url = f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{self._port}/postgres"
        self._standby = PostgresServer(data_dir.with_name("postgres-standby"))

    def close(self) -> None:
        """Stop the standby if it runs."""
        self._standby.kill()

    def start_standby(self) -> None:
        """Start a standby that replicates the stack's PostgreSQL."""
        shutil.rmtree(self._standby.data_dir, ignore_errors=True)
        _wait_until(lambda: _responds(self._admin_url))
        command = [str(BINARIES / "pg_basebackup"), "-D", str(self._standby.data_dir), "-R", "-X", "stream"]
        subprocess.run(
            [*command, "--checkpoint=fast", "--no-sync", "-d", self._admin_url],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            check=True,
            capture_output=True,
            timeout=_WAIT_SECONDS,
        )
        password = self._data_dir.with_name("postgres.password")
        shutil.copy(password, self._standby.data_dir.with_name("postgres-standby.password"))
        self._standby.start()

    def fail_over(self) -> None:
        """Disconnect the functions, promote the standby when it has all data, and redirect the functions to it."""
        self._proxy.redirect_to(1, closes_connections=True)
        with psycopg.connect(self._admin_url, autocommit=True) as primary, self._connect_to_standby() as standby:
            primary.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'memory'")
            (flush_position,) = primary.execute("select pg_current_wal_flush_lsn()").fetchone() or ("",)
            has_replayed = "select coalesce(pg_last_wal_replay_lsn() >= %s::pg_lsn, false)"
            _wait_until(lambda: standby.execute(has_replayed, (flush_position,)).fetchone() == (True,))
            standby.execute("select pg_promote()")
        self._proxy.redirect_to(self._standby.port, closes_connections=True)

    def fail_back(self) -> None:
        """Copy the promoted server's data to the stack's PostgreSQL, and redirect the functions to it."""
        self._proxy.redirect_to(1, closes_connections=True)
        self._standby.stop()
        next_data_dir = self._data_dir.with_name("postgres-next")
        shutil.copytree(self._standby.data_dir, next_data_dir)
        pid = self._targets.pid("postgres")
        self._targets.kill(self._targets.tree("postgres"))
        # The files are replaced immediately, because the supervisor restarts the server with them.
        self._data_dir.rename(self._data_dir.with_name("postgres-old"))
        next_data_dir.rename(self._data_dir)
        self._targets.wait_restarted("postgres", pid)
        self._proxy.redirect_to(self._port, closes_connections=True)
        shutil.rmtree(self._data_dir.with_name("postgres-old"), ignore_errors=True)

    def discard_standby(self) -> None:
        """Go back to the unchanged primary after a failed failover."""
        self._proxy.redirect_to(self._port, closes_connections=True)
        self._standby.kill()

    def _connect_to_standby(self) -> psycopg.Connection:
        return psycopg.connect(self._standby.admin_url, autocommit=True)


def _responds(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False


def _wait_until(condition: Callable[[], bool]) -> None:
    wait_until(condition, _WAIT_SECONDS, "PostgreSQL")
