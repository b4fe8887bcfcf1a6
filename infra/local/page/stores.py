"""Reads PostgreSQL, Redis and the queue for the counters and the checks of the local page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli.stores.comparison import Comparison, compare
from cli.stores.postgres_verify import PostgresVerify
from cli.stores.redis_scan import RedisScan
from infra.local.environment import ACCESS_KEY, REGION
from infra.local.page.ledger import Accepted
from shared.errors import StoreUnavailable
from shared.settings import DatabaseSettings, MemorySettings, RedisSettings, load
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.redis.connection import RedisConnection, require
from shared.stores.redis.names import OUTBOX

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

    from infra.local.stack import Stack

_TIMEOUT_MS: Final = 1_500
_GRACE: Final = timedelta(seconds=120)
_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
# The threads are given, because there is no index of exchange ids alone.
_STORED: Final = """
    select m.exchange_id, count(*) filter (where m.position = 0) as copies
    from messages m join conversations c on c.id = m.conversation_id
    where c.thread_id = any(%(threads)s) and m.exchange_id = any(%(exchanges)s)
    group by m.exchange_id"""
_DELETED: Final = """
    select e.exchange_id from unnest(%(exchanges)s::uuid[], %(threads)s::text[], %(users)s::text[],
        %(times)s::timestamptz[]) as e(exchange_id, thread_id, user_id, accepted_at)
    where exists (select from exchange_tombstones t where (t.thread_id, t.exchange_id) = (e.thread_id, e.exchange_id))
        or exists (select from thread_tombstones t where t.thread_id = e.thread_id and t.deleted_at > e.accepted_at)
        -- With a token, the request does not name the user.
        or exists (select from user_tombstones u
            where u.user_id = coalesce(e.user_id, u.user_id) and u.deleted_at > e.accepted_at)"""
_DOUBLED_TEXTS: Final = """
    select count(*) as doubled from (
        select from messages m join conversations c on c.id = m.conversation_id
        where c.thread_id = any(%(threads)s) and m.position = 0 group by m.content having count(*) > 1) as d"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What PostgreSQL says about accepted exchanges.

    Attributes:
        found: The stored exchanges.
        deleted: Exchanges that were deleted after their acceptance.
        doubled: The number of exchanges that are stored more than once.
    """

    found: set[UUID]
    deleted: set[UUID]
    doubled: int


class StoreReader:
    """Reads the running stack's stores. It connects for each call, because servers are broken on purpose."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def stored(self, exchanges: Sequence[Accepted]) -> Stored:
        """Find exchanges in PostgreSQL.

        Raises:
            StoreUnavailable: PostgreSQL does not respond.
        """
        found = self._rows(
            _STORED,
            exchanges=[each.exchange_id for each in exchanges],
            threads=list({each.thread_id for each in exchanges}),
        )
        ids = {row["exchange_id"] for row in found}
        missing = [each for each in exchanges if each.exchange_id not in ids]
        deleted = self.deleted(missing) if missing else set()
        return Stored(ids, deleted, sum(row["copies"] > 1 for row in found))

    def deleted(self, exchanges: Sequence[Accepted]) -> set[UUID]:
        """Return the exchanges that were deleted after their acceptance, with their thread or user, or alone.

        Raises:
            StoreUnavailable: PostgreSQL does not respond.
        """
        rows = self._rows(
            _DELETED,
            exchanges=[each.exchange_id for each in exchanges],
            threads=[each.thread_id for each in exchanges],
            users=[each.user_id for each in exchanges],
            times=[each.accepted_at for each in exchanges],
        )
        return {row["exchange_id"] for row in rows}

    def doubled_texts(self, thread_ids: Sequence[str]) -> int:
        """Count the user's texts that threads have more than once. Every text must be sent for one exchange only.

        Raises:
            StoreUnavailable: PostgreSQL does not respond.
        """
        return int(self._rows(_DOUBLED_TEXTS, threads=list(thread_ids))[0]["doubled"])

    def compare(self, thread_id: str) -> Comparison | None:
        """Compare a thread in Redis with PostgreSQL; return None if Redis has no list.

        Raises:
            StoreUnavailable: A store does not respond.
        """
        window = load(MemorySettings).max_thread_messages
        with closing(self._redis()) as redis, closing(self._postgres()) as postgres:
            scan = RedisScan(redis)
            # The generation is read first, and Redis before PostgreSQL, as in `hybrid-memory verify`.
            generation = scan.generation()
            entries = scan.lists([thread_id])[thread_id]
            if not entries:
                return None
            stored = PostgresVerify(postgres).windows([thread_id], len(entries) + 2 * window)[thread_id]
        return compare(thread_id, entries, stored, now=datetime.now(UTC), grace=_GRACE, generation=generation)

    def backlog(self) -> tuple[int, int]:
        """Return the number of messages in the exchange queue, and of exchanges in Redis' outbox.

        Raises:
            StoreUnavailable: A store does not respond.
        """
        return self.queue_depth(self._deployment.queue_url), self.outbox()

    def outbox(self) -> int:
        """Return the number of exchanges in Redis' outbox.

        Raises:
            StoreUnavailable: Redis does not respond.
        """
        with closing(self._redis()) as redis:
            (length,) = require(redis.call(lambda pipe: pipe.llen(OUTBOX)))
        return int(length)

    def queue_depth(self, queue_url: str) -> int:
        """Return the number of messages in a queue, including those in flight.

        Raises:
            StoreUnavailable: The queue does not respond.
        """
        names: Any = list(_COUNTS)
        try:
            attributes = self._sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable("queue", type(error).__name__) from error
        return sum(int(attributes[name]) for name in _COUNTS)

    def dead_letters(self) -> int:
        """Return the number of messages in the dead-letter queue.

        Raises:
            StoreUnavailable: The queue does not respond.
        """
        return self.queue_depth(self._deployment.dlq_url)

    def send(self, body: str) -> None:
        """Send a message to the exchange queue.

        Raises:
            StoreUnavailable: The queue does not respond, or refuses.
        """
        try:
            self._sqs.send_message(QueueUrl=self._deployment.queue_url, MessageBody=body)
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable("queue", type(error).__name__) from error

    def sweep(self) -> None:
        """Invoke the sweep, which stores the outbox.

        Raises:
            StoreUnavailable: The sync function does not respond.
        """
        try:
            self._lambda.invoke(FunctionName=self._deployment.sync_function, Payload=b"{}")
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable("queue", type(error).__name__) from error

    @property
    def _deployment(self) -> Any:
        deployment = self._stack.deployment
        if deployment is None:
            raise StoreUnavailable("queue", "not deployed")
        return deployment

    def _rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        with closing(self._postgres()) as postgres:
            return postgres.run(lambda c: c.execute(statement.encode(), values).fetchall(), is_one_statement=True)

    def _postgres(self) -> PostgresConnection:
        return PostgresConnection(DatabaseSettings(url=self._stack.postgres.url, timeout_ms=_TIMEOUT_MS))

    def _redis(self) -> RedisConnection:
        port = urlsplit(self._stack.valkey.url).port or 0
        # This machine's environment may name another Redis, so every value is given.
        return RedisConnection(
            RedisSettings(
                host="127.0.0.1", port=port, username=None, password=None, db=0, tls=False, timeout_ms=_TIMEOUT_MS
            )
        )

    @cached_property
    def _config(self) -> Config:
        return Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}, proxies={})

    @cached_property
    def _sqs(self) -> SQSClient:
        session = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=REGION)
        return session.client("sqs", endpoint_url=self._stack.emulator.url, config=self._config)

    @cached_property
    def _lambda(self) -> LambdaClient:
        session = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=REGION)
        return session.client("lambda", endpoint_url=self._stack.emulator.url, config=self._config)
