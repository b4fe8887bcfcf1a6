"""`hybrid-memory threads`: conversations, through the deployment's API."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli import connect
from cli.api import PAGE_SIZE
from cli.arguments import ThreadId, ThreadIds
from cli.command import UNREACHABLE, command, group
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
    styled,
    warn,
)
from cli.pager import paged
from cli.times import time_text
from hybrid_memory_client import InvalidRequest, MemoryClient, Message, Thread
from shared.errors import SettingsError

app = group("List, show, export and delete conversations.")
COLUMNS = ("thread", "title", "messages", "created", "updated")
_TIMES: Final = ("created_at", "updated_at")


@app.command("list")
@command
def list_(
    deployment: Deployment,
    *,
    user: Annotated[str | None, typer.Option(help="The user's id. Optional with the user's own token.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of threads to list.")] = 50,
    all_of_them: Annotated[bool, typer.Option("--all", help="List all threads and ignore --limit.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a user's threads, newest first.

    A new thread appears in the list when its first exchange is drained, usually after one or two seconds.

    \b
    Examples:
      hybrid-memory threads list --user ada
      hybrid-memory threads list --user ada --all --json | jq -r '.items[].thread_id'
    """
    # One thread more than the limit shows whether more threads exist.
    maximum = None if all_of_them else limit + 1
    page_size = min(maximum or PAGE_SIZE, PAGE_SIZE)
    try:
        threads = list(islice(connect.api(deployment).iter_threads(user, page_size=page_size), maximum))
    except InvalidRequest:
        if user is not None:
            raise
        raise SettingsError("Set --user ID. It is optional only with a user's own token.") from None
    items = threads if all_of_them else threads[:limit]
    is_more = len(items) < len(threads)
    if as_json:
        sources = endpoints_as_json(deployment.used_endpoints)
        print_json({"items": [item.raw for item in items], "is_more": is_more, "sources": sources})
        return
    print_endpoints(deployment)
    with paged(deployment):
        if items:
            print_table(COLUMNS, [thread_row(item, is_exact=deployment.is_verbose) for item in items])
        echo(f"{count_of(len(items), 'thread')}{'. More exist: use --all' if is_more else ''}.")


def thread_row(thread: Thread, *, is_exact: bool) -> tuple[object, ...]:
    """Return a thread as a row under `COLUMNS`."""
    times = (time_text(thread.raw[name], is_exact=is_exact) for name in _TIMES)
    return thread.thread_id, thread.title, thread.message_count, *times


