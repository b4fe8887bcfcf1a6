from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from cli import connect
from cli.dead_letters import describe, matches_id
from cli.main import app
from cli.output import plain_table, print_table, printable, progress, rich_table
from cli.times import format_duration, iso_time
from shared.errors import StoreUnavailable
from shared.stores.sqs.messages import QueuedMessage
from tests.support.exchanges import exchange
from tests.support.fake_api import API_URL, problem, use_fake_api

ROOT = Path(__file__).parents[2]


def test_the_output_has_no_control_characters() -> None:
    """The output never contains another user's control characters."""
    assert printable("a\x1b[31mb\x07\u202e\nc\td") == "a\\x1b[31mb\\x07\\u202e\nc\td"
    assert plain_table(["x"], [["\x1b[2J"]]) == "X\n\\x1b[2J"


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f469\u200d\U0001f4bb \u2764\ufe0f \U0001f44d\U0001f3fd",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "\u65e5\u672c\u3000\u8a9e",
        "12\u202f000\u00a0km",
        "e\u0301",
    ],
    ids=["emoji", "flag", "persian", "hindi", "japanese", "french", "combining"],
)
def test_emoji_joiners_and_spaces_stay_unchanged(text: str) -> None:
    """Joiners, emoji and spaces of any width stay unchanged."""
    assert printable(text) == text


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x9b", "\x7f", "\u202a", "\u202e", "\u2066", "\u2069", "\u2028", "\ud800", "\U000e0041", "\r", "\x85"],
)
def test_control_characters_are_escaped(character: str) -> None:
    """The output escapes control characters, direction overrides, lone surrogates, and flag tags outside a flag."""
    output = printable(f"a{character}b")
    assert output.isascii()
    assert output.startswith("a\\")
    assert output.endswith("b")


def test_timestamps_are_complete_in_80_columns() -> None:
    """Two timestamps fit next to an id of 36 characters and a long title."""
    console = Console(width=80, no_color=True)
    moments = "2026-11-22T16:08:00.139000Z", "2026-11-23T16:08:00.139Z"
    row = ["01a20403-af8b-76fb-9bf9-0bc8b1328586", "A title of many words " * 5, 12, *moments]
    with console.capture() as captured:
        console.print(rich_table(["thread", "title", "messages", "created", "updated"], [row]))
    assert all(f"{moment[:19]}Z" in captured.get() for moment in moments)
    assert all(len(line) <= 80 for line in captured.get().splitlines())


