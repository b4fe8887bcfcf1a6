from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.export import _memories_of
from cli.main import app
from hybrid_memory_client import MemoryClient
from tests.support.fake_api import API_URL, message, problem, thread, use_fake_api

EMPTY = {"visible": 0, "in_flight": 0, "delayed": 0, "oldest_age_seconds": None}
STATUS: dict[str, Any] = {
    "queue": EMPTY,
    "dlq": EMPTY,
    "outbox": EMPTY,
    "sync_lag_seconds": 0.0,
    "degraded": [],
    "as_of": "2026-11-22T16:08:00.139000Z",
}
THREAD = {**thread("t"), "new": "of a later service"}
MESSAGE = {**message("q"), "new": 1}
MEMORY: dict[str, Any] = {
    "id": "01a20403-af8b-86fb-9bf9-0bc8b1328580",
    "kind": "fact",
    "text": "Lives in Rome",
    "valid_from": "2026-11-22T16:08:00.139000Z",
    "evidence": [{"thread_id": "t", "exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586", "quote": "I live in Rome."}],
    "source": "learned",
    "created_at": "2026-11-22T16:08:00.139000Z",
}
Run = Callable[..., Result]


@pytest.fixture
def status() -> list[httpx.Response]:
    """Return the responses of `GET /status`. The last response is repeated."""
    return [httpx.Response(200, json=STATUS)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: list[httpx.Response]) -> Run:
    """Return a function that runs a command on an API with one thread of one message."""
    pages: dict[str, Any] = {
        "/prod/users/u/preferences": {"tone": "brief"},
        "/prod/users/u/memories": {"items": [MEMORY], "omitted": 0, "degraded": []},
        "/prod/threads": {"items": [THREAD], "next_cursor": None},
        "/prod/threads/t": THREAD,
        "/prod/threads/t/messages": {"items": [MESSAGE], "next_cursor": None, "degraded": []},
        "/prod/openapi.json": {"info": {"title": "Memory", "version": "1"}, "paths": {"/run": {}}},
    }

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/prod/status":
            return status.pop(0) if len(status) > 1 else status[0]
        return httpx.Response(200, json=pages[request.url.path])

    monkeypatch.chdir(tmp_path)
    use_fake_api(monkeypatch, handle)
    return lambda *words: CliRunner().invoke(app, words)


def test_memories_of_all_pages_are_exported_once() -> None:
    """The export follows the cursor, and reads again until nothing is new, because a corrected memory moves."""
    ids = [MEMORY["id"].replace("580", f"58{number}") for number in range(3)]
    first, second, moved = ({**MEMORY, "id": memory_id} for memory_id in ids)
    pages: list[dict[str, Any]] = [
        {"items": [first], "omitted": 2, "next_cursor": "c", "degraded": []},
        {"items": [second], "omitted": 0, "next_cursor": None, "degraded": []},
        {"items": [moved, first, second], "omitted": 0, "next_cursor": None, "degraded": []},
        {"items": [moved, first, second], "omitted": 0, "next_cursor": None, "degraded": []},
    ]
    paths: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(200, json=pages.pop(0))

    api = MemoryClient(API_URL, http_client=httpx.Client(transport=httpx.MockTransport(handle)))
    assert [str(each.id) for each in _memories_of(api, "u")] == ids
    path = "/prod/users/u/memories?include_superseded=true"
    assert paths == [path, f"{path}&cursor=c", path, path]


def _status_with(location: str, **counts: int) -> httpx.Response:
    return httpx.Response(200, json={**STATUS, location: {**STATUS[location], **counts}})


def test_an_export_is_complete_without_undrained_exchanges(run: Run) -> None:
    """The export is complete if no exchange waits for the drain."""
    result = run("users", "export", "u")
    assert result.exit_code == 0, result.output
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"kind": "preferences", "user_id": "u", "preferences": {"tone": "brief"}},
        {"kind": "memory", "user_id": "u", "memory": MEMORY},
        {"kind": "thread", **THREAD},
        {"kind": "message", "thread_id": "t", **MESSAGE},
    ]
    assert result.stderr == "Exported 1 thread with 1 message.\n"


@pytest.mark.parametrize("undrained", [{"location": "queue", "in_flight": 2}, {"location": "outbox", "visible": 2}])
def test_an_export_warns_of_undrained_exchanges(
    run: Run, status: list[httpx.Response], undrained: dict[str, Any]
) -> None:
    """An undrained exchange may belong to an unlisted thread. So the export ends with a warning and exit code 1."""
    status[:] = [_status_with(**undrained)]
    result = run("users", "export", "u", "--output", "u.ndjson", "--json")
    assert (result.exit_code, json.loads(result.stdout)["waiting"]) == (1, 2)
    assert "2 exchanges are not drained yet" in result.stderr
    assert len(Path("u.ndjson").read_text().splitlines()) == 4


def test_exchanges_drained_during_the_export_are_included(run: Run, status: list[httpx.Response]) -> None:
    """Exchanges that are drained before the last listing are in the export."""
    status[:] = [_status_with("queue", visible=1), httpx.Response(200, json=STATUS)]
    assert run("users", "export", "u").exit_code == 0


@pytest.mark.parametrize(
    "answer",
    [problem(403), httpx.Response(200, json={**STATUS, "queue": None})],
)
def test_an_unknown_number_of_undrained_exchanges_is_reported(
    run: Run, status: list[httpx.Response], answer: httpx.Response
) -> None:
    """If the number of undrained exchanges is unknown, a message says so. The export does not change."""
    status[:] = [answer]
    result = run("users", "export", "u")
    assert (result.exit_code, "is unknown" in result.stderr) == (0, True)


def test_openapi_writes_the_description_into_a_file(run: Run) -> None:
    """`openapi` writes the API's description into a file. With `--json` the command prints a summary."""
    answer = json.loads(run("openapi", "--output", "api.json", "--json").stdout)
    assert answer.pop("sources")["api_url"]["url"] == API_URL
    assert answer == {"title": "Memory", "version": "1", "paths": 1, "output": "api.json"}
    assert json.loads(Path("api.json").read_text())["paths"] == {"/run": {}}


def test_a_device_is_not_replaced_with_a_file(run: Run, tmp_path: Path) -> None:
    """The command writes into a device and does not replace the device with a file.

    Otherwise root would replace `/dev/null` with `--output /dev/null`.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        result = run("threads", "export", "t", "--api-url", API_URL, "--output", str(pipe))
        assert (result.exit_code, os.read(reader, 100_000).count(b"\n")) == (0, 2)
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_symbolic_link_is_not_replaced(run: Run, tmp_path: Path) -> None:
    """If the output is a symbolic link, the command replaces the link's target and keeps the link."""
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_text("old")
    link.symlink_to(target)
    assert run("threads", "export", "t", "--api-url", API_URL, "--output", str(link)).exit_code == 0
    assert (link.is_symlink(), target.read_text().count("\n")) == (True, 2)
