"""`hybrid-memory memories`: what is known about a user."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

import typer

from cli import connect
from cli.arguments import UserId
from cli.command import UNREACHABLE, command, group
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
    warn,
)
from cli.pager import paged
from cli.times import time_text
from hybrid_memory_client import Memory

app = group("Show and change what is known about a user.")
MemoryId = Annotated[UUID, typer.Argument(metavar="MEMORY", help="The memory's id.", show_default=False)]
MemoryText = Annotated[str, typer.Argument(metavar="TEXT", help="What is known.", show_default=False)]
_LEARNED: Final = "A deleted memory is not learned again from earlier exchanges."


@app.command("list")
@command
def list_(
    deployment: Deployment,
    user: UserId,
    *,
    show_all: Annotated[bool, typer.Option("--all", help="Also list memories that have ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is known about a user, the newest first.

    \b
    Exit codes:
      3  a server did not respond, and some memories may be missing

    \b
    Examples:
      hybrid-memory memories list ada
      hybrid-memory memories list ada --all --json | jq -r '.items[].text'
    """
    pages = list(connect.api(deployment).iter_memory_pages(user, include_superseded=show_all))
    memories = [each for page in pages for each in page]
    # What does not fit into a page is on the next one; only the last page can lack memories.
    omitted, degraded = pages[-1].omitted, list(dict.fromkeys(layer for page in pages for layer in page.degraded))
    if as_json:
        answer = {"items": [dict(each.raw) for each in memories], "omitted": omitted, "degraded": degraded}
        print_json({"user_id": user, **answer, "sources": endpoints_as_json(deployment.used_endpoints)})
    else:
        print_endpoints(deployment)
        with paged(deployment):
            if memories:
                columns = ("memory", "kind", "text", "since", *(("until",) if show_all else ()), "source")
                print_table(columns, [_row(each, show_all, is_exact=deployment.is_verbose) for each in memories])
            echo(f"{len(memories)} {'memory' if len(memories) == 1 else 'memories'} of {printable(user)}.")
            if omitted:
                echo(f"{omitted} older ones are missing, because the API cannot continue the list.")
    if degraded:
        warn(f"{', '.join(degraded)} did not respond, so some memories may be missing.")
        raise typer.Exit(UNREACHABLE)


def _row(memory: Memory, show_all: bool, *, is_exact: bool) -> list[object]:  # noqa: FBT001 - the command's option
    since = time_text(memory.raw["valid_from"], is_exact=is_exact)
    until = [_end(memory, is_exact=is_exact)] if show_all else []
    return [memory.id, memory.kind, _text(memory), since, *until, memory.source]


def _text(memory: Memory) -> str:
    return memory.text if memory.key is None else f"{memory.key}: {memory.text}"


def _end(memory: Memory, *, is_exact: bool) -> str | None:
    return time_text(memory.raw.get("valid_to"), is_exact=is_exact)


@app.command()
@command
def show(deployment: Deployment, user: UserId, memory: MemoryId, *, as_json: AsJson = False) -> None:
    """Show a memory with the words that it is learned from, and where they were said.

    \b
    Examples:
      hybrid-memory memories show ada 5d8f0a52-7f2b-8c11-9d0e-2f6b1c3a4e5f
    """
    _print(deployment, user, connect.api(deployment).read_memory(user, memory), as_json=as_json)


@app.command()
@command
def add(
    deployment: Deployment,
    user: UserId,
    text: MemoryText,
    *,
    key: Annotated[str | None, typer.Option(metavar="NAME", help="Add a preference of this name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set a fact or a preference explicitly. It is stronger than what is learned about the same.

    \b
    Examples:
      hybrid-memory memories add ada "Lives in Rome"
      hybrid-memory memories add ada metric --key units
    """
    api = connect.api(deployment)
    memory = api.add_memory(user, text) if key is None else api.add_memory(user, text, kind="preference", key=key)
    _print(deployment, user, memory, as_json=as_json)


@app.command()
@command
def correct(
    deployment: Deployment, user: UserId, memory: MemoryId, text: MemoryText, *, as_json: AsJson = False
) -> None:
    """Replace a memory's text. The old text is not learned again from earlier exchanges.

    \b
    Examples:
      hybrid-memory memories correct ada 5d8f0a52-7f2b-8c11-9d0e-2f6b1c3a4e5f "Lives in Oslo"
    """
    _print(deployment, user, connect.api(deployment).correct_memory(user, memory, text), as_json=as_json)


@app.command()
@command
def forget(
    deployment: Deployment, user: UserId, memory: MemoryId, *, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Delete a memory. It is not learned again from earlier exchanges. Without --yes, only show it.

    \b
    Examples:
      hybrid-memory memories forget ada 5d8f0a52-7f2b-8c11-9d0e-2f6b1c3a4e5f --yes
    """
    api = connect.api(deployment)
    known = api.read_memory(user, memory)
    if yes:
        api.delete_memory(user, memory)
    if as_json:
        answer = {"preview": not yes, "user_id": user, "memory": dict(known.raw)}
        print_json({**answer, "sources": endpoints_as_json(deployment.used_endpoints)})
        return
    print_endpoints(deployment)
    if yes:
        echo(f"Deleted: {printable(_text(known))}. {_LEARNED}")
        return
    _print_memory(known, is_exact=deployment.is_verbose)
    print_preview_end()


@app.command()
@command
def rebuild(deployment: Deployment, user: UserId, *, as_json: AsJson = False) -> None:
    """Learn from all stored exchanges of a user again.

    The command marks the user's threads in PostgreSQL. The sweep sends them to the derive function, which replaces
    what was learned from each exchange. Deleted memories do not return, and explicit ones do not change. Memories can
    be used meanwhile.

    \b
    Examples:
      hybrid-memory memories rebuild ada
    """
    threads = connect.archive(deployment).mark_user(user)
    if as_json:
        answer = {"user_id": user, "threads": threads, "as_of": datetime.now(UTC).isoformat(timespec="seconds")}
        print_json({**answer, "sources": endpoints_as_json(deployment.used_endpoints)})
        return
    print_endpoints(deployment)
    echo(f"{count_of(threads, 'thread')} of {printable(user)} will be read again.")
    if threads:
        echo("The sweep sends them to the derive function within a few minutes. `memories list` shows the result.")


def _print(deployment: Deployment, user: str, memory: Memory, *, as_json: bool) -> None:
    if as_json:
        answer = {"user_id": user, "memory": dict(memory.raw)}
        print_json({**answer, "sources": endpoints_as_json(deployment.used_endpoints)})
        return
    print_endpoints(deployment)
    with paged(deployment):
        _print_memory(memory, is_exact=deployment.is_verbose)


def _print_memory(memory: Memory, *, is_exact: bool) -> None:
    since = time_text(memory.raw["valid_from"], is_exact=is_exact)
    end = _end(memory, is_exact=is_exact)
    echo(printable(_text(memory)))
    echo(f"{memory.kind}, {memory.source}, since {since}{f', until {end}' if end else ''}, id {memory.id}")
    if memory.superseded_by is not None:
        echo(f"superseded by {memory.superseded_by}")
    for each in memory.evidence:
        echo(f"  “{printable(' '.join(each.quote.split()))}”")
        echo(f"    in thread {printable(each.thread_id)}, exchange {each.exchange_id}")
