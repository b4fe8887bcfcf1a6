"""Output: rich tables on a terminal, plain text elsewhere, JSON on request. Colors mark roles."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, TextIO
from unicodedata import category

import typer
from rich.cells import cell_len
from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cli.deployment import Deployment, Endpoint

Role = Literal["ok", "warning", "error", "id", "time", "quiet"]
# Colors that are readable on dark and on light terminals.
STYLES: Final[dict[Role, str]] = {
    "ok": "green",
    "warning": "yellow",
    "error": "red",
    "id": "cyan",
    "time": "magenta",
    "quiet": "bright_black",
}
_ROLES: Final[dict[str, Role]] = {
    **dict.fromkeys(("thread", "exchange", "message id", "request", "applied", "pending"), "id"),
    **dict.fromkeys(("created", "updated", "age", "oldest", "as of"), "time"),
}
# A terminal shows these texts on one line and omits their ends.
_ONE_LINE: Final = frozenset({"title"})
_ERROR: Final = "Error:"
_UUID_LENGTH: Final = 36
_MIN_COLUMNS: Final = 20
# Minimum width of a table's column on a terminal; a column with shorter cells may be narrower.
_MIN_COLUMN: Final = 8
# A terminal shows times without fractions of a second: two times with fractions would fill most of 80 columns.
_ISO_TIME: Final = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z$")
# Characters that `str.isprintable` rejects although texts need them: joiners (emoji, Persian, Hindi), word breaks in
# scripts without spaces, and signs before Arabic numbers.
_JOINERS: Final = frozenset("\u200b\u200c\u200d\u2060\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
# A flag emoji with its tags stays unchanged. Every other character is checked by `_escape`.
_TEXT: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f|(.)", re.DOTALL)


def is_terminal() -> bool:
    """Return whether the output is a terminal."""
    return sys.stdout.isatty()


def echo(text: str = "") -> None:
    """Print a line."""
    typer.echo(text)


def warn(text: str) -> None:
    """Print a line to standard error."""
    if text.startswith(_ERROR):
        text = styled(_ERROR, "error", stream=sys.stderr) + text.removeprefix(_ERROR)
    typer.echo(text, err=True)


def print_preview_end() -> None:
    """Print how to run a command that has only shown what it would do."""
    echo("Nothing was changed. Repeat with --yes to do it.")


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, e.g. `1 thread` or `2 threads`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def styled(text: str, role: Role, stream: TextIO | None = None) -> str:
    """Return the text in its role's color; unchanged unless the stream (by default stdout) is a terminal.

    `NO_COLOR` and `TERM=dumb` turn colors off.
    """
    return typer.style(text, fg=STYLES[role]) if _has_styles(stream) else text


def emphasized(text: str) -> str:
    """Return a match of a search as bold red text; unchanged where `styled` leaves a text unchanged."""
    return typer.style(text, fg="red", bold=True) if _has_styles() else text


def _has_styles(stream: TextIO | None = None) -> bool:
    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return not is_plain and (stream or sys.stdout).isatty()


def print_json(answer: Mapping[str, Any], *, on_one_line: bool = False) -> None:
    """Print one JSON object. With `on_one_line`, print one line even on a terminal."""
    typer.echo(json.dumps(answer, indent=2 if is_terminal() and not on_one_line else None, ensure_ascii=False))


def console() -> Console:
    """Return the terminal, with 80 columns if it reports fewer than any table needs."""
    terminal = Console()
    return terminal if terminal.width >= _MIN_COLUMNS else Console(width=80)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table. On a terminal that is too narrow for it, print each row as lines of names and values."""
    if is_terminal():
        terminal = console()
        is_narrow = _least_width(columns, rows) > terminal.width
        terminal.print(rich_records(columns, rows) if is_narrow else rich_table(columns, rows))
    else:
        typer.echo(plain_table(columns, rows))


def rich_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table for a terminal."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    cells = [[_ISO_TIME.sub(r"\1Z", _cell(cell)) for cell in row] for row in rows]
    for index, column in enumerate(columns):
        # Times and ids do not wrap; a narrow terminal wraps the other columns.
        must_not_wrap = _must_not_wrap(column, [row[index] for row in cells])
        table.add_column(column, overflow="fold", no_wrap=must_not_wrap, style=_style(column))
    for row in cells:
        # The cells are `Text` objects, because rich would read brackets in a thread id as markup.
        table.add_row(*(_text(column, cell) for column, cell in zip(columns, row, strict=True)))
    return table


def _text(column: str, cell: str) -> Text:
    return Text(cell, no_wrap=True, overflow="ellipsis") if column in _ONE_LINE else Text(cell)


def _style(column: str) -> str:
    return STYLES[_ROLES[column]] if column in _ROLES else ""


def _must_not_wrap(column: str, cells: Sequence[str]) -> bool:
    """Return whether a column must not wrap. Only an id that is longer than a UUID may wrap."""
    if any(_ISO_TIME.fullmatch(cell) for cell in cells):
        return True
    return column in _ROLES and all(cell_len(cell) <= _UUID_LENGTH for cell in cells)


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
    """Return a table's minimum width. Times and ids must fit on one line; other cells can wrap."""
    widths = []
    for index, column in enumerate(columns):
        cells = [_ISO_TIME.sub(r"\1Z", _cell(row[index])) for row in rows]
        widest = max((cell_len(cell) for cell in (column, *cells)), default=0)
        widths.append(widest if _must_not_wrap(column, cells) else min(widest, max(_MIN_COLUMN, cell_len(column))))
    return sum(widths) + 2 * (len(columns) - 1)


def rich_records(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Group:
    """Return a table's rows for a narrow terminal: one line for each name and value."""
    records: list[Table | Text] = []
    for row in rows:
        record = Table(box=None, show_header=False, pad_edge=False)
        record.add_column(style="bold", no_wrap=True)
        record.add_column(overflow="fold")
        for column, cell in zip(columns, row, strict=True):
            record.add_row(column, Text(_ISO_TIME.sub(r"\1Z", _cell(cell)), _style(column)))
        records += [record, Text()]
    return Group(*records)


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as lines of text in columns."""
    lines = [[column.upper() for column in columns], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar on a terminal. Yield a function that sets the number of finished items and the total.

    If `total` is None, the bar shows only the number of finished items.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of or total)


def print_endpoints(deployment: Deployment) -> None:
    """With `--verbose`, print each used address and its source."""
    if deployment.is_verbose:
        for name, endpoint in deployment.used_endpoints.items():
            warn(f"{name}: {printable(endpoint.redacted_url)} (from {endpoint.source})")


def endpoints_as_json(used: Mapping[str, Endpoint]) -> dict[str, dict[str, str]]:
    """Return each used address and its source."""
    return {name: {"url": endpoint.redacted_url, "source": endpoint.source} for name, endpoint in used.items()}


def printable(text: str) -> str:
    """Return the text with control characters escaped, except newlines and tabs."""
    return _TEXT.sub(lambda match: _escape(match[1]) if match[1] else match[0], text)


def _escape(character: str) -> str:
    if character.isprintable() or character in "\n\t" or character in _JOINERS or category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def _cell(value: object) -> str:
    return "-" if value is None else printable(str(value)).replace("\n", " ")
