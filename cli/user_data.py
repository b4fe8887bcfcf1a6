"""One user's data in each store, counted before and after a deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cli import connect
from cli.api import PAGE_SIZE
from cli.command import format_store_error
from cli.dead_letters import describe
from cli.deployment import Deployment
from shared.errors import StoreUnavailable

if TYPE_CHECKING:  # the driver is imported only when a command uses a queue
    from datetime import datetime

    from shared.stores.sqs.admin import QueueAdmin

_PAGE_SIZE: Final = 1_000
_ENDPOINTS: Final = ("redis_url", "database_url", "queue_url", "dlq_url")
Counts = dict[str, int | None]


class UserDataReader:
    """Counts a user's data through the API, and in each store whose address is known.

    Attributes:
        errors: A message for each store that did not respond.
    """

    def __init__(self, deployment: Deployment, user_id: str) -> None:
        self._deployment = deployment
        self._user_id = user_id
        self._api = connect.api(deployment)
        is_included = {name: deployment.belongs_to_deployment_of(name, "api_url") for name in _ENDPOINTS}
        self._redis = connect.redis_user_data(deployment) if is_included["redis_url"] else None
        self._postgres = connect.postgres_user_data(deployment) if is_included["database_url"] else None
        self._queue = connect.queue(deployment, "queue_url") if is_included["queue_url"] else None
        self._dlq = connect.queue(deployment, "dlq_url") if is_included["dlq_url"] else None
        # The second count needs these ids, which the deletion removes from the stores.
        self._thread_ids: set[str] = set()
        self.errors: list[str] = []

    def read(self, now: datetime) -> dict[str, Counts | None]:
        """Return each store's counts; None for a store that has no address or did not respond.

        Raises:
            MemoryClientError: The API did not respond, or refused.
        """
        self.errors.clear()
        return {
            "api": self._count_in_api(),
            "postgres": self._count_unless_down(self._count_in_postgres) if self._postgres else None,
            "redis": self._count_unless_down(self._count_in_redis) if self._redis else None,
            "queue": self._count_unless_down(lambda: self._count_in_queue(self._queue, now)) if self._queue else None,
            "dlq": self._count_unless_down(lambda: self._count_in_queue(self._dlq, now)) if self._dlq else None,
        }

    def _count_unless_down(self, count: Any) -> Counts | None:
        try:
            answer: Counts = count()
        except StoreUnavailable as error:
            self.errors.append(format_store_error(error, self._deployment))
            return None
        return answer

    def _count_in_api(self) -> Counts:
        threads = messages = 0
        for thread in self._api.iter_threads(self._user_id, page_size=PAGE_SIZE):
            threads += 1
            messages += thread.message_count
            self._thread_ids.add(thread.thread_id)
        preferences = self._api.read_preferences(self._user_id)
        return {"threads": threads, "messages": messages, "preferences": len(preferences)}

    def _count_in_postgres(self) -> Counts:
        assert self._postgres is not None  # noqa: S101 - called only with PostgreSQL's address
        after = ""
        while page := self._postgres.thread_ids(self._user_id, after, _PAGE_SIZE):
            self._thread_ids.update(page)
            after = page[-1]
        return {**self._postgres.counts(self._user_id)}

    def _count_in_redis(self) -> Counts:
        assert self._redis is not None  # noqa: S101 - called only with Redis' address
        self._thread_ids.update(self._redis.thread_ids(self._user_id))
        lists, messages = self._redis.messages(sorted(self._thread_ids))
        return {
            "threads": lists,
            "messages": messages,
            "preferences": self._redis.preferences(self._user_id),
            "outbox": self._redis.in_outbox(self._user_id),
        }

    def _count_in_queue(self, queue: QueueAdmin | None, now: datetime) -> Counts:
        assert queue is not None  # noqa: S101 - called only with a queue's URL
        # A receive would hide the messages from the drain.
        messages = queue.peek_without_receiving()
        count = None
        if messages is not None:
            count = sum(describe(message, now)["user_id"] == self._user_id for message in messages)
        return {"exchanges": count, "depth": queue.depth().total}