@pytest.mark.parametrize("width", [25, 40, 60])
def test_a_narrow_terminal_shows_every_value(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a narrow terminal, each row becomes lines of names and values, because a table has no room for the ids."""
    narrow = Console(width=width, no_color=True)
    monkeypatch.setattr("cli.output.is_terminal", lambda: True)
    monkeypatch.setattr("cli.output.Console", lambda: narrow)
    row = ["01a20403-af8b", "A [title]", 12, "2026-11-22T16:08:00.139Z", "2026-11-23T16:08:00.139Z"]
    with narrow.capture() as captured:
        print_table(["thread", "title", "messages", "created", "updated"], [row, row])
    output = captured.get().replace("\n", "").replace(" ", "")
    for value in ("01a20403-af8b", "A[title]", "12", "2026-11-22T16:08:00Z", "2026-11-23T16:08:00Z"):
        assert output.count(value) == 2
    assert all(len(line) <= width for line in captured.get().splitlines())


@pytest.mark.parametrize(("redirection", "code"), [(">/dev/full", 1), (">&-", 0), (">&- 2>&-", 0), ("| true", 0)])
@pytest.mark.parametrize("words", ["--version", "--help"])
def test_a_full_disk_is_an_error_and_a_closed_output_is_not(words: str, redirection: str, code: int) -> None:
    """A full disk causes a one-sentence error message. An output that the shell has closed causes no error."""
    line = f"\"$0\" -c 'from cli.main import app; app()' {words} {redirection}"
    result = subprocess.run(
        ["/bin/sh", "-c", line, sys.executable], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    message = "Error: The output cannot be written: No space left on device.\n" if code else ""
    assert (result.returncode, result.stderr) == (code, message)


@pytest.mark.parametrize("words", [["-v", "doctor"], ["doctor", "--verbose"], ["doctor"]])
def test_verbose_prints_addresses_to_standard_error(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--verbose` works before and after a command's name, and prints addresses only to standard error."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*words, "--redis-url", "redis://127.0.0.1:1"])
    line = "redis_url: redis://127.0.0.1:1 (from option)\n"
    assert (line in result.stderr) is (len(words) > 1)
    assert "(from" not in result.stdout


@pytest.mark.parametrize("token", [{}, {"HYBRID_MEMORY_TOKEN": "operators"}])
def test_a_missing_user_is_reported_with_the_option(token: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """If the user is missing, the message names the command's option and not the API's field."""
    use_fake_api(monkeypatch, lambda _: problem(422, detail="user_id: is needed", errors=[]))
    result = CliRunner().invoke(app, ["threads", "list"], env=token)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: Set --user ID.")
    assert "422" not in result.stderr
    assert "422" in CliRunner().invoke(app, ["threads", "list", "--user", "ada"]).stderr


def test_a_plain_table_aligns_columns() -> None:
    """Columns are as wide as their widest cell. None is printed as `-`, and each cell is one line."""
    assert plain_table(("id", "b"), [("long one", None), (1, "two\nlines")]) == (
        "ID        B\nlong one  -\n1         two lines"
    )


def test_a_rich_table_takes_no_markup() -> None:
    """A table prints text in brackets unchanged, not as markup."""
    console = Console(width=60, no_color=True)
    with console.capture() as captured:
        console.print(rich_table(["thread"], [["[bold]x[/bold]"]]))
    assert "[bold]x[/bold]" in captured.get()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (3700, "1 h 1 min"), (90000, "1 d 1 h")],
)
def test_durations_have_readable_units(seconds: float | None, text: str) -> None:
    """Durations are in readable units."""
    assert format_duration(seconds) == text


def test_times_are_printed_in_utc() -> None:
    """Times are printed in UTC for any time zone."""
    assert iso_time(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-01T00:00:00.000Z"
    assert iso_time(None) is None


def test_the_description_of_a_dead_letter_has_no_texts() -> None:
    """The description of a dead letter has ids and reasons, but no texts."""
    stored = exchange("secret", "thread", "user")
    now = datetime.now(UTC)
    dead_letter = QueuedMessage("m", stored.to_wire(), now - timedelta(seconds=5), 3, True, {"reason": "not_json"})
    description = describe(dead_letter, now)
    assert "secret" not in str(description)
    assert (description["thread_id"], description["user_id"]) == ("thread", "user")
    assert (description["age_seconds"], description["receive_count"], description["reason"]) == (5.0, 3, "not_json")
    assert matches_id(dead_letter, str(stored.exchange_id))
    assert matches_id(dead_letter, "m")
    assert not matches_id(dead_letter, "n")


@pytest.mark.parametrize("body", ["", "[1]", "null", '{"thread_id": 1}', '{"thread_id": "a\\u001b"}', "[" * 100_000])
def test_a_malformed_dead_letter_is_described_without_ids(body: str) -> None:
    """The description of a malformed dead letter has only data of the queue, and no ids of the body."""
    description = describe(QueuedMessage("m", body, None, 0, is_visible=True), datetime.now(UTC))
    assert (description["thread_id"], description["exchange_id"], description["sent_at"]) == (None, None, None)


def _commands(command: Any = None, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of every group and command, as a user types them."""
    command = command or typer.main.get_command(app)
    children: dict[str, Any] = getattr(command, "commands", {})
    return [words, *(path for name, child in children.items() for path in _commands(child, (*words, name)))]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_every_command_has_help_with_examples(words: tuple[str, ...]) -> None:
    """Every command has help with examples, without colors or boxes, and supports `--json`."""
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert result.output.isascii()
    assert "\x1b" not in result.output
    is_group = "COMMAND [ARGS]" in result.output
    if not is_group or not words:
        assert "Examples:\n    hybrid-memory " in result.output
        assert "--state-dir" in result.output
    if not is_group:
        assert "--json" in result.output
        assert f"hybrid-memory {' '.join(words)}" in result.output.partition("Examples:")[2]


def test_a_progress_bar_without_a_total_shows_the_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A progress bar without a total shows only the count."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress("Export", None) as advance:
        advance(7, None)
    assert "7/?" in capsys.readouterr().err


class _FakeUserData:
    def counts(self, user_id: str) -> dict[str, int]:
        if user_id == "unreachable":
            raise StoreUnavailable("postgres", "refused")
        return {"erasing": 7}


def test_the_number_of_partly_deleted_threads_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output has the number of deleted threads with remaining rows. Without PostgreSQL, the number is unknown."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={} if "preferences" in request.url.path else {"items": [], "next_cursor": None})

    use_fake_api(monkeypatch, answer)
    monkeypatch.setattr(connect, "postgres_user_data", lambda _: _FakeUserData())
    for user, has_database, expected in (("ada", True, 7), ("unreachable", True, None), ("ada", False, None)):
        options = ["--api-url", API_URL, *(["--database-url", "postgresql://h/d"] if has_database else [])]
        result = CliRunner().invoke(app, ["users", "show", user, "--json", *options])
        assert (result.exit_code, json.loads(result.stdout)["erasing"]) == (0, expected)
        assert ("PostgreSQL" in result.stderr) == (user == "unreachable")
    output = CliRunner().invoke(
        app, ["users", "show", "ada", "--api-url", API_URL, "--database-url", "postgresql://h/d"]
    )
    assert "still has rows of 7 deleted threads" in output.stdout


def test_errors_are_json_with_the_json_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--json` an error is JSON with the same exit code."""
    monkeypatch.setenv("HYBRID_MEMORY_API_URL", "ftp://x")
    plain, as_json = (CliRunner().invoke(app, ["users", "show", "u", *options]) for options in ([], ["--json"]))
    assert (plain.exit_code, as_json.exit_code, as_json.stdout) == (2, 2, "")
    assert f"Error: {json.loads(as_json.stderr)['error']}\n" == plain.stderr


def test_invalid_commands_have_exit_code_2() -> None:
    """An invalid command has exit code 2."""
    for words in (["nothing"], ["dlq", "list", "--limit", "0"], ["dlq", "redrive", "--rate", "501"], ["dlq", "show"]):
        assert CliRunner().invoke(app, words).exit_code == 2
