"""`hybrid-memory verify`: compares the threads in Redis with PostgreSQL, and checks what was learned."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli import connect
from cli.command import PROBLEM_FOUND, command
from cli.deployment import Deployment
from cli.options import AsJson
from cli.output import echo, endpoints_as_json, print_endpoints, print_json, print_table, printable
from cli.pager import paged
from cli.stores.comparison import Comparison, Difference, compare
from cli.times import as_of, iso_time
from shared.ids import id_error
from shared.settings import MemorySettings, load

if TYPE_CHECKING:  # the drivers are imported only when a command uses a store
    from cli.stores.postgres_verify import PostgresVerify
    from cli.stores.redis_scan import RedisScan

_MESSAGES_AN_EXCHANGE: Final = 2
# A model's daily budget postpones a thread by setting a later due time, so a healthy thread is never due for long.
_OVERDUE_SECONDS: Final = 3_600


@dataclass(slots=True)
class VerifyResult:
    """The result over all threads."""

    threads: int = 0
    partial: int = 0
    exchanges: int = 0
    pending: int = 0
    differences: list[Difference] = field(default_factory=list)
    learned: dict[str, int] = field(default_factory=dict)

    @property
    def differing_threads(self) -> int:
        """The number of threads that differ."""
        return len({difference.thread_id for difference in self.differences})


@command
def verify(
    deployment: Deployment,
    *,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds for which an exchange may be in one of them only.")
    ] = 120,
    as_json: AsJson = False,
) -> None:
    """Compare each thread that Redis has cached with PostgreSQL, and check what was learned.

    For the cached part of a thread, Redis and PostgreSQL must have the same exchanges, in the same order, with the
    same texts and metadata. An exchange that only one of them has may still be in the queue: the command counts it
    as pending until it is older than --grace, and then as a difference. Use a longer --grace if the drain is
    behind. The command changes nothing and prints no texts. It reads each difference a second time before it
    reports it. It fails if the two addresses may belong to different deployments, e.g. if an option names one of
    them and a local stack the other.

    It then checks every learned statement in PostgreSQL: it must quote its stored exchange byte for byte (unquoted),
    exist once (doubled), and belong to a stored exchange (orphaned). It also counts the threads that have been
    waiting for longer than an hour to be learned from (overdue).

    \b
    Exit codes:
      1  there is a difference, or a wrong or overdue statement

    \b
    Examples:
      hybrid-memory verify
      hybrid-memory verify --grace 900
      hybrid-memory verify --json | jq '.differences[] | .thread_id'
    """
    deployment.require_same_deployment("redis_url", "database_url")
    redis, postgres = connect.redis_scan(deployment), connect.postgres_verify(deployment)
    window = load(MemorySettings).max_thread_messages
    result = VerifyResult()
    for page in redis.threads():
        first_comparisons = _compare(redis, postgres, page, window, grace)
        to_recheck = [thread_id for thread_id, comparison in first_comparisons if comparison.differences]
        second_comparisons = dict(_compare(redis, postgres, to_recheck, window, grace)) if to_recheck else {}
        for thread_id, comparison in first_comparisons:
            if not comparison.differences:
                _count(result, comparison, window)
            elif thread_id in second_comparisons:
                _count(result, second_comparisons[thread_id], window)
    counts = postgres.statements(max(grace, _OVERDUE_SECONDS))
    result.learned = asdict(counts)
    now = iso_time(datetime.now(UTC))
    if as_json:
        print_json(_as_json(result, grace, now) | {"sources": endpoints_as_json(deployment.used_endpoints)})
    else:
        print_endpoints(deployment)
        with paged(deployment):
            _print(result, as_of(now, is_exact=deployment.is_verbose))
    if result.differences or counts.problems:
        raise typer.Exit(PROBLEM_FOUND)


def _compare(
    redis: RedisScan, postgres: PostgresVerify, thread_ids: Sequence[str], window: int, grace: float
) -> list[tuple[str, Comparison]]:
    # The generation is read first. A list that is sealed in a later generation then counts as unsealed. Redis is read
    # before PostgreSQL. An exchange that is stored in between counts as pending, because it is new.
    generation = redis.generation()
    lists = redis.lists(thread_ids)
    valid_ids = [thread_id for thread_id in thread_ids if not id_error(thread_id)]
    longest = max((len(entries or ()) for entries in lists.values()), default=0)
    stored = postgres.windows(valid_ids, longest + window * _MESSAGES_AN_EXCHANGE)
    return list(_compare_each(thread_ids, lists, stored, timedelta(seconds=grace), generation))


def _compare_each(
    thread_ids: Sequence[str],
    lists: dict[str, list[bytes] | None],
    stored: dict[str, Any],
    grace: timedelta,
    generation: str | None,
) -> Iterator[tuple[str, Comparison]]:
    now = datetime.now(UTC)
    for thread_id in thread_ids:
        entries = lists[thread_id]
        if entries is None:
            yield thread_id, _unreadable_thread(thread_id, "the key is not a list")
        elif thread_id not in stored:
            yield thread_id, _unreadable_thread(thread_id, "the key's thread id is invalid")
        elif entries:  # otherwise the list expired or was deleted after the scan
            yield (
                thread_id,
                compare(thread_id, entries, stored[thread_id], now=now, grace=grace, generation=generation),
            )


def _unreadable_thread(thread_id: str, detail: str) -> Comparison:
    return Comparison([Difference(printable(thread_id), "unreadable", None, detail)])


def _count(result: VerifyResult, comparison: Comparison, window: int) -> None:
    result.threads += 1
    result.partial += comparison.is_partial and comparison.exchanges < window
    result.exchanges += comparison.exchanges
    result.pending += comparison.pending
    result.differences += comparison.differences


def _as_json(result: VerifyResult, grace: float, now: str | None) -> dict[str, Any]:
    return {
        "threads": result.threads,
        "partial_threads": result.partial,
        "exchanges": result.exchanges,
        "pending": result.pending,
        "differing_threads": result.differing_threads,
        "differences": [
            {
                "thread_id": difference.thread_id,
                "kind": difference.kind,
                "exchange_id": str(difference.exchange_id) if difference.exchange_id else None,
                "detail": difference.detail,
            }
            for difference in result.differences
        ],
        "learned": result.learned,
        "grace_seconds": grace,
        "as_of": now,
    }


def _print(result: VerifyResult, as_of_now: str) -> None:
    if result.differences:
        print_table(
            ("thread", "difference", "exchange", "detail"),
            [
                (difference.thread_id, difference.kind, difference.exchange_id, difference.detail)
                for difference in result.differences
            ],
        )
    echo(
        f"{result.threads} cached threads with {result.exchanges} exchanges compared{as_of_now}: "
        f"{result.differing_threads} differ, {result.pending} exchanges pending, "
        f"{result.partial} lists do not contain their thread's first exchange."
    )
    counts = result.learned
    echo(
        f"{counts['statements']} learned statements checked: {counts['unquoted']} unquoted, "
        f"{counts['doubled']} doubled, {counts['orphaned']} orphaned; {counts['overdue']} threads overdue."
    )
