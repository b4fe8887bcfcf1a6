"""Connections to the stores that inject faults: before, after or halfway through the n-th call of an operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import psycopg
import redis
from psycopg.rows import DictRow

from shared.errors import StoreUnavailable
from shared.settings import DatabaseSettings, RedisSettings
from shared.stores.breaker import CircuitBreaker
from shared.stores.postgres.bounded import WrongServer
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.redis.connection import Pipeline, RedisConnection

Store = Literal["redis", "postgres", "queue"]
# `before`: the call had no effect. `after`: the call had its effect, and its response was lost. `part`: Redis executed
# a part of the commands, or PostgreSQL rolled a first attempt back. `twice`: the response was lost, and the call was
# sent again. `refused`: the server responded with an error.
Kind = Literal["before", "after", "part", "twice", "refused"]
# The open sessions on a demoted PostgreSQL. `ended`: the server closes them. `standby`: they cannot begin a writing
# transaction. `read only`: they can begin a transaction, and its writes are refused.
DemotedSessions = Literal["ended", "standby", "read only"]
_READS = {
    *("TIME", "HMGET", "LRANGE", "LINDEX", "LLEN", "GET", "HGET"),
    *("HVALS", "HGETALL", "HKEYS", "EXISTS", "ZRANGE", "SMEMBERS", "SISMEMBER", "PING", "INFO"),
}
_T = TypeVar("_T")


@dataclass(frozen=True)
class Fault:
    """One failure of one store.

    Attributes:
        nth: The number of the operation's call to the store, from 0.
        commands: For the kind `part`, how many commands of the pipeline Redis executes.
    """

    store: Store
    nth: int
    kind: Kind
    commands: int = 1


@dataclass
class Faults:
    """The faults of the stores at this moment.

    Attributes:
        down: Stores that do not respond until they are removed from this set.
        failed_stores: Stores that failed in the current operation.
        server: The number of the current Redis server.
        primary: The number of the current PostgreSQL primary.
        demoted_sessions: The state of the sessions on the previous primary.
        clocks: The offset of each clock in seconds. The keys are a process' number or a store's name.
    """

    down: set[Store] = field(default_factory=set)
    failed_stores: set[Store] = field(default_factory=set)
    transactions: int = 0
    server: int = 0
    primary: int = 0
    demoted_sessions: DemotedSessions = "ended"
    clocks: dict[Store | int, float] = field(default_factory=dict)
    _fault: Fault | None = None
    _meanwhile: tuple[int, Callable[[], None]] | None = None
    _calls: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def during(self, fault: Fault | None, meanwhile: tuple[int, Callable[[], None]] | None = None) -> Iterator[None]:
        """Inject a fault and run another process' action between two calls of the block."""
        outer = self._fault, self._meanwhile, self._calls
        self._fault, self._meanwhile, self._calls = fault, meanwhile, Counter()
        try:
            yield
        finally:
            self._fault, self._meanwhile, self._calls = outer

    def next_fault(self, store: Store) -> Fault | None:
        """Count a call to a store, and return the fault of this call or None."""
        # The other process does not act during a transaction. It runs in this Python thread, so it could wait for
        # the transaction's lock forever.
        if not self.transactions and self._meanwhile is not None and self._calls.total() >= self._meanwhile[0]:
            _, action = self._meanwhile
            self._meanwhile = None
            down, self.down = self.down, set()
            with self.during(None):
                action()
            self.down = down
        nth = self._calls[store]
        self._calls[store] += 1
        if store in self.down:
            self.failed_stores.add(store)
            return Fault(store, nth, "before")
        fault = self._fault
        if fault is None or (fault.store, fault.nth) != (store, nth):
            return None
        self._fault = None
        if fault.kind != "twice":
            self.failed_stores.add(store)
        return fault

    def call_queue(self, action: Callable[[], _T]) -> _T:
        """Call the queue, with the fault of this call if there is one."""
        fault = self.next_fault("queue")
        if fault is not None and fault.kind in {"before", "part", "refused"}:
            raise StoreUnavailable("queue", "injected")
        done = action()
        if fault is None:
            return done
        if fault.kind == "after":
            raise StoreUnavailable("queue", "injected")
        return action()


class FaultyRedis(RedisConnection):
    """A connection to the real server with injected faults and its own circuit breaker."""

    def __init__(self, settings: RedisSettings, faults: Faults) -> None:
        super().__init__(settings)
        self._faults = faults
        self.reset_breaker()

    def _identify_server(self, connection: redis.Connection) -> None:
        super()._identify_server(connection)
        self.identity = f"{self.identity} {self._faults.server}"

    def reset_breaker(self) -> None:
        """Reset the circuit breaker, as in a new process."""
        self.breaker = CircuitBreaker("redis", self._probe, probe_interval=0, grace=10)

    def _probe(self) -> None:
        if "redis" in self._faults.down:
            raise redis.ConnectionError("injected")

    def call(self, fill: Callable[[Pipeline], object]) -> list[Any]:
        """Send the commands that `fill` adds, with the fault of this call if there is one."""
        fault = self._faults.next_fault("redis")
        if fault is None:
            return self._send(fill)
        with self.breaker.guard((redis.ConnectionError, redis.TimeoutError)):
            if fault.kind == "before":
                raise redis.ConnectionError("injected")
            pipe = self._client.pipeline(transaction=False)
            fill(pipe)
            count = len(pipe.command_stack)
            if fault.kind == "refused":
                return [redis.ResponseError("OOM injected")] * count
            if fault.kind == "part":
                pipe.command_stack = pipe.command_stack[: min(fault.commands, count - 1)]
            pipe.execute(raise_on_error=False)
            if fault.kind != "twice":
                raise redis.TimeoutError("injected")
        return self._send(fill)

    def _send(self, fill: Callable[[Pipeline], object]) -> list[Any]:
        """Send the commands that `fill` adds, and return the replies. Times have the offset of the server's clock."""
        names: list[str] = []

        def record_names(pipe: Pipeline) -> None:
            fill(pipe)
            names[:] = [arguments[0] for arguments, _ in pipe.command_stack]

        replies = super().call(record_names)
        return _shift_times(names, replies, self._faults)


