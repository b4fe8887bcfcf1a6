"""The stores a command needs, and only those: a driver is loaded, and a server asked, when a command asks for it."""

# ruff: noqa: PLC0415 - each driver takes a tenth of a second and more to import, which `--help` need not wait for

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cli.api import open_api
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
    """Return the HTTP API.

    Raises:
        SettingsError: No setting says where it is.
    """
    return api_as(deployment, deployment.token())


def api_as(deployment: Deployment, token: str | None) -> MemoryClient:
    """Return the HTTP API for the bearer of a token; None for a caller without one.

    Raises:
        SettingsError: No setting says where it is.
    """
    return open_api(deployment.opened, deployment.require("api_url").url, token, deployment.api_key())


def queue(deployment: Deployment, name: Literal["queue_url", "dlq_url"]) -> QueueAdmin:
    """Return a queue.

    Raises:
        SettingsError: No setting says where it is.
        StoreUnavailable: There is no way to ask, e.g. because no region is named.
    """
    from shared.stores.sqs.admin import QueueAccess, QueueAdmin

    url = deployment.require(name).url
    queue = QueueAdmin(url, QueueAccess(*deployment.endpoint(url)))
    deployment.opened.callback(queue.client.close)
    return queue


def start_move(dead: QueueAdmin, live: QueueAdmin, rate: int | None) -> MoveTask | None:
    """Start SQS's own move, or return None where the endpoint has none.

    Raises:
        StoreUnavailable: No answer, or a refusal.
    """
    from cli.stores import queue_move

    return queue_move.start_move(dead, live, rate)


def oldest_age(queue: QueueAdmin, depth: QueueDepth) -> tuple[float, datetime] | None:
    """Return the age of a queue's oldest message and when that was so, or None where it is not known."""
    from shared.stores.sqs import age as queue_age

    return queue_age.oldest_age(queue, depth)


def queue_setup(queue: QueueAdmin) -> QueueSetup:
    """Return a queue's settings.

    Raises:
        StoreUnavailable: No answer, or a refusal.
    """
    from cli.stores import queue_settings

    return queue_settings.setup_of(queue)


def event_sources(queue: QueueAdmin, arn: str) -> list[EventSource]:
    """Return what reads from a queue.

    Raises:
        StoreUnavailable: No answer, or a refusal.
    """
    from cli.stores import queue_settings

    return queue_settings.event_sources_of(queue, arn)


def _redis(deployment: Deployment) -> RedisConnection:
    from shared.stores.redis.connection import RedisConnection

    connection = RedisConnection(deployment.redis())
    deployment.opened.callback(connection.close)
    return connection


def redis(deployment: Deployment) -> RedisScan:
    """Return L1, for looking through it.

    Raises:
        SettingsError: No setting says where it is.
    """
    from cli.stores.redis_scan import RedisScan

    return RedisScan(_redis(deployment))


def redis_inspector(deployment: Deployment) -> RedisInspector:
    """Return L1, for what waits in its outbox.

    Raises:
        SettingsError: No setting says where it is.
    """
    from shared.stores.redis.inspector import RedisInspector

    return RedisInspector(_redis(deployment))


def redis_user_data(deployment: Deployment) -> RedisUserData:
    """Return L1, for what it holds of a user.

    Raises:
        SettingsError: No setting says where it is.
    """
    from cli.stores.redis_user_data import RedisUserData

    return RedisUserData(_redis(deployment))


def redis_facts(deployment: Deployment) -> RedisFacts:
    """Return L1, for what it says of itself.

    Raises:
        SettingsError: No setting says where it is.
    """
    from cli.stores.redis_facts import RedisFacts

    return RedisFacts(_redis(deployment))


def _postgres(deployment: Deployment) -> PostgresConnection:
    from shared.stores.postgres.connection import PostgresConnection

    connection = PostgresConnection(deployment.database())
    deployment.opened.callback(connection.close)
    return connection


def postgres(deployment: Deployment) -> PostgresVerify:
    """Return L2, for comparing with it.

    Raises:
        SettingsError: No setting says where it is.
    """
    from cli.stores.postgres_verify import PostgresVerify

    return PostgresVerify(_postgres(deployment))


def archive(deployment: Deployment) -> PostgresArchive:
    """Return L2 as the functions use it.

    Raises:
        SettingsError: No setting says where it is.
    """
    from shared.stores.postgres.archive import PostgresArchive

    return PostgresArchive(_postgres(deployment))


def postgres_user_data(deployment: Deployment) -> PostgresUserData:
    """Return L2, for what it holds of a user.

    Raises:
        SettingsError: No setting says where it is.
    """
    from cli.stores.postgres_user_data import PostgresUserData

    return PostgresUserData(_postgres(deployment))


def postgres_facts(deployment: Deployment) -> PostgresFacts:
    """Return L2, for what it says of itself.

    Raises:
        SettingsError: No setting says where it is.
    """
    from cli.stores.postgres_facts import PostgresFacts

    return PostgresFacts(_postgres(deployment))
