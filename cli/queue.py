"""`hybrid-memory queue`: the queues' depths and the sync lag."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from cli.command import UNREACHABLE, command, group
from cli.deployment import Deployment
from cli.options import AsJson
from cli.output import (
    console,
    echo,
    endpoints_as_json,
    is_terminal,
    print_endpoints,
    print_json,
    print_table,
    rich_table,
    warn,
)
from cli.queue_status import Status, StatusReader
from cli.times import UNKNOWN, format_duration, time_text

app = group("Show the queues' depths and the sync lag.")
_COLUMNS: Final = ("queue", "visible", "in flight", "delayed", "oldest")
_NAMES: Final = {"queue": "exchange queue", "dlq": "dead-letter queue"}


@app.command()
@command
def status(
    deployment: Deployment,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between readings, with --watch.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show the queues' depths and the sync lag, i.e. how far PostgreSQL is behind.

    The sync lag is the age of the oldest exchange in the queue or the outbox, as in the API's GET /status. On AWS,
    this age comes from CloudWatch and is some minutes old. If the queue and the outbox are empty, the sync lag is
    the newest accepted exchange's time minus the newest stored exchange's time. The command always prints this
    difference too.

    The newest accepted exchange is the newest in Redis. If Redis has very many keys, the command reads only some of
    them and prints "at least". The newest stored exchange is the newest in PostgreSQL. The command skips a store
    that may belong to another deployment than the exchange queue.

    \b
    Exit codes:
      3  a store did not respond; its values are unknown

    \b
    Examples:
      hybrid-memory queue status
      hybrid-memory queue status --watch --interval 5
      hybrid-memory queue status --json | jq .sync_lag_seconds
    """
    reader = StatusReader(deployment)
    if watch:
        try:
            _watch(reader, deployment, interval, as_json=as_json)
        except KeyboardInterrupt:
            return
    status = reader.read()
    if as_json:
        print_json(_as_json(status, deployment))
    else:
        print_endpoints(deployment)
        _print(status, is_exact=deployment.is_verbose)
    for reason in status.skipped:
        warn(reason)
    for error in status.errors:
        warn(f"Error: {error}")
    if status.errors:
        raise typer.Exit(UNREACHABLE)


def _watch(reader: StatusReader, deployment: Deployment, interval: float, *, as_json: bool) -> None:
    if as_json:
        while True:
            print_json(_as_json(reader.read(), deployment), on_one_line=True)
            time.sleep(interval)
    print_endpoints(deployment)
    if not is_terminal():
        while True:
            _print(reader.read(), is_exact=deployment.is_verbose)
            time.sleep(interval)
    with Live(console=console(), auto_refresh=False) as live:
        while True:
            status = reader.read()
            notes = [*_lines(status, is_exact=deployment.is_verbose), *status.skipped, *status.errors]
            table = rich_table(_columns(is_exact=deployment.is_verbose), _rows(status, is_exact=deployment.is_verbose))
            live.update(Group(table, *map(Text, notes)))
            live.refresh()
            time.sleep(interval)


def _as_json(status: Status, deployment: Deployment) -> dict[str, Any]:
    return {**status.to_json(), "sources": endpoints_as_json(deployment.used_endpoints)}


def _print(status: Status, *, is_exact: bool) -> None:
    print_table(_columns(is_exact=is_exact), _rows(status, is_exact=is_exact))
    for line in _lines(status, is_exact=is_exact):
        echo(line)


def _columns(*, is_exact: bool) -> Sequence[str]:
    return (*_COLUMNS, "as of") if is_exact else _COLUMNS


def _rows(status: Status, *, is_exact: bool) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for name, label in _NAMES.items():
        answer = status.answers[name]
        if answer is None:
            rows.append((label, *[UNKNOWN] * (len(_columns(is_exact=is_exact)) - 1)))
            continue
        oldest = None if answer["depth"] == 0 else format_duration(answer["oldest_age_seconds"])
        time = (answer["as_of"],) if is_exact else ()
        rows.append((label, answer["visible"], answer["in_flight"], answer["delayed"], oldest, *time))
    return rows


def _lines(status: Status, *, is_exact: bool) -> list[str]:
    """Return the lines below the table."""
    outbox, accepted = status.answers["outbox"], status.answers["newest_accepted"]
    at_least = "at least " if accepted and accepted["is_partial"] else ""
    lines = [f"outbox: {outbox['depth']}{_as_of(outbox, is_exact)}" if outbox else f"outbox: {UNKNOWN}"]
    for name in ("newest_accepted", "newest_stored"):
        answer, label = status.answers[name], name.replace("_", " ")
        if answer is None:
            lines.append(f"{label}: {UNKNOWN}")
            continue
        mark = at_least if name == "newest_accepted" and answer["created_at"] else ""
        created = time_text(answer["created_at"], is_exact=is_exact) or "none"
        lines.append(f"{label}: {mark}{created}{_as_of(answer, is_exact)}")
    difference, lag = status.accepted_minus_stored, status.lag_seconds
    lines.append(f"accepted minus stored: {UNKNOWN if difference is None else at_least + format_duration(difference)}")
    mark = "" if status.is_anything_waiting else at_least
    note = " (how long the oldest has waited)" if status.is_anything_waiting else ""
    lines.append(f"sync lag: {UNKNOWN if lag is None else mark + format_duration(lag) + note}")
    return lines


def _as_of(answer: dict[str, Any], is_exact: bool) -> str:  # noqa: FBT001 - passed on from the callers
    return f" (as of {answer['as_of']})" if is_exact else ""
