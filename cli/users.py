"""`hybrid-memory users`: shows, exports and deletes a user's data."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import typer

from cli import connect
from cli.api import PAGE_SIZE
from cli.arguments import UserId
from cli.command import PROBLEM_FOUND, UNREACHABLE, command, format_store_error, group
from cli.deployment import Deployment
from cli.options import AsJson, Output, Yes
from cli.output import (
    count_of,
    echo,
    endpoints_as_json,
    print_endpoints,
    print_json,
    print_preview_end,
    print_table,
    printable,
    warn,
)
from cli.pager import paged
from cli.threads import COLUMNS, finish_export, thread_row
from cli.times import UNKNOWN, as_of, iso_time
from hybrid_memory_client import Thread
from shared.errors import StoreUnavailable

app = group("Show, export and delete a user's data.")
_NEWEST: Final = 10
_COUNT_NAMES: Final = ("threads", "messages", "documents", "preferences", "erasing", "outbox", "exchanges")
_NAMES: Final = {
    "api": "API",
    "postgres": "PostgreSQL",
    "redis": "Redis",
    "queue": "exchange queue",
    "dlq": "dead-letter queue",
}
_ERASING_NOTE: Final = (
    "PostgreSQL still has rows of {} deleted threads. They are hidden, and the sweep deletes some of them every minute."
)
# The stores that have no data of the user after a deletion. The drain drops the user's exchanges in the queues later.
_EMPTIED_STORES: Final = ("api", "postgres", "redis")


@app.command()
@command
def show(deployment: Deployment, user: UserId, *, as_json: AsJson = False) -> None:
    """Show a user's preferences, newest threads, and numbers of threads and messages.

    If the address of PostgreSQL is known, `erasing` is the number of deleted threads that still have rows. These
    threads are hidden, and the sweep deletes their rows in steps.

    \b
    Examples:
      hybrid-memory users show ada
      hybrid-memory users show ada --json | jq .messages
    """
    api = connect.api(deployment)
    preferences = api.read_preferences(user)
    threads = messages = 0
    newest: list[Thread] = []
    for thread in api.iter_threads(user, page_size=PAGE_SIZE):
        if threads < _NEWEST:
            newest.append(thread)
        threads += 1
        messages += thread.message_count
    erasing = _count_erasing(deployment, user)
    if as_json:
        counts = {"threads": threads, "messages": messages, "preferences": preferences, "erasing": erasing}
        more_counts = {
            "newest_threads": [thread.raw for thread in newest],
            "sources": endpoints_as_json(deployment.used_endpoints),
        }
        print_json({"user_id": user, **counts, **more_counts})
        return
    print_endpoints(deployment)
    with paged(deployment):
        totals = f"{count_of(threads, 'thread')} with {count_of(messages, 'message')}"
        echo(f"{printable(user)}: {totals}, {count_of(len(preferences), 'preference')}.")
        if erasing:
            echo(_ERASING_NOTE.format(erasing))
        if preferences:
            echo()
            print_table(("preference", "value"), sorted(preferences.items()))
        if newest:
            echo()
            print_table(COLUMNS, [thread_row(thread, is_exact=deployment.is_verbose) for thread in newest])


def _count_erasing(deployment: Deployment, user: str) -> int | None:
    """Return how many deleted threads still have rows in PostgreSQL; None if PostgreSQL is unknown or down."""
    if not deployment.belongs_to_deployment_of("database_url", "api_url"):
        return None
    try:
        return connect.postgres_user_data(deployment).counts(user)["erasing"]
    except StoreUnavailable as error:
        warn(format_store_error(error, deployment))
        return None


@app.command()
@command
def export(deployment: Deployment, user: UserId, *, output: Output = None, as_json: AsJson = False) -> None:
    """Export a user's preferences, memories and threads as NDJSON: one JSON object per line.

    The first line is of kind `preferences`. A line of kind `memory` has the memory as the API returns it, with the
    words that it is learned from; memories that have ended are included. The lines of kind `thread` and `message`
    are those of `threads export`.
    A thread is missing if its first exchange is not drained yet. The command therefore also reads the number of
    undrained exchanges of all users. If the API requires tokens, only an operator can read this number; for other
    users it is unknown.

    \b
    Exit codes:
      1  some exchanges are not drained yet, so a thread may be missing: repeat the command
      3  a server did not respond, and the export lacks the messages that only it has

    \b
    Examples:
      hybrid-memory users export ada --output ada.ndjson
      hybrid-memory users export ada | jq -c 'select(.kind == "thread")'
    """
    from cli.export import export_user  # noqa: PLC0415 - rich's progress bar is imported only for an export

    result = export_user(connect.api(deployment), user, output)
    finish_export(deployment, result, output, {"waiting": result.undrained}, as_json=as_json)
    if result.undrained is None:
        warn("The number of undrained exchanges is unknown. If it is not 0, a thread may be missing.")
    elif result.undrained:
        warn(f"{result.undrained} exchanges are not drained yet, so a thread may be missing. Repeat the command.")
        raise typer.Exit(PROBLEM_FOUND)


@app.command()
@command
def forget(deployment: Deployment, user: UserId, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a user's threads, preferences and memories permanently, and count what is left.

    The command counts the user's data through the API and in each store whose address is known, before and after
    the deletion. Without --yes, it only counts. It receives no messages, so it counts a user's messages only in an
    emulator's queues.

    The drain drops the user's exchanges that are still in the queue, and redriven dead letters of the user. A dead
    letter keeps its text until it is deleted from the dead-letter queue. PostgreSQL deletes the rows of many threads
    in steps: `erasing` is the number of hidden threads that still have rows.

    \b
    Exit codes:
      1  data of the user is left
      3  a store did not respond

    \b
    Examples:
      hybrid-memory users forget ada
      hybrid-memory users forget ada --yes --json | jq .stores
    """
    from cli.user_data import UserDataReader  # noqa: PLC0415 - the drivers are imported only for this command

    reader = UserDataReader(deployment, user)
    before = reader.read(datetime.now(UTC))
    answer: dict[str, Any] = {"preview": not yes, "user_id": user}
    if not yes:
        stores: dict[str, Any] = {name: counts and {"before": counts} for name, counts in before.items()}
        _print(deployment, answer, stores, as_json=as_json)
        _exit_if_errors(reader.errors)
        return
    connect.api(deployment).delete_user(user)
    now = datetime.now(UTC)
    errors = list(reader.errors)
    after = reader.read(now)
    stores = {
        name: {"before": counts, "after": after[name]} if counts and after[name] else None
        for name, counts in before.items()
    }
    erasing = (after["postgres"] or {}).get("erasing") or 0
    remaining = {
        name: counts
        for name in _EMPTIED_STORES
        if (counts := after[name]) and any(count for counted, count in counts.items() if counted != "erasing")
    }
    dead_letters = (after["dlq"] or {}).get("exchanges") or 0
    has_data = bool(remaining) or bool(dead_letters) or bool(erasing)
    _print(deployment, answer | {"is_left": has_data, "as_of": iso_time(now)}, stores, as_json=as_json)
    if remaining:
        stores_with_data = ", ".join(_NAMES[name] for name in remaining)
        warn(f"Data is left in: {stores_with_data}. It may be new: repeat the command.")
    if erasing:
        warn(_ERASING_NOTE.format(erasing))
    if dead_letters:
        warn(f"This user has {dead_letters} dead letters, with their text: see hybrid-memory dlq list.")
    _exit_if_errors(dict.fromkeys([*errors, *reader.errors]))
    if has_data:
        raise typer.Exit(PROBLEM_FOUND)


def _print(deployment: Deployment, answer: dict[str, Any], stores: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({**answer, "stores": stores, "sources": endpoints_as_json(deployment.used_endpoints)})
        return
    print_endpoints(deployment)
    rows = [
        (_NAMES[name], counted, *(_count(counts, time, counted) for time in ("before", "after")))
        for name, counts in stores.items()
        for counted in (_COUNT_NAMES if counts else ("",))
        if counts is None or counted in counts["before"]
    ]
    print_table(("store", "data", "before", "after"), rows)
    name = printable(answer["user_id"])
    if answer["preview"]:
        echo(f"Would delete all data of {name} permanently.")
        print_preview_end()
    else:
        echo(f"Deleted the data of {name}{as_of(answer['as_of'], is_exact=deployment.is_verbose)}.")


def _count(counts: dict[str, Any] | None, time: str, counted: str) -> object:
    if counts is None:
        return "not counted"
    if time not in counts:
        return None
    return UNKNOWN if counts[time][counted] is None else counts[time][counted]


def _exit_if_errors(errors: Any) -> None:
    for error in errors:
        warn(f"Error: {error}")
    if errors:
        raise typer.Exit(UNREACHABLE)
