"""The stores a command needs, and only those: a driver is loaded, and a server asked, when a command asks for it."""

# ruff: noqa: PLC0415 - each driver takes a tenth of a second and more to import, which `--help` need not wait for

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.deployment import Deployment, Place

if TYPE_CHECKING:
    from shared.stores.postgres_verify import PostgresVerify
    from shared.stores.queue_admin import QueueAccess, QueueAdmin
    from shared.stores.redis_scan import RedisScan


def queue_access(deployment: Deployment, queue_url: str) -> tuple[QueueAccess, Place | None]:
    """Return how the queue is reached, and the endpoint if that is not AWS itself."""
    from shared.stores.queue_admin import QueueAccess

    endpoint, region = deployment.endpoint(queue_url)
    return QueueAccess(endpoint.url if endpoint else None, region), endpoint


def queue(deployment: Deployment, name: str) -> tuple[QueueAdmin, dict[str, Place]]:
    """Return the queue that `name` names (`queue_url` or `dlq_url`), and the places used.

    Raises:
        SettingsError: Nobody says where it is.
    """
    from shared.stores.queue_admin import QueueAdmin

    place = deployment.require(name)
    access, endpoint = queue_access(deployment, place.url)
    used = {"endpoint_url": endpoint} if endpoint else {}
    return QueueAdmin(place.url, access), {**used, name: place}


def redis(deployment: Deployment) -> tuple[RedisScan, dict[str, Place]]:
    """Return L1, and the place used.

    Raises:
        SettingsError: Nobody says where it is.
    """
    from shared.stores.redis_connection import RedisConnection
    from shared.stores.redis_scan import RedisScan

    settings, place = deployment.redis()
    return RedisScan(RedisConnection(settings)), {"redis_url": place}


def postgres(deployment: Deployment) -> tuple[PostgresVerify, dict[str, Place]]:
    """Return L2, and the place used.

    Raises:
        SettingsError: Nobody says where it is.
    """
    from shared.stores.postgres_connection import PostgresConnection
    from shared.stores.postgres_verify import PostgresVerify

    settings, place = deployment.database()
    return PostgresVerify(PostgresConnection(settings)), {"database_url": place}
