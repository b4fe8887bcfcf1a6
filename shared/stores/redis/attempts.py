"""The drain's attempt counters in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.stores.redis.connection import RedisConnection, require
from shared.stores.redis.names import ATTEMPTS

# The counters' time to live. It is much longer than the visibility timeout, after which SQS delivers a message of an
# ended process again.
_SECONDS: Final = 86_400


class RedisAttempts:
    """Counts unfinished attempts in one hash, with one round trip per call."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def note(self, message_ids: Sequence[str]) -> list[int | None]:
        """Record the start of an attempt; return each message's number of unfinished attempts."""
        names = [_name(message_id) for message_id in message_ids]
        values, *replies = self._connection.call(
            lambda pipe: (
                pipe.hmget(ATTEMPTS, names),
                *(pipe.hsetnx(ATTEMPTS, name, 0) for name in names),
                pipe.expire(ATTEMPTS, _SECONDS),
            )
        )
        require([values, *replies])
        return [None if value is None else int(value) for value in values]

    def note_alone(self, message_id: str) -> None:
        """Count an attempt on one message alone."""
        require(self._connection.call(lambda pipe: pipe.hincrby(ATTEMPTS, _name(message_id), 1)))

    def forget(self, message_ids: Sequence[str]) -> None:
        """Delete the records of these messages' attempts."""
        names = [_name(message_id) for message_id in message_ids]
        require(self._connection.call(lambda pipe: pipe.hdel(ATTEMPTS, *names)))


def _name(message_id: str) -> bytes:
    # The id of a record that is not in SQS' format may be any text, even one with lone surrogates.
    return message_id.encode("utf-8", "surrogatepass")
