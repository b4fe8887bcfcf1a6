"""One user's data in L1, as counts. Read-only."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import InvalidRecord
from shared.models import Exchange
from shared.stores.redis.connection import RedisConnection, ignore_wrongtype, require
from shared.stores.redis.names import OUTBOX, messages_key, preferences_key, undrained_key, user_threads_key

_BATCH_SIZE = 500


class RedisUserData:
    """Counts a user's keys. Its methods raise `StoreUnavailable` if Redis does not respond."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def thread_ids(self, user_id: str) -> list[str]:
        """Return the threads in the user's index, which lists the threads that the user wrote to recently."""
        replies = self._connection.call(lambda pipe: pipe.zrange(user_threads_key(user_id), 0, -1))
        (members,) = require(ignore_wrongtype(replies))
        return [member.decode(errors="replace") for member in members or []]

    def preferences(self, user_id: str) -> int:
        """Return the number of preferences in the user's hash."""
        (count,) = require(ignore_wrongtype(self._connection.call(lambda pipe: pipe.hlen(preferences_key(user_id)))))
        return int(count or 0)

    def messages(self, thread_ids: Sequence[str]) -> tuple[int, int]:
        """Return the number of threads with a list or undrained exchanges, and the number of their messages."""
        lists = messages = 0
        for start in range(0, len(thread_ids), _BATCH_SIZE):
            chunk = thread_ids[start : start + _BATCH_SIZE]
            replies = require(
                ignore_wrongtype(
                    self._connection.call(
                        lambda pipe, chunk=chunk: [  # type: ignore[misc]
                            (pipe.llen(messages_key(thread_id)), pipe.hlen(undrained_key(thread_id)))
                            for thread_id in chunk
                        ]
                    )
                )
            )
            lengths, undrained = replies[::2], replies[1::2]
            lists += sum(bool(length) or bool(count) for length, count in zip(lengths, undrained, strict=True))
            messages += sum(
                max(length or 0, 2 * (count or 0)) for length, count in zip(lengths, undrained, strict=True)
            )
        return lists, messages

    def in_outbox(self, user_id: str) -> int:
        """Return the number of the user's exchanges in the outbox."""
        count = start = 0
        while True:
            (bodies,) = require(
                self._connection.call(lambda pipe, first=start: pipe.lrange(OUTBOX, first, first + _BATCH_SIZE - 1))  # type: ignore[misc]
            )
            count += sum(_belongs_to(body, user_id) for body in bodies)
            start += _BATCH_SIZE
            if len(bodies) < _BATCH_SIZE:
                return count


def _belongs_to(body: bytes, user_id: str) -> bool:
    try:
        return Exchange.from_wire(body).user_id == user_id
    except InvalidRecord:
        return False
