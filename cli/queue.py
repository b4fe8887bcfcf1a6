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
    UNKNOWN,
    console,
    echo,
    endpoints_as_json,
    format_duration,
    is_terminal,
    plain_table,
    print_endpoints,
    print_json,
    rich_table,
    warn,
)
from cli.queue_status import Status, StatusReader

app = group("Show the queues' depths and the sync lag.")
_COLUMNS: Final = ("queue", "visible", "in flight", "delayed", "oldest", "as of")
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
        _print(status)
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
            _print(reader.read())
            time.sleep(interval)
    with Live(console=console(), auto_refresh=False) as live:
        while True:
            status = reader.read()
            notes = [*_lines(status), *status.skipped, *status.errors]
            live.update(Group(rich_table(_COLUMNS, _rows(status)), *map(Text, notes)))
            live.refresh()
            time.sleep(interval)


def _as_json(status: Status, deployment: Deployment) -> dict[str, Any]:
    return {**status.to_json(), "sources": endpoints_as_json(deployment.used_endpoints)}


def _print(status: Status) -> None:
    if is_terminal():
        console().print(rich_table(_COLUMNS, _rows(status)))
    else:
        echo(plain_table(_COLUMNS, _rows(status)))
    for line in _lines(status):
        echo(line)


def _rows(status: Status) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for name, shown in _NAMES.items():
        answer = status.answers[name]
        if answer is None:
            rows.append((shown, *[UNKNOWN] * (len(_COLUMNS) - 1)))
            continue
        oldest = None if answer["depth"] == 0 else format_duration(answer["oldest_age_seconds"])
        rows.append((shown, answer["visible"], answer["in_flight"], answer["delayed"], oldest, answer["as_of"]))
    return rows


def _lines(status: Status) -> list[str]:
    """Return the lines below the table."""
    outbox, accepted = status.answers["outbox"], status.answers["newest_accepted"]
    at_least = "at least " if accepted and accepted["is_partial"] else ""
    lines = [f"outbox: {outbox['depth']} (as of {outbox['as_of']})" if outbox else f"outbox: {UNKNOWN}"]
    for name in ("newest_accepted", "newest_stored"):
        answer, shown = status.answers[name], name.replace("_", " ")
        if answer is None:
            lines.append(f"{shown}: {UNKNOWN}")
            continue
        mark = at_least if name == "newest_accepted" and answer["created_at"] else ""
        lines.append(f"{shown}: {mark}{answer['created_at'] or 'none'} (as of {answer['as_of']})")
    difference, lag = status.accepted_minus_stored, status.lag_seconds
    lines.append(f"accepted minus stored: {UNKNOWN if difference is None else at_least + format_duration(difference)}")
    mark = "" if status.is_anything_waiting else at_least
    note = " (how long the oldest has waited)" if status.is_anything_waiting else ""
    lines.append(f"sync lag: {UNKNOWN if lag is None else mark + format_duration(lag) + note}")
    return lines
