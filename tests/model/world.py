"""The system under test: processes of both functions, real stores, and a queue that the test controls."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import psycopg
import redis
from psycopg.rows import DictRow, dict_row

from functions.sync.drain import Drain
from functions.sync.sweep import Sweep
from infra.local.servers import ValkeyServer
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.memory import Memory
from shared.models import Exchange
from shared.settings import DatabaseSettings, MemorySettings, RedisSettings
from shared.stores.derivations import MEMORIES
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.idempotency import RedisKeys
from tests.model.faults import Faults, FaultyPostgres, FaultyRedis, ReadOnlyRedis
from tests.model.queue import ControlledQueue, FaultlessQueue

WINDOW: Final = 3
CLOCK_OFFSETS: Final = (0.0, 5.0, -5.0)
SETTINGS: Final = MemorySettings(max_thread_messages=WINDOW)
_examples = itertools.count(1)


class ReadOnlyArchive(PostgresArchive):
    """L2 for read-only processes. It does not record that Redis was found empty."""

    def log_empty_cache(self) -> bool:
        """Return whether no empty Redis was recorded yet."""
        row = self._connection.run(lambda c: c.execute("select not exists (select from cache_epochs) as is").fetchone())
        return bool(row and row["is"])


class ArchiveWithClockOffset(PostgresArchive):
    """L2 on a server whose clock may be wrong."""

    def __init__(self, connection: PostgresConnection, faults: Faults, derives: Sequence[str] = ()) -> None:
        super().__init__(connection, derives)
        self._faults = faults

    def clock(self) -> float:
        """Return the Unix time of the server's clock, with the clock's offset."""
        return super().clock() + self._faults.clocks.get("postgres", 0.0)


@dataclass
class ProcessConnections:
    """The connections of one process. The process that replaces it uses them too."""

    redis: FaultyRedis
    postgres: FaultyPostgres
    faults: Faults

    def stores(self) -> tuple[RedisCache, PostgresArchive]:
        """Return a new process' stores."""
        self.redis.reset_breaker()
        self.postgres.reset_breaker()
        return RedisCache(self.redis, SETTINGS), ArchiveWithClockOffset(self.postgres, self.faults, [MEMORIES])


@dataclass
class MessageRow:
    """A row of `messages`."""

    thread_id: str
    exchange_id: str
    position: int
    role: str
    content: str
    created_at: str
    order: str