def _shift_times(names: Sequence[str], replies: Sequence[Any], faults: Faults) -> list[Any]:
    ahead = round(faults.clocks.get("redis", 0.0))
    return [
        (reply[0] + ahead, reply[1]) if name == "TIME" and isinstance(reply, tuple) else reply
        for name, reply in zip(names, replies, strict=True)
    ]


class ReadOnlyRedis(RedisConnection):
    """A connection that sends reading commands only."""

    def __init__(self, settings: RedisSettings, faults: Faults) -> None:
        super().__init__(settings)
        self._faults = faults

    def _identify_server(self, connection: redis.Connection) -> None:
        super()._identify_server(connection)
        self.identity = f"{self.identity} {self._faults.server}"

    def call(self, fill: Callable[[Pipeline], object]) -> list[Any]:
        """Send only the reading commands. The replies to other commands are None."""
        pipe = self._client.pipeline(transaction=False)
        fill(pipe)
        commands: list[Any] = pipe.command_stack
        is_read = [command[0][0] in _READS for command in commands]
        pipe.command_stack = [command for command, one in zip(commands, is_read, strict=True) if one]
        replies = iter(pipe.execute(raise_on_error=False))
        result = [next(replies) if one else None for one in is_read]
        return _shift_times([command[0][0] for command in commands], result, self._faults)


class FaultyPostgres(PostgresConnection):
    """A connection to the real server with injected faults and its own circuit breaker."""

    def __init__(self, settings: DatabaseSettings, faults: Faults) -> None:
        super().__init__(settings)
        self._faults = faults
        self._connected_primary = faults.primary
        self.reset_breaker()

    def reset_breaker(self) -> None:
        """Reset the circuit breaker, as in a new process."""
        self.breaker = self.breaker_for()

    def breaker_for(self, check: Callable[[psycopg.Connection[DictRow]], object] | None = None) -> CircuitBreaker:
        """Return a circuit breaker. Each request starts a probe and waits for its result."""
        return CircuitBreaker("postgres", lambda: self._probe(check), probe_interval=0, grace=10)

    def _probe(self, check: Callable[[psycopg.Connection[DictRow]], object] | None) -> None:
        del check
        if "postgres" in self._faults.down:
            raise psycopg.OperationalError("injected")

    def _attempt(self, work: Callable[[psycopg.Connection[DictRow]], _T], *, is_one_statement: bool) -> _T:
        fault = self._faults.next_fault("postgres")
        if fault is None:
            return self._run_on_server(work, is_one_statement=is_one_statement)
        if fault.kind == "before":
            raise psycopg.OperationalError("injected")
        if fault.kind == "refused":
            raise psycopg.errors.InsufficientPrivilege("injected")
        if fault.kind == "part":
            self._run_on_server(lambda connection: _roll_back(connection, work), is_one_statement=False)
        done = self._run_on_server(work, is_one_statement=is_one_statement)
        if fault.kind == "after":
            raise psycopg.OperationalError("injected")
        return self._run_on_server(work, is_one_statement=is_one_statement) if fault.kind == "twice" else done

    def _connect(self) -> Any:
        self._connected_primary = self._faults.primary
        return super()._connect()

    def _transact(self, connection: Any, work: Callable[[psycopg.Connection[DictRow]], _T], **options: bool) -> _T:
        """Run a transaction on the server to which the connection leads: the primary or a demoted server."""
        if self._connected_primary == self._faults.primary:
            return super()._transact(connection, work, is_one_statement=options["is_one_statement"])
        if self._faults.demoted_sessions == "standby":
            raise WrongServer
        if self._faults.demoted_sessions == "ended":
            connection.close()

        def work_read_only(session: psycopg.Connection[DictRow]) -> _T:
            session.execute("set transaction read only")
            return work(session)

        return super()._transact(connection, work_read_only, is_one_statement=False)

    def _run_on_server(self, work: Callable[[psycopg.Connection[DictRow]], _T], *, is_one_statement: bool) -> _T:
        self._faults.transactions += 1
        try:
            return super()._attempt(work, is_one_statement=is_one_statement)
        finally:
            self._faults.transactions -= 1


def _roll_back(connection: psycopg.Connection[DictRow], work: Callable[[psycopg.Connection[DictRow]], object]) -> None:
    with connection.transaction():
        work(connection)
        raise psycopg.OperationalError("injected")
