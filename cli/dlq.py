"""`hybrid-memory dlq`: dead letters, i.e. messages that could not be stored."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli import connect
from cli.command import INTERRUPTED, INVALID_USAGE, PROBLEM_FOUND, command, group
from cli.dead_letters import describe, matches_id
from cli.deployment import Deployment
from cli.options import AsJson, Yes
from cli.output import (
    count_of,
    echo,
    endpoints_as_json,
    print_endpoints,
    print_json,
    print_preview_end,
    print_table,
    printable,
    progress,
    warn,
)
from cli.pager import paged
from cli.redrive import RedriveResult, copy_messages, wait_for_move
from cli.times import as_of, format_duration, iso_time, time_text
from shared.errors import StoreUnavailable

app = group("List, show, redrive and purge dead letters: messages that could not be stored.")
_MAX_SEARCHED = 10_000


@app.command("list")
@command
def list_(
    deployment: Deployment,
    *,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_SEARCHED, help="Maximum number of dead letters to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List dead letters with their reasons, without their texts.

    All messages stay in the queue. The local emulator lists messages without a receive. On SQS, the command
    receives the messages and releases them at the end. Until then they are hidden from other receivers, and each
    receive count increases by one. The count matters only if the dead-letter queue has its own redrive policy.

    \b
    Examples:
      hybrid-memory dlq list --limit 100
      hybrid-memory dlq list --json | jq '.items[].reason'
    """
    queue = connect.queue(deployment, "dlq_url")
    depth, now = queue.depth(), datetime.now(UTC)
    items = [describe(message, now) for message in queue.peek(limit)]
    if as_json:
        counts = {"visible": depth.visible, "in_flight": depth.in_flight, "delayed": depth.delayed}
        sources = endpoints_as_json(deployment.used_endpoints)
        print_json({"items": items, "depth": depth.total, **counts, "as_of": iso_time(now), "sources": sources})
        return
    print_endpoints(deployment)
    with paged(deployment):
        _print_list(items)
        total = count_of(depth.total, "dead letter")
        echo(f"{len(items)} of {total}{as_of(iso_time(now), is_exact=deployment.is_verbose)}.")


def _print_list(items: list[dict[str, Any]]) -> None:
    if items:
        has_requests = any(item["request_id"] for item in items)
        print_table(
            ("message id", "age", "received", "reason", "detail", "thread", *(["request"] if has_requests else [])),
            [
                (
                    item["message_id"],
                    format_duration(item["age_seconds"]),
                    item["receive_count"],
                    item["reason"],
                    item["detail"],
                    item["thread_id"],
                    *([item["request_id"]] if has_requests else []),
                )
                for item in items
            ],
        )


