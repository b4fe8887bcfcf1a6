"""Creates the clients of the API, the queues and the stores. A driver is imported at its first use."""

# ruff: noqa: PLC0415 - importing a driver takes a tenth of a second or more; `--help` should not wait for it

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cli.api import IMPORT_RETRY, create_client
from cli.deployment import Deployment
from hybrid_memory_client import MemoryClient

if TYPE_CHECKING:
    from datetime import datetime

    from cli.stores.postgres_facts import PostgresFacts
    from cli.stores.postgres_user_data import PostgresUserData
    from cli.stores.postgres_verify import PostgresVerify
    from cli.stores.queue_move import MoveTask
    from cli.stores.queue_settings import EventSource, QueueSetup
    from cli.stores.redis_facts import RedisFacts
    from cli.stores.redis_scan import RedisScan
    from cli.stores.redis_user_data import RedisUserData
    from shared.stores.postgres.archive import PostgresArchive
    from shared.stores.postgres.connection import PostgresConnection
    from shared.stores.redis.connection import RedisConnection
    from shared.stores.redis.inspector import RedisInspector
    from shared.stores.sqs.admin import QueueAdmin
    from shared.stores.sqs.messages import QueueDepth


def api(deployment: Deployment) -> MemoryClient:
    """Return a client of the HTTP API.

    Raises:
        SettingsError: The URL of the API is unknown.
    """
    return api_with_token(deployment, deployment.token())


def api_with_token(deployment: Deployment, token: str | None) -> MemoryClient:
    """Return a client of the HTTP API that sends this token; None to send none.

    Raises:
        SettingsError: The URL of the API is unknown.
    """
    return create_client(deployment.exit_stack, deployment.require_endpoint("api_url").url, token, deployment.api_key())


def importing_api(deployment: Deployment) -> MemoryClient:
    """Return a client of the HTTP API that repeats failed requests for two minutes.

    Raises:
        SettingsError: The URL of the API is unknown.
    """
    url = deployment.require_endpoint("api_url").url
    return create_client(deployment.exit_stack, url, deployment.token(), deployment.api_key(), retry=IMPORT_RETRY)


def queue(deployment: Deployment, name: Literal["queue_url", "dlq_url"]) -> QueueAdmin:
    """Return a queue.

    Raises:
        SettingsError: The URL of the queue is unknown.
        StoreUnavailable: No request can be sent, e.g. because the region is unknown.
    """
    from shared.stores.sqs.admin import QueueAccess, QueueAdmin

    url = deployment.require_endpoint(name).url
    queue = QueueAdmin(url, QueueAccess(*deployment.aws_endpoint(url)))
    deployment.exit_stack.callback(queue.client.close)
    return queue


def start_move(dead: QueueAdmin, live: QueueAdmin, rate: int | None) -> MoveTask | None:
    """Start SQS's own move, or return None if the endpoint does not offer it.

    Raises:
        StoreUnavailable: SQS did not respond, or refused.
    """
    from cli.stores import queue_move

    return queue_move.start_move(dead, live, rate)


def oldest_age(queue: QueueAdmin, depth: QueueDepth) -> tuple[float, datetime] | None:
    """Return the age of a queue's oldest message and the time of that reading, or None if it is unknown."""
    from shared.stores.sqs import age as queue_age

    return queue_age.oldest_age(queue, depth)


def queue_setup(queue: QueueAdmin) -> QueueSetup:
    """Return a queue's settings.

    Raises:
        StoreUnavailable: SQS did not respond, or refused.
    """
    from cli.stores import queue_settings

    return queue_settings.setup_of(queue)


def event_sources(queue: QueueAdmin, arn: str) -> list[EventSource]:
    """Return the event sources that read from a queue.

    Raises:
        StoreUnavailable: Lambda did not respond, or refused.
    """
    from cli.stores import queue_settings

    return queue_settings.event_sources_of(queue, arn)


def _redis(deployment: Deployment) -> RedisConnection:
    from shared.stores.redis.connection import RedisConnection

    connection = RedisConnection(deployment.redis())
    deployment.exit_stack.callback(connection.close)
    return connection


def redis_scan(deployment: Deployment) -> RedisScan:
    """Return L1 for scans of its keys.

    Raises:
        SettingsError: The address of Redis is unknown.
    """
    from cli.stores.redis_scan import RedisScan

    return RedisScan(_redis(deployment))


def redis_inspector(deployment: Deployment) -> RedisInspector:
    """Return L1 for reading its outbox.

    Raises:
        SettingsError: The address of Redis is unknown.
    """
    from shared.stores.redis.inspector import RedisInspector

    return RedisInspector(_redis(deployment))


def redis_user_data(deployment: Deployment) -> RedisUserData:
    """Return L1 for reading one user's data.

    Raises:
        SettingsError: The address of Redis is unknown.
    """
    from cli.stores.redis_user_data import RedisUserData

    return RedisUserData(_redis(deployment))


def redis_facts(deployment: Deployment) -> RedisFacts:
    """Return L1 for reading the server's version, memory and outbox length.

    Raises:
        SettingsError: The address of Redis is unknown.
    """
    from cli.stores.redis_facts import RedisFacts

    return RedisFacts(_redis(deployment))


def _postgres(
    deployment: Deployment, isolation: Literal["read committed", "repeatable read"] = "read committed"
) -> PostgresConnection:
    from shared.stores.postgres.connection import PostgresConnection
    from shared.stores.postgres.session import Limits

    database = deployment.database()
    connection = PostgresConnection(database, Limits(database.timeout_ms / 1000, isolation=isolation))
    deployment.exit_stack.callback(connection.close)
    return connection


def postgres_verify(deployment: Deployment) -> PostgresVerify:
    """Return L2 for comparisons with L1.

    Raises:
        SettingsError: The URL of PostgreSQL is unknown.
    """
    from cli.stores.postgres_verify import PostgresVerify

    return PostgresVerify(_postgres(deployment, "repeatable read"))


def archive(deployment: Deployment) -> PostgresArchive:
    """Return L2 with the functions' own operations.

    Raises:
        SettingsError: The URL of PostgreSQL is unknown.
    """
    from shared.stores.postgres.archive import PostgresArchive

    return PostgresArchive(_postgres(deployment))


def postgres_user_data(deployment: Deployment) -> PostgresUserData:
    """Return L2 for reading one user's data.

    Raises:
        SettingsError: The URL of PostgreSQL is unknown.
    """
    from cli.stores.postgres_user_data import PostgresUserData

    return PostgresUserData(_postgres(deployment))


def postgres_facts(deployment: Deployment) -> PostgresFacts:
    """Return L2 for reading the server's version and the sweep's last run.

    Raises:
        SettingsError: The URL of PostgreSQL is unknown.
    """
    from cli.stores.postgres_facts import PostgresFacts

    return PostgresFacts(_postgres(deployment))
