"""Follows threads: returns each new message once, even if the API is polled often or is unreachable for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from cli.api import PAGE_SIZE
from hybrid_memory_client import MemoryClient, Message, NotFound

# An exchange can become visible after exchanges with later times, because SQS redelivers it after 90 s and servers'
# clocks differ.
_OVERLAP: Final = timedelta(minutes=10)


class ThreadFollower:
    """Returns the new messages of a thread.

    Each poll reads from the newest message back to the *floor*: ten minutes before the newest message of the last
    complete reading. So no message is missed if messages are accepted out of order, or if a reading fails. Times are
    the API's own: this machine's clock does not matter.

    Attributes:
        degraded: Layers that did not respond to the last reading. The floor does not move while messages may be
            missing.
    """

    def __init__(self, api: MemoryClient, thread_id: str, floor: datetime | None = None) -> None:
        self._api = api
        self._thread_id = thread_id
        self._floor = floor
        self._seen: dict[tuple[UUID, str], datetime] = {}
        self.degraded: tuple[str, ...] = ()

    def poll(self) -> list[Message]:
        """Return the messages that no earlier poll has returned, oldest first.

        Raises:
            MemoryClientError: The API did not respond, or the thread does not exist. The next poll misses nothing.
        """
        messages = self._read()
        floor, new = self._floor, []
        for message in messages:
            assert message.exchange_id is not None  # noqa: S101 - `_read` omits the others
            assert message.created_at is not None  # noqa: S101
            key = message.exchange_id, message.role
            if key not in self._seen and (floor is None or message.created_at >= floor):
                self._seen[key] = message.created_at
                new.append(message)
        newest = max(self._seen.values(), default=None)
        if newest is not None and (floor is None or not self.degraded):
            self._floor = newest - _OVERLAP if floor is None else max(floor, newest - _OVERLAP)
            self._seen = {key: time for key, time in self._seen.items() if time >= self._floor}
        return new

    def _read(self) -> list[Message]:
        """Return the messages down to the floor and some before it, oldest first."""
        messages: list[Message] = []
        degraded: dict[str, None] = {}
        floor = self._floor
        for page in self._api.iter_message_pages(self._thread_id, page_size=PAGE_SIZE, order="desc"):
            degraded |= dict.fromkeys(page.degraded)
            # Messages of other programs in the cache have no id, so they cannot be distinguished.
            times = [message.created_at for message in page if message.exchange_id and message.created_at]
            messages += [message for message in page if message.exchange_id and message.created_at]
            if floor is None and times:
                floor = max(times) - _OVERLAP
            if floor is not None and times and max(times) < floor:
                break
        self.degraded = tuple(degraded)
        return messages[::-1]


class UserFollower:
    """Returns the new messages of all of a user's threads.

    A thread is polled when the list of threads shows that it changed. The list shows an exchange when it is drained.

    Attributes:
        degraded: Layers that did not respond to the last reading of a thread.
    """

    def __init__(self, api: MemoryClient, user_id: str) -> None:
        self._api = api
        self._user_id = user_id
        self._floor: datetime | None = None
        self._followers: dict[str, ThreadFollower] = {}
        self._states: dict[str, tuple[datetime, int]] = {}
        self.degraded: tuple[str, ...] = ()

    def poll(self) -> Iterator[tuple[str, Message]]:
        """Yield the messages that no earlier poll has yielded, each with its thread's id.

        Raises:
            MemoryClientError: The API did not respond, or refused. The next poll misses nothing.
        """
        degraded: dict[str, None] = {}
        newest = floor = self._floor
        for thread in self._api.iter_threads(self._user_id, page_size=PAGE_SIZE):
            if floor is None:
                floor = thread.updated_at - _OVERLAP
            if thread.updated_at < floor:
                break
            newest = thread.updated_at if newest is None else max(newest, thread.updated_at)
            state = thread.updated_at, thread.message_count
            if self._states.get(thread.thread_id) != state:
                yield from self._poll_thread(thread.thread_id, floor, degraded)
                if not degraded:
                    self._states[thread.thread_id] = state
        self.degraded = tuple(degraded)
        if newest is not None and not degraded:
            self._floor = newest - _OVERLAP if self._floor is None else max(self._floor, newest - _OVERLAP)

    def _poll_thread(self, thread_id: str, floor: datetime, degraded: dict[str, None]) -> Iterator[tuple[str, Message]]:
        follower = self._followers.setdefault(thread_id, ThreadFollower(self._api, thread_id, floor))
        try:
            messages = follower.poll()
        except NotFound:  # deleted after the list was read
            return
        degraded |= dict.fromkeys(follower.degraded)
        yield from ((thread_id, message) for message in messages)
