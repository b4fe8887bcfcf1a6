"""All cached lists of L1, and the newest accepted exchange. Read-only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shared.errors import InvalidRecord
from shared.models import Exchange
from shared.stores.redis.connection import RedisConnection, require
from shared.stores.redis.entries import decode
from shared.stores.redis.generation import parse_generation_record, queue_generation_read
from shared.stores.redis.names import OUTBOX, messages_key, user_threads_key

_LIST_PATTERN: Final = messages_key("*")
_INDEX_PATTERN: Final = user_threads_key("*")
# A key may contain bytes that are not UTF-8. Such a key belongs to no thread.
_ESCAPED: Final = "surrogateescape"
_PAGE_SIZE: Final = 50
_SCAN_COUNT: Final = 1_000
_MAX_SCANNED: Final = 100_000
_MAX_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class NewestAccepted:
    """The newest accepted exchange that L1 has.

    Attributes:
        newest: The time of the newest exchange; None if L1 has none.
        is_partial: Whether the scan stopped at its limit, so that a newer exchange may exist.
        outbox: The number of exchanges in the outbox.
    """

    newest: datetime | None
    is_partial: bool
    outbox: int


class RedisScan:
    """Scans the keys of L1. Its methods raise `StoreUnavailable` if Redis does not respond."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def threads(self) -> Iterator[list[str]]:
        """Yield the ids of all threads with a list, each once, in pages."""
        seen: set[str] = set()
        page: list[str] = []
        for keys in self._scan(_LIST_PATTERN):
            for key in keys:
                thread_id = _wildcard_part(_LIST_PATTERN, key.decode(errors=_ESCAPED))
                if thread_id not in seen:
                    seen.add(thread_id)
                    page.append(thread_id)
            while len(page) >= _PAGE_SIZE:
                yield page[:_PAGE_SIZE]
                page = page[_PAGE_SIZE:]
        if page:
            yield page

    def lists(self, thread_ids: Sequence[str]) -> dict[str, list[bytes] | None]:
        """Return the threads' lists, oldest entry first.

        The value is None for a key of another type, and an empty list for a missing key.
        """
        replies = self._connection.call(
            lambda pipe: [
                pipe.lrange(messages_key(thread_id).encode(errors=_ESCAPED), 0, -1) for thread_id in thread_ids
            ]
        )
        return {
            thread_id: None if isinstance(reply, Exception) else reply
            for thread_id, reply in zip(thread_ids, replies, strict=True)
        }

    def generation(self) -> str | None:
        """Return Redis' generation; None if there is none."""
        return parse_generation_record(require(self._connection.call(queue_generation_read))[0]).generation

    def newest_accepted(self) -> NewestAccepted:
        """Find the newest exchange in the lists, the users' thread indexes and the outbox.

        The scan stops after `_MAX_SCANNED` keys or `_MAX_SECONDS`.
        """
        replies = require(self._connection.call(lambda pipe: [pipe.llen(OUTBOX), pipe.lindex(OUTBOX, -1)]))
        newest = [_entry_time(replies[1])]
        scanned, deadline, is_partial = 0, time.monotonic() + _MAX_SECONDS, False
        for keys in self._scan(None):
            newest.append(self._newest_in(keys))
            scanned += len(keys)
            if scanned >= _MAX_SCANNED or time.monotonic() > deadline:
                is_partial = True
                break
        return NewestAccepted(max(filter(None, newest), default=None), is_partial, replies[0])

    def _newest_in(self, keys: Sequence[bytes]) -> datetime | None:
        lists = [key for key in keys if _matches(_LIST_PATTERN, key)]
        indexes = [key for key in keys if _matches(_INDEX_PATTERN, key)]
        if not lists and not indexes:
            return None
        # A key of another type causes an error reply, which is ignored.
        replies = self._connection.call(
            lambda pipe: [
                *(pipe.lindex(key, -1) for key in lists),
                *(pipe.zrange(key, -1, -1, withscores=True) for key in indexes),
            ]
        )
        tails = [decode(reply) for reply in replies[: len(lists)] if isinstance(reply, bytes)]
        times = [tail.acceptance_time for tail in tails if tail is not None]
        scored = [reply for reply in replies[len(lists) :] if isinstance(reply, list) and reply]
        times += [datetime.fromtimestamp(float(reply[0][1]), UTC) for reply in scored]
        return max(filter(None, times), default=None)

    def _scan(self, pattern: str | None) -> Iterator[list[bytes]]:
        cursor = 0
        while True:
            start = cursor
            (reply,) = require(
                self._connection.call(lambda pipe, at=start: pipe.scan(at, match=pattern, count=_SCAN_COUNT))  # type: ignore[misc]
            )
            cursor, keys = reply
            yield keys
            if int(cursor) == 0:
                return


def _wildcard_part(pattern: str, key: str) -> str:
    """Return the part of the key that the pattern's `*` matches."""
    before, _, after = pattern.partition("*")
    return key[len(before) : len(key) - len(after)]


def _matches(pattern: str, key: bytes) -> bool:
    before, _, after = pattern.encode().partition(b"*")
    return key.startswith(before) and key.endswith(after)


def _entry_time(body: bytes | None) -> datetime | None:
    try:
        return Exchange.from_wire(body).acceptance_time if body else None
    except InvalidRecord:
        return None
