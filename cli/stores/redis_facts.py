"""Redis' version, memory and outbox length. Read-only."""

from __future__ import annotations

from dataclasses import dataclass

from shared.stores.redis.connection import RedisConnection, require
from shared.stores.redis.names import OUTBOX


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about the Redis server.

    Attributes:
        name: `Redis` or `Valkey`.
        command_version: The Redis version whose commands the server supports, e.g. (7, 2).
        policy: The eviction policy, e.g. `noeviction`; '' if the server does not report it.
        used_bytes: The memory in use.
        max_bytes: The memory limit; 0 means none.
        outbox: The number of exchanges in the outbox.
    """

    name: str
    version: str
    command_version: tuple[int, int]
    policy: str
    used_bytes: int
    max_bytes: int
    outbox: int


class RedisFacts:
    """Reads facts about the server. Its methods raise `StoreUnavailable` if Redis does not respond."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def read(self) -> Facts:
        """Read all facts in one round trip."""
        info, outbox = require(self._connection.call(lambda pipe: (pipe.info(), pipe.llen(OUTBOX))))
        is_valkey = info.get("server_name") == "valkey"
        command_version = str(info.get("redis_version", "0.0"))
        major, minor = (int(part) for part in command_version.split(".")[:2])
        return Facts(
            name="Valkey" if is_valkey else "Redis",
            version=str(info.get("valkey_version", command_version) if is_valkey else command_version),
            command_version=(major, minor),
            policy=str(info.get("maxmemory_policy", "")),
            used_bytes=int(info.get("used_memory", 0)),
            max_bytes=int(info.get("maxmemory", 0)),
            outbox=int(outbox),
        )
