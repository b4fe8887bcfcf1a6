"""`hybrid-memory memories` shows what is known about a user with its quotes, and changes it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.support.fake_api import problem, use_fake_api

ID = "01a20403-af8b-86fb-9bf9-0bc8b1328580"
MEMORY: dict[str, Any] = {
    "id": ID,
    "kind": "preference",
    "key": "units",
    "text": "metric",
    "valid_from": "2026-01-22T16:08:00.139000Z",
    "valid_to": "2026-02-22T16:08:00.139000Z",
    "superseded_by": ID.replace("580", "581"),
    "evidence": [
        {"thread_id": "trip", "exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586", "quote": "Use\nmetric \x1b[1m."}
    ],
    "source": "learned",
    "created_at": "2026-01-22T16:08:00.139000Z",
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a command with these responses, and records the requests in `requests`."""
    requests: list[tuple[str, str, Any]] = []

    def invoke(*words: str, answers: list[httpx.Response]) -> Result:
        remaining = iter(answers)

        def handle(request: httpx.Request) -> httpx.Response:
            body = json.loads(request.content) if request.content else None
            requests.append((request.method, request.url.raw_path.decode().removeprefix("/prod"), body))
            return next(remaining)

        use_fake_api(monkeypatch, handle)
        return CliRunner().invoke(app, ["memories", *words])

    invoke.requests = requests  # type: ignore[attr-defined]
    return invoke


def listed(*items: dict[str, Any], **fields: Any) -> httpx.Response:
    """Return the response to a list."""
    return httpx.Response(200, json={"items": items, "omitted": 0, "degraded": [], **fields})


def test_a_list_has_human_times_and_with_all_the_ends(run: Any) -> None:
    """Current memories are listed by default, and with `--all` those that have ended, too."""
    result = run("list", "ada", answers=[listed(MEMORY)])
    assert result.exit_code == 0, result.output
    assert ID in result.stdout
    assert "units: metric" in result.stdout
    assert "1 memory of ada." in result.stdout
    assert "UNTIL" not in result.stdout
    assert "2026-02-22" in run("list", "ada", "--all", answers=[listed(MEMORY)]).stdout
    paths = [path for _, path, _ in run.requests]
    assert paths == ["/users/ada/memories", "/users/ada/memories?include_superseded=true"]
    answer = json.loads(run("list", "ada", "--json", answers=[listed(MEMORY)]).stdout)
    assert answer["items"] == [MEMORY]


def test_all_pages_are_listed(run: Any) -> None:
    """The list follows the cursor to the last page, so what did not fit into the first one is not missing."""
    pages = listed(MEMORY, omitted=1, next_cursor="c"), listed({**MEMORY, "text": "imperial"}, next_cursor=None)
    result = run("list", "ada", answers=list(pages))
    assert "2 memories of ada." in result.stdout
    assert "missing" not in result.stdout
    assert [path for _, path, _ in run.requests] == ["/users/ada/memories", "/users/ada/memories?cursor=c"]
    answer = json.loads(run("list", "ada", "--json", answers=list(pages)).stdout)
    assert ([each["text"] for each in answer["items"]], answer["omitted"]) == (["metric", "imperial"], 0)


def test_an_outage_is_not_an_empty_list(run: Any) -> None:
    """If PostgreSQL does not respond, the list may lack memories, so the exit code is 3."""
    result = run("list", "ada", answers=[listed(degraded=["postgres"], omitted=2)])
    assert result.exit_code == 3
    assert "2 older ones are missing" in result.stdout
    assert "postgres did not respond" in result.stderr


def test_show_prints_the_quote_and_where_it_was_said(run: Any) -> None:
    """A quote is one line without control characters, and names its thread and exchange."""
    result = run("show", "ada", ID, answers=[httpx.Response(200, json=MEMORY)])
    assert result.exit_code == 0, result.output
    assert "“Use metric \\x1b[1m.”" in result.stdout
    assert "in thread trip, exchange 01a20403-af8b-76fb-9bf9-0bc8b1328586" in result.stdout
    assert f"superseded by {MEMORY['superseded_by']}" in result.stdout


def test_adding_and_correcting_send_the_text(run: Any) -> None:
    """With `--key`, a preference is added, and otherwise a fact."""
    success = httpx.Response(201, json=MEMORY)
    assert run("add", "ada", "Lives in Rome", answers=[success]).exit_code == 0
    assert run("add", "ada", "metric", "--key", "units", answers=[success]).exit_code == 0
    result = run("correct", "ada", ID, "imperial", "--json", answers=[httpx.Response(200, json=MEMORY)])
    assert json.loads(result.stdout)["memory"] == MEMORY
    assert run.requests == [
        ("POST", "/users/ada/memories", {"text": "Lives in Rome"}),
        ("POST", "/users/ada/memories", {"text": "metric", "kind": "preference", "key": "units"}),
        ("PATCH", f"/users/ada/memories/{ID}", {"text": "imperial"}),
    ]


def test_forgetting_needs_yes(run: Any) -> None:
    """Without `--yes`, the memory is only shown."""
    found = httpx.Response(200, json=MEMORY)
    preview = run("forget", "ada", ID, answers=[found])
    assert preview.exit_code == 0, preview.output
    assert "Nothing was changed" in preview.stdout
    assert [method for method, _, _ in run.requests] == ["GET"]
    result = run("forget", "ada", ID, "--yes", answers=[found, httpx.Response(204)])
    assert "Deleted: units: metric." in result.stdout
    assert run.requests[-1] == ("DELETE", f"/users/ada/memories/{ID}", None)


def test_an_unknown_memory_and_an_invalid_id_are_errors(run: Any) -> None:
    """The API's problem is printed. An id that is no UUID is not sent."""
    result = run("show", "ada", ID, answers=[problem(404, detail="The memory does not exist.", errors=[])])
    assert result.exit_code != 0
    assert "does not exist" in result.stderr
    assert run("show", "ada", "x", answers=[]).exit_code == 2
