"""A process' Redis client with timeouts. It connects at the first call. Calls to a Redis that is down do not wait."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.credentials import CredentialProvider
from redis.retry import Retry

from shared.errors import StoreUnavailable
from shared.settings import RedisSettings
from shared.stores.aws_secrets import SecretUnavailableError, read_secret
from shared.stores.aws_tokens import cache_token
from shared.stores.breaker import CircuitBreaker
from shared.stores.redis.names import PROBE
from shared.stores.redis.scripts import SHA_OF

_logger = logging.getLogger(__name__)
# Exceptions that mean that the connection failed. The error of a refused command is that command's reply instead.
_OUTAGES: Final = (redis.ConnectionError, redis.TimeoutError, redis.ResponseError)
# Errors of a wrong server, e.g. one that is no longer the primary, or of a server that has lost this session's sign-in
# or scripts.
_WRONG_SERVER: Final = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.MovedError,
    redis.exceptions.AskError,
    redis.exceptions.ClusterDownError,
    redis.AuthenticationError,
    redis.exceptions.NoScriptError,
)
_RUN_ID: Final = re.compile(rb"^run_id:(\w+)", re.MULTILINE)
_REPLICATION_ID: Final = re.compile(rb"^master_replid:(\w+)", re.MULTILINE)
Pipeline = redis.client.Pipeline
Command = tuple[str | bytes | int | float, ...]
_PROBE_SECONDS: Final = 60
# A test write by a script, like a merge. Redis may refuse writes and still answer reads.
PROBE_WRITE: Final[Command] = (
    "EVAL",
    "return redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])",
    1,
    PROBE,
    _PROBE_SECONDS,
)


class _TokenProvider(CredentialProvider):
    """Signs a token for each new connection, because ElastiCache ends connections after twelve hours."""

    def __init__(self, cache_name: str, user: str) -> None:
        self._cache_name, self._user = cache_name, user

    def get_credentials(self) -> tuple[str, str]:
        return self._user, cache_token(self._cache_name, self._user)


class _SecretProvider(CredentialProvider):
    """Reads the secret's password for each new connection."""

    def __init__(self, arn: str, user: str | None) -> None:
        self._arn, self._user = arn, user

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            secret = read_secret(self._arn)
        except SecretUnavailableError as error:
            # Open the circuit, so that later requests do not wait for Secrets Manager again.
            raise redis.ConnectionError(str(error)) from None
        user = secret.user or self._user
        return (user, secret.password) if user else (secret.password,)


def _credentials(settings: RedisSettings) -> CredentialProvider | None:
    if settings.auth == "iam":
        return _TokenProvider(settings.cache_name or "", settings.username or "")
    if settings.auth == "secret":
        return _SecretProvider(settings.secret_arn or "", settings.username)
    return None