@dataclass
class World:
    """The whole system.

    Attributes:
        memories: The memory of each process of the agent function.
        prefix: The prefix of all thread and user ids of this example.
        is_refusing: Whether Redis refuses writes while it answers reads.
        was_restored: Whether Redis was restored since everything was last drained and checked.
        sent: Every exchange that a process tried to send.
    """

    valkey: ValkeyServer
    database_url: str
    faults: Faults = field(default_factory=Faults)
    memories: list[Memory] = field(default_factory=list)
    sent: list[Exchange] = field(default_factory=list)
    prefix: str = ""
    is_refusing: bool = False
    was_restored: bool = False

    def __post_init__(self) -> None:
        self._redis = RedisSettings(host="127.0.0.1", port=self.valkey.port, timeout_ms=10_000)
        self._database = DatabaseSettings(url=self.database_url, timeout_ms=20_000)
        self._connections = [
            ProcessConnections(
                FaultyRedis(self._redis, self.faults), FaultyPostgres(self._database, self.faults), self.faults
            )
            for _ in range(len(CLOCK_OFFSETS) + 1)
        ]
        self._observer_redis = ReadOnlyRedis(self._redis, self.faults)
        self._observer_postgres = PostgresConnection(self._database)
        self.client = redis.Redis(host="127.0.0.1", port=self.valkey.port, decode_responses=True)
        self._binary_client = redis.Redis(host="127.0.0.1", port=self.valkey.port)
        self.database: psycopg.Connection[DictRow] = psycopg.connect(
            self.database_url, autocommit=True, row_factory=dict_row
        )

    def reset(self) -> None:
        """Begin an example with an empty Redis, an empty queue, no invalidations, and a new prefix."""
        self.prefix = f"e{next(_examples)}"
        self.refuse_writes(is_refusing=False)
        self.client.flushall()
        self._snapshot: dict[str, tuple[bytes, int]] = {}
        self.was_restored = False
        self.database.execute("truncate cache_repairs, cache_epochs, idempotency_keys, drain_health")
        self.faults.down.clear()
        self.faults.failed_stores.clear()
        self.faults.clocks.clear()
        self.sent = []
        self.queue = ControlledQueue(self.faults, self.sent.append)
        self.memories = []
        for process in range(len(CLOCK_OFFSETS)):
            self.memories.append(self._new_memory(process))
        self.replace_sync()
        self.observer = self._new_observer()

    def keys(self, process: int) -> Idempotency:
        """Return a process' idempotency keys. The object has no state of earlier calls."""
        connections = self._connections[process]
        return Idempotency(
            [RedisKeys(connections.redis), PostgresKeys(connections.postgres)],
            Backlog(self.queue, PostgresArchive(connections.postgres)),
        )

    def refuse_writes(self, *, is_refusing: bool) -> None:
        """Make Redis refuse writes, or accept them again. Redis answers reads in both cases."""
        self.client.config_set("maxmemory", int(is_refusing))
        self.is_refusing = is_refusing

    def take_snapshot(self) -> None:
        """Save Redis' data."""
        keys = [key.decode() for key in self._binary_client.scan_iter(count=1000)]
        self._snapshot = {
            key: (self._binary_client.dump(key) or b"", max(0, self._binary_client.pttl(key))) for key in keys
        }

    def restore_snapshot(self) -> None:
        """Simulate another server with the saved data, as after a restart from a dump or a promotion of a replica."""
        self.refuse_writes(is_refusing=False)
        self.client.flushall()
        for key, (value, ttl) in self._snapshot.items():
            self._binary_client.restore(key, ttl, value)
        self.faults.server += 1
        self.was_restored = True
        self.client.client_kill_filter(_type="normal", skipme=True)

    def _new_memory(self, process: int) -> Memory:
        cache, archive = self._connections[process].stores()

        def clock() -> float:
            return time.time() + CLOCK_OFFSETS[process] + self.faults.clocks.get(process, 0.0)

        return Memory(cache, archive, self.queue, SETTINGS, clock=clock)

    def _new_observer(self) -> Memory:
        cache, archive = RedisCache(self._observer_redis, SETTINGS), ReadOnlyArchive(self._observer_postgres)
        return Memory(cache, archive, FaultlessQueue(self.queue), SETTINGS)

    def replace_process(self, process: int) -> None:
        """Replace a process by a new process that remembers no exchanges."""
        self.memories[process] = self._new_memory(process)

    def replace_sync(self) -> None:
        """Replace the sync function's process by a new process."""
        connections = self._connections[-1]
        cache, archive = connections.stores()
        self.drain = Drain(archive, cache, self.queue)
        self.sweep = Sweep(archive, cache, SETTINGS.max_thread_messages, self.queue.dead_letter_body)

    def derive_stores(self) -> tuple[RedisCache, PostgresArchive]:
        """Return the stores of a new process of the derive function."""
        return self._connections[-1].stores()

    def restart_valkey(self, *, starts_process: bool) -> None:
        """Restart Valkey without data, or simulate this restart."""
        if starts_process:
            self.valkey.kill()
            self.valkey.start()
            self.is_refusing = False
        else:
            self.client.flushall()
            self.client.client_kill_filter(_type="normal", skipme=True)

    def end_postgres_sessions(self) -> None:
        """End every connection to PostgreSQL except the test's own connection."""
        self.database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user"
            " and pid <> pg_backend_pid() and datname = current_database()"
        )

    def rows(self, threads: Sequence[str]) -> list[MessageRow]:
        """Return the rows of threads in L2. Each thread's rows are in thread order."""
        rows = self.database.execute(
            "select c.thread_id, m.exchange_id::text, m.position, m.role, m.content,"
            " to_char(m.created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') as created_at,"
            ' m.order_key::text as "order"'
            " from conversations c join messages m on m.conversation_id = c.id"
            " where c.thread_id = any(%s) order by c.thread_id, m.order_key, m.position",
            (list(threads),),
        )
        return [MessageRow(**row) for row in rows]

    def cutoffs(self, threads: Sequence[str], users: Sequence[str]) -> dict[str, str]:
        """Return the cutoffs of threads and users."""
        rows = self.database.execute(
            "select thread_id as name, cutoff::text from thread_tombstones where thread_id = any(%s) union all"
            " select user_id, cutoff::text from user_tombstones where user_id = any(%s)",
            (list(threads), list(users)),
        )
        return {row["name"]: row["cutoff"] for row in rows}

    def is_exchange_deleted(self, thread: str, exchange_id: UUID | None) -> bool:
        """Return whether the exchange was deleted from the thread."""
        rows = self.database.execute(
            "select from exchange_tombstones where thread_id = %s and exchange_id = %s", (thread, exchange_id)
        )
        return rows.rowcount > 0

    def is_deletion_cached(self, thread: str, user: str | None) -> bool:
        """Return whether Redis has every deletion of the thread and of its user that PostgreSQL has."""
        cutoffs = self.cutoffs([thread], [user or ""])
        names = {f"thread:{thread}:tombstone": thread, f"user:{user}:tombstone": user or ""}
        return all(cutoffs.get(name, "") <= str(self.client.get(key) or "") for key, name in names.items())

    def redis_values(self) -> dict[str, str]:
        """Return the values of all keys in Redis as text."""
        kinds = {"list": lambda key: self.client.lrange(key, 0, -1), "hash": self.client.hgetall}
        rows = {}
        for key in self.client.scan_iter(count=1000):
            read = kinds.get(str(self.client.type(key)))
            rows[str(key)] = str(read(key)) if read else str(key)
        return rows

    def exchange_of(self, text: str) -> Exchange:
        """Return the last exchange with this text."""
        return next(each for each in reversed(self.sent) if each.user_message == f"u {text}")

    def is_import(self, thread: str, exchange_id: UUID) -> bool:
        """Return whether the exchange was imported. It stays an import if its texts are replaced."""
        return any(each.accepted_at is not None for each in self.sent if each.key == (thread, exchange_id))

    def close(self) -> None:
        """Close every connection."""
        for connections in self._connections:
            connections.redis.close()
            connections.postgres.close()
        self._observer_redis.close()
        self._observer_postgres.close()
        self.client.close()
        self._binary_client.close()
        self.database.close()
