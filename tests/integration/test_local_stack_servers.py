"""The embedded servers survive a stop, a kill and a freeze."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest
import redis

from infra.local import LocalStackError, server_user
from infra.local.environment import USUAL_PORTS
from infra.local.processes import free_port, is_free
from infra.local.server_user import ServerUser
from infra.local.servers import PostgresServer, ValkeyServer
from infra.local.stack import Stack
from infra.migrations import upgrade


def _write(server: PostgresServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept values (1)")


def _count(server: PostgresServer) -> int:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    return int(row[0]) if row else 0


def test_postgres_recovers_after_a_kill(tmp_path: Path) -> None:
    """PostgreSQL recovers after SIGKILL of any of its processes, on the same port."""
    with PostgresServer(tmp_path / "postgres") as server:
        url = server.url
        _write(server)
        server.kill()
        server.start()
        assert _count(server) == 1
        os.kill(server.pid, signal.SIGKILL)
        os.waitpid(server.pid, 0)
        assert not server.is_running()
        server.start()
        assert _count(server) == 1
        server.stop()
        server.start()
        assert _count(server) == 1
        assert server.url == url


def test_postgres_has_pgvector(tmp_path: Path) -> None:
    """The first start creates the extension, so the migrations add its column. A later start changes nothing."""
    with PostgresServer(tmp_path / "postgres") as server:
        server.stop()
        server.start()
        upgrade(server.url)
        with psycopg.connect(server.url) as connection:
            row = connection.execute("select atttypid::regtype::text from pg_attribute where attname = 'embedding'")
            assert row.fetchone() == ("halfvec",)


def test_a_frozen_postgres_responds_after_the_thaw(tmp_path: Path) -> None:
    """A frozen PostgreSQL accepts no connection. It responds again after the thaw. A stop also ends a frozen server."""
    with PostgresServer(tmp_path / "postgres") as server:
        _write(server)
        server.freeze()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url, connect_timeout=2)
        server.thaw()
        assert _count(server) == 1
        server.freeze()
    assert is_free(server.port)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a choice of users")
@pytest.mark.parametrize("kind", ["namespace", "capable"])
def test_postgres_runs_as_any_other_user_in_a_private_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """PostgreSQL runs as each kind of non-root user and reaches its data in a directory with mode 700."""
    every = server_user._candidates(tmp_path)
    monkeypatch.setattr(server_user, "_candidates", lambda _: [first for first in every if first.kind == kind])
    tmp_path.chmod(0o700)
    try:
        with PostgresServer(tmp_path / "postgres") as server:
            _write(server)
            assert _count(server) == 1
    except LocalStackError as error:
        pytest.skip(f"not permitted on this machine: {error}")


def test_the_error_suggests_an_ordinary_user_if_no_user_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no user can run PostgreSQL, the error suggests to run make as an ordinary user."""
    monkeypatch.setattr(server_user, "_candidates", lambda _: list[ServerUser]())
    with pytest.raises(LocalStackError, match="run make as an ordinary user"):
        PostgresServer(tmp_path / "postgres").start()


def test_valkeys_data_survives_a_stop_and_not_a_kill(tmp_path: Path) -> None:
    """Valkey's data survives a clean stop. It does not survive a kill."""
    with ValkeyServer(tmp_path / "valkey") as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.stop()
        server.start()
        assert client.get("key") == b"value"
        server.kill()
        server.start()
        assert client.get("key") is None


def test_a_free_port_replaces_a_used_port(tmp_path: Path) -> None:
    """If another program uses the preferred port, the server uses a free port."""
    with ValkeyServer(tmp_path / "one") as first:
        assert free_port(first.port) != first.port
        with ValkeyServer(tmp_path / "two", preferred=(first.port,)) as two:
            assert two.port != first.port


def test_a_replaced_port_stays_until_the_usual_one_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the usual port is taken, each start of the server uses the same other port, until the usual port is free."""
    used: list[int] = []

    def start() -> None:
        stack = Stack(tmp_path / "state", {})
        stack.valkey.start()
        used.append(stack.valkey.port)
        stack.valkey.stop()
        stack.state.save({"api_id": "a", "valkey": stack.valkey.port})

    with ValkeyServer(tmp_path / "other") as second:
        monkeypatch.setitem(USUAL_PORTS, "valkey", second.port)
        start()
        start()
    start()
    start()
    usual = second.port
    assert used == [used[0], used[0], usual, usual]
    assert used[0] != usual