@app.command()
@command
def show(
    deployment: Deployment,
    thread: ThreadId,
    *,
    messages: Annotated[int, typer.Option(min=0, help="Number of newest messages to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show a thread and its newest messages, including undrained ones.

    The messages are printed oldest first.

    \b
    Examples:
      hybrid-memory threads show demo
      hybrid-memory threads show demo --messages 2 --json | jq -r '.messages[].content'
    """
    api = connect.api(deployment)
    fields = api.read_thread(thread).raw
    newest, degraded = _newest(api, thread, messages)
    if as_json:
        answer = {**fields, "messages": [message.raw for message in newest], "degraded": degraded}
        print_json({**answer, "sources": endpoints_as_json(deployment.used_endpoints)})
    else:
        print_endpoints(deployment)
        with paged(deployment):
            _print_thread(fields, newest, is_exact=deployment.is_verbose)
    exit_if_degraded(degraded)


def _print_thread(fields: Mapping[str, Any], newest: list[Message], *, is_exact: bool) -> None:
    for name, value in fields.items():
        text = ", ".join(value) if isinstance(value, list) else value
        display_value = time_text(text, is_exact=is_exact) if name in _TIMES else text
        echo(f"{name}: {printable(str('-' if display_value in (None, '') else display_value))}")
    for message in newest:
        echo()
        print_message(message, is_exact=is_exact)


def print_message(message: Message, *, is_exact: bool) -> None:
    """Print a message under its time and role."""
    time = time_text(message.raw["created_at"], is_exact=is_exact) or "-"
    echo(f"{styled(time, 'time')} {printable(message.role)}:")
    echo(printable(message.content))
    if message.metadata:
        echo(f"metadata: {printable(json.dumps(message.metadata, ensure_ascii=False))}")


def _newest(api: MemoryClient, thread_id: str, count: int) -> tuple[list[Message], list[str]]:
    """Return the newest messages of a thread, oldest first, and the layers that did not respond."""
    newest: list[Message] = []
    degraded: dict[str, None] = {}
    if count:
        for page in api.iter_message_pages(thread_id, page_size=min(count, PAGE_SIZE), order="desc"):
            newest += page
            degraded |= dict.fromkeys(page.degraded)
            if len(newest) >= count:
                break
    return newest[:count][::-1], list(degraded)


def exit_if_degraded(degraded: list[str]) -> None:
    """Exit with code 3 if a layer did not respond, because messages may be missing."""
    if degraded:
        warn(f"Error: {', '.join(degraded)} did not respond, so messages may be missing.")
        raise typer.Exit(UNREACHABLE)


@app.command()
@command
def export(
    deployment: Deployment,
    threads: ThreadIds,
    *,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Export threads as NDJSON: one JSON object per line.

    Each thread is one line of kind `thread`, followed by one line of kind `message` for each message, oldest first.
    The export contains every message that exists when the command starts exactly once. It may lack messages that
    arrive later. The file of --output appears when it is complete, and only its owner can read it. With --output
    and --json, the command prints a summary as JSON.

    \b
    Exit codes:
      3  a server did not respond, and the export lacks the messages that only it has

    \b
    Examples:
      hybrid-memory threads export demo > demo.ndjson
      hybrid-memory threads export demo other --output threads.ndjson
      hybrid-memory threads export demo | jq -r 'select(.kind == "message") | .content'
    """
    from cli.export import export_threads  # noqa: PLC0415 - rich's progress bar is imported only for an export

    finish_export(deployment, export_threads(connect.api(deployment), threads, output), output, as_json=as_json)


def finish_export(
    deployment: Deployment, result: Any, output: Path | None, more: dict[str, Any] | None = None, *, as_json: bool
) -> None:
    """Print a summary of the export to standard error, or as JSON, and exit with code 3 if messages are missing."""
    summary = {
        "threads": result.threads,
        "messages": result.messages,
        "degraded": sorted(result.degraded),
        **(more or {}),
    }
    if output is not None and as_json:
        print_json({**summary, "output": str(output), "sources": endpoints_as_json(deployment.used_endpoints)})
    else:
        warn(f"Exported {count_of(result.threads, 'thread')} with {count_of(result.messages, 'message')}.")
    if result.deleted_threads:
        warn(f"{result.deleted_threads} threads were deleted during the export.")
    exit_if_degraded(sorted(result.degraded))


@app.command()
@command
def delete(deployment: Deployment, threads: ThreadIds, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete threads permanently, including their queued messages.

    Without --yes, the command only prints the threads. If one of the threads does not exist, it deletes none.

    \b
    Examples:
      hybrid-memory threads delete demo
      hybrid-memory threads delete demo other --yes
    """
    api = connect.api(deployment)
    existing = [api.read_thread(thread) for thread in dict.fromkeys(threads)]
    deleted: list[str] = []
    if yes:
        try:
            for item in existing:
                api.delete_thread(item.thread_id)
                deleted.append(item.thread_id)
        finally:
            if len(deleted) < len(existing):
                warn(f"{len(deleted)} of {len(existing)} threads were deleted: {', '.join(map(printable, deleted))}.")
    if as_json:
        answer = {"preview": not yes, "items": [item.raw for item in existing], "deleted": deleted}
        print_json({**answer, "sources": endpoints_as_json(deployment.used_endpoints)})
        return
    print_endpoints(deployment)
    print_table(COLUMNS, [thread_row(item, is_exact=deployment.is_verbose) for item in existing])
    echo(f"{'Deleted' if yes else 'Would delete'} {count_of(len(existing), 'thread')} permanently.")
    if not yes:
        print_preview_end()
