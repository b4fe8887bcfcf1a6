"""`hybrid-memory search` prints the lines that match, and tells an outage from a search that found nothing."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from cli.excerpts import excerpt, lines_of
from cli.main import app
from tests.support.fake_api import problem, use_fake_api
from tests.support.http_server import ServerInThread
from tests.support.terminal import run_on_terminal

ROOT = Path(__file__).parents[2]
ITEM: dict[str, Any] = {
    "kind": "exchange",
    "thread_id": "demo",
    "title": "Pets",
    "exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586",
    "created_at": "2026-01-22T16:08:00.139000Z",
    "user_message": "Hello.\nMy \U0001f436 dog is Rex.\nBye.",
    "assistant_message": "Noted.\nWoof.",
    "score": 0.5,
    "highlights": [{"field": "user_message", "start": 12, "end": 15}],
}


def found(*items: dict[str, Any], degraded: tuple[str, ...] = (), up_to: str | None = None) -> dict[str, Any]:
    """Return the response to a search."""
    return {"items": items, "arms": ["text"], "searched_up_to": up_to, "degraded": degraded}


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the command with these responses, and records the requests in `requests`."""
    requests: list[dict[str, Any]] = []
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str, answers: list[Any]) -> Result:
        remaining = iter(answers)

        def handle(request: httpx.Request) -> httpx.Response:
            requests.append(json.loads(request.content))
            answer = next(remaining)
            if isinstance(answer, Exception):
                raise answer
            return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

        use_fake_api(monkeypatch, handle)
        return CliRunner().invoke(app, ["search", *words])

    run.requests = requests  # type: ignore[attr-defined]
    return run


def test_hits_are_printed_with_the_lines_that_match(search: Any) -> None:
    """A hit has its time, thread and title, and the matching line of each message, or the first line."""
    result = search("dog", "--user", "ada", answers=[found(ITEM, {**ITEM, "title": None, "thread_id": "other"})])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "2026-01-22 demo\nPets\n  user: My \U0001f436 dog is Rex.\n  assistant: Noted.\n\n"
        "2026-01-22 other\n  user: My \U0001f436 dog is Rex.\n  assistant: Noted.\n\n"
        "2 exchanges.\n"
    )


def test_the_query_and_the_scope_are_sent(search: Any) -> None:
    """Several words are one query. A time without a time zone is local."""
    answers = [found(ITEM)]
    words = ["dog", "named Rex", "--user", "ada", "--thread", "demo", "--limit", "1"]
    result = search(*words, "--since", "2026-01-01T00:00+02:00", "--until", "2026-02-01", answers=answers)
    assert result.stdout.endswith("1 exchange. More may match: use --limit.\n")
    (sent,) = search.requests
    assert datetime.fromisoformat(sent.pop("until")) == datetime(2026, 2, 1).astimezone()
    assert datetime.fromisoformat(sent.pop("since")) == datetime(2025, 12, 31, 22, tzinfo=UTC)
    assert sent == {"query": "dog named Rex", "user_id": "ada", "limit": 1, "thread_id": "demo"}


@pytest.mark.parametrize(
    ("degraded", "items", "code", "stderr"),
    [
        ((), [], 1, ""),
        # Redis did not respond, but nothing was only there.
        (("redis",), [], 1, ""),
        (("redis", "search"), [ITEM], 0, "redis did not respond, so not everything was searched.\n"),
        (("redis", "search"), [], 3, "Error: redis did not respond, so not everything was searched.\n"),
        (("search",), [], 3, "Error: not everything was searched.\n"),
    ],
)
def test_exit_codes_tell_no_match_from_no_search(
    search: Any, degraded: tuple[str, ...], items: list[Any], code: int, stderr: str
) -> None:
    """Exit code 1 means that nothing matches. An incomplete search is never reported as nothing found."""
    answers = [found(*items, degraded=degraded)] * 2
    result = search("dog", "--user", "ada", answers=answers)
    assert (result.exit_code, result.stderr) == (code, stderr)
    assert ("Nothing found.\n" in result.stdout) == (code == 1)
    as_json = search("dog", "--user", "ada", "--json", answers=answers)
    assert (as_json.exit_code, as_json.stderr) == (code, stderr)
    body = json.loads(as_json.stdout)
    assert (body["items"], body["degraded"], "sources" in body) == (items, list(degraded), True)


def test_an_incomplete_search_says_how_far_it_went(search: Any) -> None:
    """If the service knows up to which time everything was looked at, the command prints it."""
    answers = [found(ITEM, degraded=("search",), up_to="2026-01-22T16:00:00Z")]
    result = search("dog", "--user", "ada", answers=answers)
    assert result.stderr == "not everything was searched. Everything up to 2026-01-22T16:00:00Z was searched.\n"


@pytest.mark.parametrize("answer", [problem(503), httpx.ConnectError("refused")])
def test_an_outage_has_exit_code_3_after_retries(search: Any, answer: Any) -> None:
    """A search is retried as a read. An outage has another exit code than a search that found nothing."""
    result = search("dog", "--user", "ada", answers=[answer] * 3)
    assert (result.exit_code, result.stdout, len(search.requests)) == (3, "", 3)
    assert result.stderr.startswith("Error: The API")
    assert search("dog", "--user", "ada", answers=[answer, found(ITEM)]).exit_code == 0


