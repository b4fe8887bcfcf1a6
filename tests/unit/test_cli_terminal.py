"""The command line on a terminal: width, colors, readable times and the pager."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.main import app
from cli.output import print_table
from cli.times import as_of, time_text
from tests.support.terminal import TerminalRun, run_on_terminal

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)
UUID = "01a20403-af8b-76fb-9bf9-0bc8b1328586"


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=9), "just now"),
        (timedelta(seconds=59.9), "59 s ago"),
        (timedelta(minutes=5, seconds=59), "5 min ago"),
        (timedelta(hours=2, minutes=59), "2 h ago"),
        (timedelta(days=29, hours=23), "29 d ago"),
        (timedelta(days=30), "2026-10-23"),
        (timedelta(minutes=-2), "2026-11-22T16:02:00Z"),
    ],
)
def test_times_are_formatted_as_people_say_them(age: timedelta, text: str) -> None:
    """A time is printed as an age up to a month, and then as a date.

    A time in the future is printed exactly, because it shows that a clock is wrong.
    """
    value = (NOW - age).isoformat().replace("+00:00", "Z")
    assert time_text(value, is_exact=False, now=NOW) == text
    assert time_text(value, is_exact=True, now=NOW) == value
    assert time_text(None, is_exact=False) is None
    assert (as_of("t", is_exact=True), as_of("t", is_exact=False)) == (", as of t", "")


_TABLES = {
    "threads": (
        ("thread", "title", "messages", "created", "updated"),
        (UUID, "A [long] title " * 9, 1234, "59 min ago", "2026-10-23"),
    ),
    "dead letters": (
        ("message id", "age", "received", "reason", "detail", "thread"),
        (UUID, "23 h 59 min", 12, "unknown_version", "version is not 1 " * 9, UUID),
    ),
    "differences": (
        ("thread", "difference", "exchange", "detail"),
        (UUID, "unreadable", UUID, "the key is not a list"),
    ),
    "queues": (
        ("queue", "visible", "in flight", "delayed", "oldest"),
        ("dead-letter queue", 123456, 12345, 12345, "13 d 23 h"),
    ),
    "preferences": (("name", "value"), ("tone", "brief " * 40)),
    "user data": (("store", "data", "before", "after"), ("dead-letter queue", "preferences", 123456, "not counted")),
    "migrations": (("pending", "what it does"), ("0021", "Let a statement end on the server when its caller gives up")),
}


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("name", _TABLES)
def test_ids_and_times_stay_whole_at_any_usual_width(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 and at 60 columns, no line is longer than the terminal, and no id, number or time is broken."""
    columns, row = _TABLES[name]
    terminal = Console(width=width, no_color=True)
    monkeypatch.setattr("cli.output.is_terminal", lambda: True)
    monkeypatch.setattr("cli.output.Console", lambda: terminal)
    with terminal.capture() as captured:
        print_table(columns, [row, row])
    lines = captured.get().splitlines()
    assert all(len(line) <= width for line in lines)
    for column, cell in zip(columns, row, strict=True):
        if column in {"thread", "exchange", "message id", "created", "updated", "age", "oldest"} or isinstance(
            cell, int
        ):
            assert sum(str(cell) in line for line in lines) >= 2, captured.get()


def _pages(count: int, *, columns: int = 80, options: str = "", **environment: str) -> TerminalRun:
    """Print `count` lines on a terminal with 24 lines."""
    code = (
        "from cli.deployment import Deployment; from cli.options import CliOptions; from cli.output import echo\n"
        f"from cli.pager import paged\nwith paged(Deployment(CliOptions({options}))):\n"
        f"    [echo(f'line {{n}}') for n in range({count})]"
    )
    return run_on_terminal([sys.executable, "-c", code], {**os.environ, **environment}, columns=columns, directory=ROOT)


PAGER = "sed s/line/paged/"


def test_long_output_on_a_terminal_has_a_pager() -> None:
    """Output that is longer than the terminal goes through `PAGER`. Shorter output does not."""
    assert "paged 99\n" in _pages(100, PAGER=PAGER).text
    assert "line 9\n" in _pages(10, PAGER=PAGER).text
    assert "line 19\n" in _pages(20, PAGER=PAGER).text
    assert "paged 19\n" in _pages(20, columns=4, PAGER=PAGER).text


@pytest.mark.parametrize("pager", ["", "cat", "no-such-program"])
def test_no_pager_prints_directly(pager: str) -> None:
    """An empty or missing pager, or `--no-pager`, prints everything directly."""
    for run in (_pages(100, PAGER=pager), _pages(100, options="no_pager=True", PAGER=PAGER)):
        assert (run.code, "line 0\n" in run.text, "line 99\n" in run.text) == (0, True, True)


def test_a_pager_that_ends_early_is_no_error() -> None:
    """If the user closes the pager before the end of the output, no error is printed."""
    run = _pages(100_000, PAGER="head -n 1")
    assert (run.code, run.text) == (0, "line 0\n")


@pytest.mark.parametrize(
    ("variables", "has_colors"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colors_are_printed_only_on_terminals_that_allow_them(variables: dict[str, str], *, has_colors: bool) -> None:
    """An error is colored on a terminal, unless `NO_COLOR` or `TERM=dumb` is set."""
    command = [sys.executable, "-c", "from cli.main import app; app()", "threads", "show", "x", "--api-url", "ftp://x"]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    run = run_on_terminal(command, {**environment, **variables}, directory=ROOT)
    assert (run.code, "\x1b[31mError:\x1b[0m api_url must" in run.raw) == (2, has_colors)
    assert run.text.startswith("Error: api_url must start with http")


def test_help_groups_options_and_commands() -> None:
    """A command's help lists the command's own options first, and the options that name the deployment last."""
    text = CliRunner().invoke(app, ["threads", "list", "--help"]).output
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options:", "Output:", "Deployment:"]
    root = CliRunner().invoke(app, ["--help"]).output
    assert root.index("Conversations and users:\n") < root.index("  threads") < root.index("Operations:\n")
    assert "..." not in root.partition("Conversations and users:")[2]


@pytest.mark.parametrize("words", [[], ["threads", "list"], ["users", "forget"]])
def test_completion_works(words: list[str]) -> None:
    """The shell's completion offers subcommands and options."""
    line = " ".join(["hybrid-memory", *words, "--" if words else "th"])
    environment = {"_HYBRID_MEMORY_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) + 1)}
    result = CliRunner().invoke(app, [], env=environment, prog_name="hybrid-memory")
    assert ("--json" if words else "threads") in result.stdout.split()