class RedisConnection:
    """Sends pipelines. A pipeline is one round trip, not a transaction: its keys may be on different nodes.

    Attributes:
        identity: The ids of the server and of its data's history (`run_id` and `master_replid` of INFO). They change
            after a restart, and after a failover behind the same name. None if the server does not report them.
        connects: The number of connections so far. If the identity is unknown, a caller detects a new connection by
            this number.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        # Whether the server caches scripts for this user. If so, calls send a script's hash instead of its text.
        self._caches_scripts = True
        self.identity: str | None = None
        self.connects = 0
        self._credentials = _credentials(settings)
        # One retry replaces a socket that died while the process was frozen. A second retry would only wait longer for
        # a Redis that is down.
        self._client = self._connect(Retry(NoBackoff(), 1, (redis.ConnectionError,)))
        # Unused connections. The client's own pool records each use in metrics, which takes a tenth of a call's time.
        self._idle: list[AbstractConnection] = []
        # redis-py's dictionary ignores case. A plain one is faster, and all command names here are in capitals.
        self._callbacks: dict[str, Callable[..., Any]] = dict(self._client.response_callbacks)
        self.breaker = CircuitBreaker("redis", self._probe)

    def _connect(self, retry: Retry) -> redis.Redis:
        seconds = self._settings.timeout_ms / 1000
        return redis.Redis(
            host=self._settings.host,
            port=self._settings.port,
            username=None if self._credentials else self._settings.username,
            password=None if self._credentials else self._settings.password,
            credential_provider=self._credentials,
            db=self._settings.db,
            ssl=self._settings.tls,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            socket_keepalive=True,
            retry=retry,
            redis_connect_func=self._identify_server,  # type: ignore[arg-type] # it is called with the connection
        )

    def _identify_server(self, connection: redis.Connection) -> None:
        """Sign in on a new connection, read the server's identity, and load the scripts.

        redis-py also calls this method when it reconnects.
        """
        connection.on_connect()  # type: ignore[no-untyped-call]
        self.connects += 1
        commands = [("INFO", "server"), ("INFO", "replication"), *(("SCRIPT", "LOAD", text) for text in SHA_OF)]
        connection.send_packed_command(connection.pack_commands(commands))  # type: ignore[no-untyped-call]
        server, replication, *shas = [_reply(connection) for _ in commands]
        parts = [_find(_RUN_ID, server), _find(_REPLICATION_ID, replication)]
        self.identity = ":".join(parts) if any(parts) else None
        self._caches_scripts = None not in shas

    def _probe(self) -> None:
        client = self._connect(Retry(NoBackoff(), 0))
        try:
            # The probe writes, because a Redis that hangs on writes has not recovered. A refusal is a response, so the
            # probe succeeds.
            with suppress(redis.ResponseError):
                client.execute_command(*PROBE_WRITE)  # type: ignore[no-untyped-call] # redis-py has no types for it
        finally:
            client.close()

    def call(self, fill: Callable[[Pipeline], object]) -> list[Any]:
        """Send the commands that `fill` queues in one round trip and return the replies.

        The reply of a refused command is an exception. If a reply reports a wrong server or a lost session, all
        commands are sent once more on a new connection. After a failover, the same name leads to another server. So
        `fill` may be called twice.

        Raises:
            StoreUnavailable: Redis did not respond.
        """
        with self.breaker.guard(_OUTAGES):
            replies = self._execute(fill)
            refusals = [reply for reply in replies if isinstance(reply, redis.RedisError)]
            if any(isinstance(refusal, _WRONG_SERVER) for refusal in refusals):
                self.disconnect()
                replies = self._execute(fill)
            return replies

    def _execute(self, fill: Callable[[Pipeline], object]) -> list[Any]:
        """Send a pipeline and return its replies. redis-py's own method takes twice the time per command."""
        pipe = self._client.pipeline(transaction=False)
        fill(pipe)
        commands = pipe.command_stack
        if self._caches_scripts:
            # Call loaded scripts by their hash instead of their text.
            commands = [
                (("EVALSHA", sha, *arguments[2:]), options)
                if arguments[0] == "EVAL" and (sha := SHA_OF.get(arguments[1])) is not None
                else (arguments, options)
                for arguments, options in commands
            ]
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._client.connection_pool.get_connection()
        try:
            _renew_if_stale(connection)
            replies: list[Any] = connection.retry.call_with_retry(
                partial(self._exchange, connection, commands),
                lambda _: connection.disconnect(),  # type: ignore[no-untyped-call]
            )
        finally:
            self._idle.append(connection)
        return replies

    def _exchange(self, connection: AbstractConnection, commands: Sequence[tuple[Any, Any]]) -> list[Any]:
        # `pack_command` of hiredis is faster than redis-py's packer, which reads each argument twice.
        split_commands = [arguments if " " not in arguments[0] else _split_name(arguments) for arguments, _ in commands]
        packed_commands = [b"".join(map(pack_command, split_commands))]
        connection.send_packed_command(packed_commands)  # type: ignore[no-untyped-call]
        replies: list[Any] = []
        for arguments, options in commands:
            try:
                reply = connection.read_response()
            except redis.ResponseError as error:
                reply = error
            else:
                if (callback := self._callbacks.get(arguments[0])) is not None:
                    options.pop("keys", None)
                    reply = callback(reply, **options)
            replies.append(reply)
        return replies

    def disconnect(self) -> None:
        """Close the connections. The next call opens a new one and reads the server's identity again."""
        self._client.connection_pool.disconnect()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _renew_if_stale(connection: AbstractConnection) -> None:
    """Replace a connection that the server has closed, e.g. while the process was frozen."""
    connection.connect()  # type: ignore[no-untyped-call]
    try:
        is_stale = connection.can_read()
    except _OUTAGES:
        is_stale = True
    if is_stale:
        connection.disconnect()  # type: ignore[no-untyped-call]
        connection.connect()  # type: ignore[no-untyped-call]


def _reply(connection: redis.Connection) -> Any:
    """Return the next reply; None for a refusal: this user may lack the permission for the command."""
    try:
        return connection.read_response()
    except redis.ResponseError:
        return None


def _find(part: re.Pattern[bytes], reply: bytes | None) -> str:
    match = part.search(reply or b"")
    return match[1].decode() if match else ""


def _split_name(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Split a command's name if it has several words, as in `ACL WHOAMI`, and return all arguments."""
    return (*arguments[0].split(" "), *arguments[1:])


def queue_commands(pipe: Pipeline, *commands: Command) -> object:
    """Queue commands without the overhead of redis-py's methods. Each command has one reply."""
    pipe.command_stack += [(command, {}) for command in commands]
    return pipe


def ignore_wrongtype(replies: list[Any]) -> list[Any]:
    """Return the replies, with None for a key of another type, which another program must have created."""
    refusal = redis.ResponseError
    return [None if isinstance(each, refusal) and str(each).startswith("WRONGTYPE") else each for each in replies]


def require(replies: list[Any]) -> list[Any]:
    """Return the replies.

    Raises:
        StoreUnavailable: A reply is a refusal: e.g. Redis is out of memory or read-only, or a key has another type.
    """
    for refusal in [reply for reply in replies if isinstance(reply, redis.RedisError)]:
        _logger.error("redis refused a command", extra={"error": str(refusal)[:200]})
        raise StoreUnavailable("redis", type(refusal).__name__, state="refused this") from refusal
    return replies
