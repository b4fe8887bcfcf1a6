"""What an operator asks of Redis itself. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from shared.stores.redis.connection import RedisConnection, require
from shared.stores.redis.names import OUTBOX


@dataclass(frozen=True, slots=True)
class Facts:
    """What Redis says of itself.

    Attributes:
        name: `Redis` or `Valkey`.
        speaks: The version of Redis whose commands it knows, e.g. (7, 2).
        policy: What it does when its memory is full, e.g. `noeviction`; '' where it does not say.
        used_bytes: The data, and what belongs to it.
        most_bytes: Its limit, 0 for none.
        outbox: How many exchanges wait in the outbox.
    """

    name: str
    version: str
    speaks: tuple[int, int]
    policy: str
    used_bytes: int
    most_bytes: int
    outbox: int


class RedisFacts:
    """Methods raise `StoreUnavailable` when Redis does not answer."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def read(self) -> Facts:
        """Ask."""
        info, outbox = require(self._connection.call(lambda pipe: (pipe.info(), pipe.llen(OUTBOX))))
        is_valkey = info.get("server_name") == "valkey"
        speaks = str(info.get("redis_version", "0.0"))
        major, minor = (int(part) for part in speaks.split(".")[:2])
        return Facts(
            name="Valkey" if is_valkey else "Redis",
            version=str(info.get("valkey_version", speaks) if is_valkey else speaks),
            speaks=(major, minor),
            policy=str(info.get("maxmemory_policy", "")),
            used_bytes=int(info.get("used_memory", 0)),
            most_bytes=int(info.get("maxmemory", 0)),
            outbox=int(outbox),
        )
