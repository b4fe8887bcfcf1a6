"""What a person or a program gets to read: rich tables on a terminal, plain text elsewhere, JSON when asked for."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from unicodedata import category

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cli.deployment import Deployment, Endpoint

UNKNOWN: Final = "unknown"
_MIN_COLUMNS: Final = 20
# To the second on a terminal: two of these with their fractions would fill most of 80 columns.
_MOMENT: Final = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z$")
# What Python calls unprintable although it is text: joiners (emoji, Persian, Hindi), breaks of words in scripts without
# spaces, signs before Arabic numbers; and below, every width of space, and a flag's tags behind its flag.
_JOINERS: Final = frozenset("\u200b\u200c\u200d\u2060\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
_TEXT: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f|(.)", re.DOTALL)


def is_terminal() -> bool:
    """Return whether the output is a terminal."""
    return sys.stdout.isatty()


def echo(text: str = "") -> None:
    """Print a line."""
    typer.echo(text)


def warn(text: str) -> None:
    """Print a line where errors go."""
    typer.echo(text, err=True)


def print_json(answer: Mapping[str, Any], *, on_one_line: bool = False) -> None:
    """Print one JSON object; on one line where a program reads it, or reads several."""
    typer.echo(json.dumps(answer, indent=2 if is_terminal() and not on_one_line else None, ensure_ascii=False))


def console() -> Console:
    """Return the terminal; one that says it is too narrow for any table is taken for one of 80 columns."""
    told = Console()
    return told if told.width >= _MIN_COLUMNS else Console(width=80)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table."""
    if is_terminal():
        console().print(rich_table(columns, rows))
    else:
        typer.echo(plain_table(columns, rows))


def rich_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table for a terminal."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    cells = [[_MOMENT.sub(r"\1Z", _cell(cell)) for cell in row] for row in rows]
    for place, column in enumerate(columns):
        holds_moments = any(_MOMENT.fullmatch(row[place]) for row in cells)
        # A moment is read as a whole; what a narrow terminal lacks is taken from the other columns.
        table.add_column(column, overflow="fold", no_wrap=holds_moments)
    for row in cells:
        # As text: brackets in a thread id are no markup.
        table.add_row(*map(Text, row))
    return table


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as lines of text in columns."""
    lines = [[column.upper() for column in columns], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on a terminal; what this yields is called with how many are done, of how many.

    With `total` None it is unknown: the bar then only counts.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of or total)


def print_endpoints(deployment: Deployment) -> None:
    """With `--verbose`, say which deployment this is about, and who named it."""
    if deployment.is_verbose:
        for name, place in deployment.used.items():
            warn(f"{name}: {printable(place.shown)} (from {place.source})")


def endpoints_as_json(used: Mapping[str, Endpoint]) -> dict[str, dict[str, str]]:
    """Return the same for a program."""
    return {name: {"url": place.shown, "source": place.source} for name, place in used.items()}


def moment(value: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(seconds: float | None) -> str:
    """Return a length of time as people say it."""
    if seconds is None:
        return UNKNOWN
    minute, hour, day = 60, 3600, 86400
    if seconds < minute:
        return f"{seconds:.1f} s"
    if seconds < hour:
        return f"{seconds // minute:.0f} min {seconds % minute:.0f} s"
    if seconds < day:
        return f"{seconds // hour:.0f} h {seconds % hour // minute:.0f} min"
    return f"{seconds // day:.0f} d {seconds % day // hour:.0f} h"


def printable(text: str) -> str:
    """Return the text without what a terminal would obey; lines and tabs stay."""
    return _TEXT.sub(lambda found: _shown(found[1]) if found[1] else found[0], text)


def _shown(character: str) -> str:
    if character.isprintable() or character in "\n\t" or character in _JOINERS or category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def _cell(value: object) -> str:
    return "-" if value is None else printable(str(value)).replace("\n", " ")
