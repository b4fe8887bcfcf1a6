"""The stores a command needs, and only those: a driver is loaded, and a server asked, when a command asks for it."""

# ruff: noqa: PLC0415 - each driver takes a tenth of a second and more to import, which `--help` need not wait for

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cli.deployment import Deployment

if TYPE_CHECKING:
    from datetime import datetime

    from shared.stores.postgres_verify import PostgresVerify
    from shared.stores.queue_admin import QueueAdmin
    from shared.stores.queue_messages import QueueDepth
    from shared.stores.queue_move import MoveTask
    from shared.stores.redis_scan import RedisScan


def queue(deployment: Deployment, name: Literal["queue_url", "dlq_url"]) -> QueueAdmin:
    """Return a queue.

    Raises:
        SettingsError: Nobody says where it is.
        StoreUnavailable: There is no way to ask, e.g. because no region is named.
    """
    from shared.stores.queue_admin import QueueAccess, QueueAdmin

    url = deployment.require(name).url
    queue = QueueAdmin(url, QueueAccess(*deployment.endpoint(url)))
    deployment.opened.callback(queue.client.close)
    return queue


def start_move(dead: QueueAdmin, live: QueueAdmin, rate: int | None) -> MoveTask | None:
    """Start SQS's own move, or return None where the endpoint has none.

    Raises:
        StoreUnavailable: No answer, or a refusal.
    """
    from shared.stores import queue_move

    return queue_move.start_move(dead, live, rate)


def oldest_age(queue: QueueAdmin, depth: QueueDepth) -> tuple[float, datetime] | None:
    """Return the age of a queue's oldest message and when that was so, or None where it is not known."""
    from shared.stores import queue_age

    return queue_age.oldest_age(queue, depth)


def redis(deployment: Deployment) -> RedisScan:
    """Return L1.

    Raises:
        SettingsError: Nobody says where it is.
    """
    from shared.stores.redis_connection import RedisConnection
    from shared.stores.redis_scan import RedisScan

    connection = RedisConnection(deployment.redis())
    deployment.opened.callback(connection.close)
    return RedisScan(connection)


def postgres(deployment: Deployment) -> PostgresVerify:
    """Return L2.

    Raises:
        SettingsError: Nobody says where it is.
    """
    from shared.stores.postgres_connection import PostgresConnection
    from shared.stores.postgres_verify import PostgresVerify

    connection = PostgresConnection(deployment.database())
    deployment.opened.callback(connection.close)
    return PostgresVerify(connection)