def test_usage_errors_have_exit_code_2(search: Any) -> None:
    """A missing user and an invalid time are explained. Nothing is sent for a time or text that cannot be sent."""
    missing = problem(422, errors=[{"field": "user_id", "in": "body", "detail": "Field required"}])
    result = search("dog", answers=[missing])
    assert (result.exit_code, "Set --user ID" in result.stderr) == (2, True)
    other = problem(422, errors=[{"field": "query", "in": "body", "detail": "too long"}])
    assert "The API answered 422" in search("dog", answers=[other]).stderr
    search.requests.clear()
    for words in (["--since", "yesterday"], ["--limit", "0"], ["--limit", "101"], ["--user", ".."]):
        assert search("dog", *words, answers=[]).exit_code == 2
    assert "query: must not contain lone surrogates" in search("a\ud800", "--user", "u", answers=[]).stderr
    assert search.requests == []


def test_control_characters_are_escaped(search: Any) -> None:
    """Another user's control characters do not reach the terminal."""
    item = {**ITEM, "title": "\x1b[2J", "user_message": "a\x1b[31m dog", "assistant_message": ""}
    output = search("dog", "--user", "ada", answers=[found({**item, "highlights": []})]).stdout
    assert "\x1b" not in output
    assert "\\x1b[2J\n  user: a\\x1b[31m dog\n  assistant: \n" in output


def test_many_matching_lines_are_counted(search: Any) -> None:
    """Three lines of a message are printed, and the number of the others."""
    text = "\n\n".join(["dog"] * 5)
    highlights = [{"field": "user_message", "start": 5 * n, "end": 5 * n + 3} for n in range(5)]
    output = search("dog", "--user", "a", answers=[found({**ITEM, "user_message": text, "highlights": highlights})])
    assert "  user: dog\n        dog\n        dog\n        (2 more lines)\n  assistant: Noted." in output.stdout


# --- excerpts ---


def _excerpt(line: str, match: str | None, width: int) -> str:
    spans = [] if match is None else [(line.index(match), line.index(match) + len(match))]
    pieces = excerpt(line, spans, width)
    text = "".join(piece.text for piece in pieces)
    assert cell_len(text) <= width
    assert [piece.text for piece in pieces if piece.is_match] in ([], [match])
    return text


@pytest.mark.parametrize("width", [20, 33, 80])
@pytest.mark.parametrize(
    "filler", ["word ", "\u6f22\u5b57", "e\u0301 ", "\u0915\u0941\u0924\u094d", "\U0001f436", "\x1b[2J", "\t"]
)
def test_an_excerpt_fits_the_width_and_shows_the_match(filler: str, width: int) -> None:
    """The match is in the excerpt, with text before and after it, in every script and at every position."""
    for before, after in ((0, 0), (0, 90), (90, 0), (90, 90), (3_000, 3_000), (1, 1)):
        text = _excerpt(filler * before + "Rex" + filler * after, "Rex", width)
        assert "Rex" in text
        assert text.startswith("\u2026") == (before >= 90)
        assert text.endswith("\u2026") == (after >= 90)
        if before >= 90:
            assert cell_len(text.partition("Rex")[0]) >= width // 5


def test_an_excerpt_without_a_match_is_the_beginning() -> None:
    """A line without a match is cut at its end. A short line is unchanged."""
    assert _excerpt("one two three four five", None, 20) == "one two three four \u2026"
    assert _excerpt("one two", None, 20) == "one two"
    assert excerpt("", (), 20) == []


def test_a_match_that_is_wider_than_the_terminal_is_cut() -> None:
    """The beginning of the match is shown."""
    pieces = excerpt("ab " + "x" * 50, [(3, 53)], 20)
    assert "".join(piece.text for piece in pieces) == "ab " + "x" * 16 + "\u2026"


def test_lines_have_their_parts_of_the_spans() -> None:
    """Spans are positions in the text. A span that crosses a line break is in both lines."""
    assert lines_of("ab\n\ncdef\n", [(0, 1), (1, 6), (6, 8)]) == [
        ("ab", [(0, 1), (1, 2)]),
        ("", [(0, 0)]),
        ("cdef", [(0, 2), (2, 4)]),
        ("", []),
    ]


# --- on a terminal ---


class _Handler(BaseHTTPRequestHandler):
    """Answers every search with 30 hits."""

    def do_POST(self) -> None:
        """Answer a search."""
        self.rfile.read(int(self.headers["Content-Length"]))
        moment = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
        body = json.dumps(found(*[{**ITEM, "created_at": moment, "user_message": "My dog " * 60}] * 30)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.mark.parametrize(("variables", "has_styles"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_matches_are_emphasized_on_a_terminal(variables: dict[str, str], *, has_styles: bool) -> None:
    """On a terminal, matches are bold and red, lines fit the width, and long output has a pager."""
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with ServerInThread(ThreadingHTTPServer(("127.0.0.1", 0), _Handler)) as server:
        command = [sys.executable, "-c", "from cli.main import app; app()", "search", "dog", "--user", "a"]
        options = {"columns": 60, "directory": ROOT}
        pager = {"PAGER": "sed s/demo/paged/", "HYBRID_MEMORY_API_URL": server.url}
        run = run_on_terminal(command, {**environment, **pager, **variables}, **options)  # type: ignore[arg-type]
    assert run.code == 0
    assert run.text.startswith("2 h ago paged\nPets\n  user: My dog My dog")
    assert max(cell_len(line) for line in run.text.splitlines()) <= 60
    assert ("\x1b[31m\x1b[1m" in run.raw) == has_styles
