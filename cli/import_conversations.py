"""`hybrid-memory import`: conversations of other tools, with their original dates."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli import connect
from cli.arguments import check_optional
from cli.command import INTERRUPTED, PROBLEM_FOUND, command
from cli.deployment import Deployment
from cli.importing.plan import Format, Plan, read_parts
from cli.importing.records import Defaults, InvalidRecordError, NotImported
from cli.importing.store import Importer, ImportResult
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
from cli.times import iso_time
from hybrid_memory_client import MemoryClientError

_MAX_SHOWN: Final = 20


@command
def import_(  # noqa: PLR0913 - each argument is an option
    deployment: Deployment,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")],
    *,
    file_format: Annotated[Format, typer.Option("--format", help="The tool that the file is from.")] = Format.jsonl,
    thread: Annotated[
        str | None, typer.Option(help="The thread of records that name none.", callback=check_optional)
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="The user of records that name none.", callback=check_optional)
    ] = None,
    skip_invalid: Annotated[bool, typer.Option("--skip-invalid", help="Import the rest of the file.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, max=500, help="Maximum exchanges per second.")] = 50,
    first: Annotated[int, typer.Option("--from", min=1, help="Number of the exchange to begin with.")] = 1,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Import conversations with their original dates.

    Without --yes, the command only reads the file and prints what it contains. Each exchange gets an id that depends
    only on its source, thread, time and texts. So a repeated import, or the import of a longer export, stores each
    exchange once, and never replaces one. A message without a counterpart is stored as an exchange with one text.
    Explicit memories of an export are set if the user has none in the same words, and no preference of the name.
    Learned memories are learned again from the exchanges.

    The format jsonl has one object per line: a message with thread_id, role, content and created_at, or an exchange
    with thread_id, user_message, assistant_message and created_at. user_id is optional. It is also the format of
    `threads export` and `users export`. The recipe docs/recipes/import.md describes all formats.

    \b
    Exit codes:
      1  records are invalid, or exchanges or memories were refused

    \b
    Examples:
      hybrid-memory import chats.jsonl
      hybrid-memory import chats.jsonl --yes
      hybrid-memory import threads.json --format zep --user ada --yes
      hybrid-memory import chats.jsonl --json | jq '.invalid[]'
    """
    defaults = Defaults(thread, user)
    plan = Plan()
    for part in read_parts(file, file_format, defaults):
        plan.add(part)
    answer: dict[str, Any] = {"preview": not yes, "file": str(file), "format": file_format.value, **plan.to_json()}
    is_refused = bool(plan.invalid) and not skip_invalid
    if not yes or is_refused:
        if as_json:
            nothing = {"stored": 0, "titles_set": 0, "memories_set": 0, "memories_known": 0, "refused": []}
            print_json({**answer, "preview": True, **nothing, **_sources(deployment)})
        else:
            print_endpoints(deployment)
            _print_plan(plan)
        _finish_preview(plan, is_refused=is_refused, yes=yes, as_json=as_json)
        return
    result = ImportResult()
    importer = Importer(connect.importing_api(deployment), rate, is_skipping=skip_invalid, result=result)
    try:
        with progress("Import", plan.exchanges) as advance:
            importer.store(read_parts(file, file_format, defaults), first, lambda done: advance(done, None))
    except KeyboardInterrupt:
        _print_stop(result, plan)
        raise typer.Exit(INTERRUPTED) from None
    except InvalidRecordError:
        _print_stop(result, plan)
    except MemoryClientError:
        _print_stop(result, plan)
        raise
    if as_json:
        refused = [{"position": each.position, "reason": each.reason} for each in result.refused]
        counts = {
            "stored": result.stored,
            "titles_set": result.titles,
            "memories_set": result.memories,
            "memories_known": result.known_memories,
        }
        print_json({**answer, **counts, "refused": refused, **_sources(deployment)})
    else:
        print_endpoints(deployment)
        _print_result(result, plan)
    _print_problems(result.refused)
    if result.refused:
        raise typer.Exit(PROBLEM_FOUND)


def _sources(deployment: Deployment) -> dict[str, Any]:
    return {"sources": endpoints_as_json(deployment.used_endpoints)}


def _finish_preview(plan: Plan, *, is_refused: bool, yes: bool, as_json: bool) -> None:
    if is_refused:
        invalid = f"Error: {len(plan.invalid)} records are invalid."
        warn(f"{invalid} Correct them, or give --skip-invalid. Nothing was changed.")
        raise typer.Exit(PROBLEM_FOUND)
    if not yes and not as_json:
        print_preview_end()


def _print_stop(result: ImportResult, plan: Plan) -> None:
    warn(
        f"Stopped after {result.done} of {plan.exchanges} exchanges. Continue with --from {result.done + 1}, "
        "or repeat the command: it stores each exchange once."
    )


def _print_plan(plan: Plan) -> None:
    if plan.exchanges or plan.preferences or plan.memories:
        print_table(
            ("data", "count"),
            [
                ("threads", len(plan.threads)),
                ("users", len(plan.users)),
                ("exchanges", plan.exchanges),
                ("of these with one text only", plan.incomplete),
                ("users with preferences", plan.preferences),
                ("explicit memories", plan.memories),
            ],
        )
    if plan.exchanges:
        echo(f"The exchanges are from {iso_time(plan.first)} to {iso_time(plan.last)}.")
    else:
        echo("The file has no conversations.")
    _print_unimported(plan)
    _print_not_imported(plan.not_imported)
    _print_problems(plan.invalid)


def _print_result(result: ImportResult, plan: Plan) -> None:
    _print_problems(plan.invalid)
    _print_not_imported(plan.not_imported)
    stored = f"{count_of(result.stored, 'exchange')} of {count_of(len(plan.threads), 'thread')}"
    echo(f"Stored {stored}, and {count_of(result.preferences, 'preference')}.")
    if result.titles:
        echo(f"Renamed {count_of(result.titles, 'thread')} as in the file.")
    if plan.memories:
        known = f"; the users have {result.known_memories} of the file already" if result.known_memories else ""
        echo(f"Set {_memories(result.memories, 'explicit')}{known}.")
    _print_unimported(plan)


def _print_unimported(plan: Plan) -> None:
    if plan.to_learn:
        echo(f"{_memories(plan.to_learn, 'learned')} of the file can be learned again from the exchanges.")
    if plan.ended:
        echo(f"Not imported: {_memories(plan.ended, 'explicit')} that ended before the export.")


def _memories(count: int, source: str) -> str:
    return f"{count} {source} {'memory' if count == 1 else 'memories'}"


def _print_problems(problems: list[InvalidRecordError]) -> None:
    for problem in problems[:_MAX_SHOWN]:
        warn(printable(f"{problem.position}: {problem.reason}"))
    if len(problems) > _MAX_SHOWN:
        warn(f"{len(problems) - _MAX_SHOWN} more: --json has all of them.")


def _print_not_imported(parts: list[NotImported]) -> None:
    for part in parts[:_MAX_SHOWN]:
        warn(printable(f"Not imported: {part.position}: {part.reason}"))
    if len(parts) > _MAX_SHOWN:
        warn(f"{len(parts) - _MAX_SHOWN} more parts are not imported: --json has all of them.")
