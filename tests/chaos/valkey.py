"""Faults of a Valkey that still responds: it refuses writes, restarts with older data, or fails over."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.local.servers.valkey import DUMP, ValkeyServer
from tests.chaos.clocks import child_clock
from tests.chaos.tcp_proxy import TcpProxy
from tests.chaos.waiting import wait_until

Refusal = Literal["full", "without replicas", "cannot save"]
_RESPONSE_SECONDS: Final = 15.0


class Valkey:
    """The stack's Valkey and, during a failover, its replacement.

    Args:
        url: The URL of the stack's Valkey.
        data_dir: Valkey's directory, with the dump that Valkey loads at its start.
        proxy: The proxy that the functions connect to.
    """

    def __init__(self, url: str, data_dir: Path, proxy: TcpProxy) -> None:
        self._port = urlsplit(url).port or 0
        self._data_dir = data_dir
        self._proxy = proxy
        self._snapshot = data_dir.with_name("valkey-snapshot.rdb")
        self._standby = ValkeyServer(data_dir.with_name("valkey-standby"))

    def close(self) -> None:
        """Stop the standby if it runs."""
        self._standby.kill()

    @contextmanager
    def refusing(self, refusal: Refusal) -> Iterator[None]:
        """Make Valkey refuse every write, but answer every read, until the end of the block."""
        begin, end = {
            "full": (self._fill_memory, self._free_memory),
            "without replicas": (self._set_min_replicas, self._reset_min_replicas),
            "cannot save": (self._fail_saves, self._allow_saves),
        }[refusal]
        with _client(self._port) as client:
            try:
                begin(client)
                yield
            finally:
                end(client)

    def take_snapshot(self, *, overwrite: bool) -> None:
        """Store Valkey's data for `load_snapshot_at_start`. Without `overwrite`, an existing snapshot stays."""
        if self._snapshot.exists() and not overwrite:
            return
        with _client(self._port) as client:
            client.save()
        # The file is outside of the directory that a restart loads.
        shutil.move(self._data_dir / DUMP, self._snapshot)

    def load_snapshot_at_start(self) -> None:
        """Make Valkey's next start load the snapshot."""
        shutil.copy(self._snapshot, self._data_dir / DUMP)

    def start_standby(self, *, is_lagging: bool, days: int = 0) -> None:
        """Start a full replica with a clock that is `days` ahead. With `is_lagging` it gets no further writes."""
        with _client(self._port), child_clock(days):
            self._standby.start()
        with _client(self._standby.port) as standby:
            _replicate_from(standby, self._port)
            if is_lagging:
                standby.replicaof("no", "one")

    def fail_over(self, *, closes_connections: bool) -> None:
        """Promote the standby and redirect the address to it. The old server becomes the standby's replica.

        Args:
            closes_connections: Whether to close open connections instead of leaving them with the old server.
        """
        with _client(self._standby.port) as standby, _client(self._port) as old:
            standby.replicaof("no", "one")
            old.replicaof("127.0.0.1", str(self._standby.port))
        self._proxy.redirect_to(self._standby.port, closes_connections=closes_connections)

    def fail_back(self) -> None:
        """Switch the roles of the two servers back without losing data, and stop the standby."""
        with _client(self._port) as old, _client(self._standby.port) as standby:
            _wait_until(lambda: _replication(old)["master_link_status"] == "up")
            standby.execute_command("FAILOVER")  # type: ignore[no-untyped-call]
            _wait_until(lambda: _replication(old)["role"] == "master")
        self._proxy.redirect_to(self._port, closes_connections=False)
        self._standby.kill()

    def discard_standby(self) -> None:
        """Go back to the unchanged server after a failed failover."""
        self._proxy.redirect_to(self._port, closes_connections=True)
        with suppress(redis.RedisError), _client(self._port) as client:
            client.replicaof("no", "one")
        self._standby.kill()

    def _fill_memory(self, client: redis.Redis) -> None:
        client.config_set("maxmemory", "1")

    def _free_memory(self, client: redis.Redis) -> None:
        client.config_set("maxmemory", "0")

    def _set_min_replicas(self, client: redis.Redis) -> None:
        client.config_set("min-replicas-to-write", "1")

    def _reset_min_replicas(self, client: redis.Redis) -> None:
        client.config_set("min-replicas-to-write", "0")

    def _fail_saves(self, client: redis.Redis) -> None:
        # A directory at the dump's path makes every save fail, because no user can replace a directory by a file.
        (self._data_dir / DUMP).mkdir()
        client.config_set("save", "3600 1")
        client.bgsave()
        _wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")

    def _allow_saves(self, client: redis.Redis) -> None:
        (self._data_dir / DUMP).rmdir()
        client.config_set("save", "")


def _replicate_from(replica: redis.Redis, port: int) -> None:
    replica.replicaof("127.0.0.1", str(port))
    _wait_until(lambda: _replication(replica)["master_link_status"] == "up")


def _replication(client: redis.Redis) -> dict[str, Any]:
    return {"master_link_status": "", **client.info("replication")}


@contextmanager
def _client(port: int) -> Iterator[redis.Redis]:
    """Connect once Valkey responds. It may still be recovering from the previous fault."""
    with redis.Redis(host="127.0.0.1", port=port, socket_timeout=10, retry=Retry(NoBackoff(), 0)) as client:
        _wait_until(lambda: _responds(client))
        yield client


def _responds(client: redis.Redis) -> bool:
    with suppress(redis.ConnectionError, redis.TimeoutError):
        return bool(client.ping())
    return False


def _wait_until(condition: Callable[[], bool]) -> None:
    wait_until(condition, _RESPONSE_SECONDS, "Valkey")