@app.command()
@command
def show(
    deployment: Deployment,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the message, of its exchange or of its request.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its text.

    The message stays in the queue. On SQS, the command receives all messages up to this one: see
    `hybrid-memory dlq list --help`.

    \b
    Examples:
      hybrid-memory dlq show 0f6e1a52-5a3e-4b0e-9a55-4c1d2f3b7a10
      hybrid-memory dlq show 0f6e1a52-5a3e-4b0e-9a55-4c1d2f3b7a10 --json | jq -r .body
    """
    queue = connect.queue(deployment, "dlq_url")
    now = datetime.now(UTC)
    letters = queue.peek(_MAX_SEARCHED, lambda message: matches_id(message, message_id))
    if not letters:
        warn(f"Error: none of the first {_MAX_SEARCHED} dead letters has the id {printable(message_id)}.")
        raise typer.Exit(INVALID_USAGE)
    description = describe(letters[0], now) | {"attributes": letters[0].attributes, "body": letters[0].body}
    if as_json:
        print_json({**description, "as_of": iso_time(now), "sources": endpoints_as_json(deployment.used_endpoints)})
        return
    print_endpoints(deployment)
    sent_at = time_text(description["sent_at"], is_exact=deployment.is_verbose)
    with paged(deployment):
        for name, value in (description | {"sent_at": sent_at}).items():
            if name not in {"attributes", "body"} and value is not None:
                echo(f"{name}: {printable(str(value))}")
        echo()
        echo(printable(letters[0].body))


@app.command()
@command
def redrive(
    deployment: Deployment,
    *,
    rate: Annotated[int | None, typer.Option(min=1, max=500, help="Maximum number of messages per second.")] = None,
    is_copy_forced: Annotated[
        bool, typer.Option("--copy", help="Send a copy of each message and delete it, even if SQS can move it.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Move dead letters back to the exchange queue.

    Without --yes, the command only counts the dead letters. If the endpoint supports SQS's message move task, SQS
    moves the messages with their attributes, including the old reason. Otherwise, and with --copy, the command
    sends each message to the exchange queue, without the old reason, and then deletes it from the dead-letter queue.
    An interruption loses no message, and a message that is in both queues is stored once. A message that fails
    again is not moved twice. The command fails if the two queues may belong to different deployments, e.g. if an
    option names one of them and a local stack the other.

    \b
    Exit codes:
      1  fewer messages were moved than counted

    \b
    Examples:
      hybrid-memory dlq redrive
      hybrid-memory dlq redrive --yes --rate 50
    """
    deployment.require_same_deployment("dlq_url", "queue_url")
    dead_letter_queue, exchange_queue = connect.queue(deployment, "dlq_url"), connect.queue(deployment, "queue_url")
    total = dead_letter_queue.depth().visible
    answer: dict[str, Any] = {"preview": not yes, "total": total, "moved": 0, "refused": []}
    if not yes or total == 0:
        text = f"Would move {total} dead letters back to the exchange queue." if total else "There is nothing to move."
        _print(deployment, answer, text, as_json=as_json)
        if total and not as_json:
            print_preview_end()
        return
    result = RedriveResult()
    task = None if is_copy_forced else connect.start_move(dead_letter_queue, exchange_queue, rate)
    try:
        with progress("Redrive", total) as advance:
            if task is None:
                copy_messages(dead_letter_queue, exchange_queue, total, rate, result, advance)
            else:
                wait_for_move(task, result, advance)
    except KeyboardInterrupt:
        warn(f"Stopped: {result.moved} of {total} moved; the others are still in the dead-letter queue.")
        raise typer.Exit(INTERRUPTED) from None
    except StoreUnavailable:
        warn(f"{result.moved} of {total} moved; the others are still in the dead-letter queue.")
        raise
    answer |= {"method": "copy" if task is None else "move_task", "moved": result.moved, "refused": result.refused}
    _print(deployment, answer, f"Moved {result.moved} of {total} dead letters.", as_json=as_json)
    if result.refused:
        warn(
            f"The exchange queue refused {len(result.refused)} messages, which stay in the dead-letter queue: "
            f"{', '.join(result.refused)}."
        )
    not_moved = total - result.moved - len(result.refused)
    if not_moved > 0:
        warn(
            f"{not_moved} of the counted messages were not moved: another client may have received or deleted them, "
            "they may have expired, or SQS's approximate count was too high. "
            "Run hybrid-memory dlq list, and repeat the command if they are listed."
        )
    if result.refused or not_moved > 0:
        raise typer.Exit(PROBLEM_FOUND)


@app.command()
@command
def purge(deployment: Deployment, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete all dead letters permanently.

    Without --yes, the command only counts them. The number is approximate, because SQS estimates it. SQS takes up to
    a minute, and may also delete messages that arrive in this minute.

    \b
    Examples:
      hybrid-memory dlq purge
      hybrid-memory dlq purge --yes
    """
    queue = connect.queue(deployment, "dlq_url")
    total = queue.depth().total
    if yes:
        queue.purge()
    verb = "Deleted" if yes else "Would delete"
    answer = {"preview": not yes, "total": total, "deleted": total if yes else 0, "is_approximate": True}
    _print(deployment, answer, f"{verb} about {total} dead letters permanently.", as_json=as_json)
    if not yes and not as_json:
        print_preview_end()


def _print(deployment: Deployment, answer: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**answer, "sources": endpoints_as_json(deployment.used_endpoints)})
    else:
        print_endpoints(deployment)
        echo(text)
