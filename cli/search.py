"""`hybrid-memory search`: finds what a user said or was told, through the deployment's API."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

import shutil
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from cli import connect
from cli.arguments import OptionalThreadId, OptionalUserId
from cli.command import PROBLEM_FOUND, UNREACHABLE, command
from cli.deployment import Deployment
from cli.excerpts import Span, excerpt, lines_of
from cli.options import AsJson
from cli.output import (
    count_of,
    echo,
    emphasized,
    endpoints_as_json,
    print_endpoints,
    print_json,
    printable,
    styled,
    warn,
)
from cli.pager import paged
from cli.times import time_text
from hybrid_memory_client import InvalidRequest, SearchItem, SearchResult
from shared.errors import SettingsError

_MAX_ITEMS: Final = 100
# The number of lines of one message.
_MAX_LINES: Final = 3
_MIN_WIDTH: Final = 20
_ROLES: Final = {"user": "user_message", "assistant": "assistant_message"}


def _parse_time(value: str | datetime | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    try:
        # A time without a time zone is local.
        return datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{value} is not a date or time such as 2026-11-22 or 2026-11-22T16:00Z.") from None


def _time_option(text: str) -> Any:
    return typer.Option(metavar="TIME", parser=_parse_time, help=text)


@command
def search(
    deployment: Deployment,
    query: Annotated[list[str], typer.Argument(metavar="QUERY...", help="The words to find.", show_default=False)],
    *,
    user: OptionalUserId = None,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_ITEMS, help="Maximum number of exchanges.")] = 10,
    thread: OptionalThreadId = None,
    since: Annotated[datetime | None, _time_option("Search only exchanges from this time on.")] = None,
    until: Annotated[datetime | None, _time_option("Search only exchanges before this time.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search everything that a user said or was told, the best match first.

    An exchange can be found as soon as it is accepted. Any of the words may match, and rare words count more. The
    command prints the lines that match, at most three of each message, shortened to the terminal's width. TIME is a
    date or a time in ISO 8601, in the local time zone unless it names one.

    \b
    Exit codes:
      0  exchanges were found, even if not everything could be searched
      1  nothing was found, and everything was searched
      3  a server did not respond, and nothing was found in what could be searched

    \b
    Examples:
      hybrid-memory search "dog's name" --user ada
      hybrid-memory search invoice --user ada --since 2026-11-01 --limit 50
      hybrid-memory search invoice --user ada --json | jq -r '.items[].user_message'
    """
    try:
        result = connect.api(deployment).search(
            " ".join(query), user_id=user, limit=limit, thread_id=thread, since=since, until=until
        )
    except InvalidRequest as error:
        if user is not None or all(each.field != "user_id" for each in error.errors):
            raise
        raise SettingsError("Set --user ID. It is optional only with a user's own token.") from None
    if as_json:
        print_json({**result.raw, "sources": endpoints_as_json(deployment.used_endpoints)})
    else:
        print_endpoints(deployment)
        with paged(deployment):
            _print(result, limit, is_exact=deployment.is_verbose)
    _finish(result)


def _print(result: SearchResult, limit: int, *, is_exact: bool) -> None:
    for item in result:
        _print_item(item, is_exact=is_exact)
        echo()
    if result.items:
        more = ". More may match: use --limit" if limit == len(result) < _MAX_ITEMS else ""
        echo(f"{count_of(len(result), 'exchange')}{more}.")
    elif result.is_complete:
        echo("Nothing found.")


def _print_item(item: SearchItem, *, is_exact: bool) -> None:
    time = time_text(item.raw["created_at"], is_exact=is_exact) or "-"
    title = " ".join((item.title or "").split())
    width = _width()
    shown = "".join(piece.text for piece in excerpt(title, (), max(_MIN_WIDTH, width)))
    echo(f"{styled(time, 'time')} {styled(printable(item.thread_id), 'id')}")
    if shown:
        echo(shown)
    for role, field in _ROLES.items():
        spans = [(each.start, each.end) for each in item.highlights if each.field == field]
        _print_message(role, getattr(item, field), spans, width)


def _print_message(role: str, text: str, spans: list[Span], width: int) -> None:
    """Print the lines of a message that match; the first line with text if none does."""
    lines = [(line, own) for line, own in lines_of(text, spans) if line.strip()]
    matching = [(line, own) for line, own in lines if own] or lines[:1] or [("", [])]
    label = f"  {role}: "
    for line, own in matching[:_MAX_LINES]:
        pieces = excerpt(line, own, max(_MIN_WIDTH, width - len(label)))
        echo(label + "".join(emphasized(piece.text) if piece.is_match else piece.text for piece in pieces))
        label = " " * len(label)
    if len(matching) > _MAX_LINES:
        echo(f"{label}({count_of(len(matching) - _MAX_LINES, 'more line')})")


def _width() -> int:
    return shutil.get_terminal_size().columns


def _finish(result: SearchResult) -> None:
    """Say whether the search was incomplete, and exit with its code."""
    if not result.is_complete:
        layers = ", ".join(layer for layer in result.degraded if layer != "search")
        reason = f"{layers} did not respond, so " if layers else ""
        up_to = result.raw["searched_up_to"]
        known = f" Everything up to {up_to} was searched." if up_to else ""
        warn(f"{'' if result.items else 'Error: '}{reason}not everything was searched.{known}")
    if not result.items:
        raise typer.Exit(PROBLEM_FOUND if result.is_complete else UNREACHABLE)
