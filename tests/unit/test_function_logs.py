"""`make run` prints the functions' logs in a short form."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping

import pytest

from infra.local.log_lines import readable

_COMMON = {
    "level": "INFO",
    "location": "f:1",
    "timestamp": "2026-11-27 19:41:15,952+0000",
    "service": "agent",
    "cold_start": False,
    "function_name": "f",
    "function_memory_size": 1024,
    "correlation_id": "cf98fa0f-4c74-45a9-865d-78b1f4d37083",
}
_REQUEST = {
    "message": "request",
    "method": "POST",
    "route": "/threads/{thread_id}",
    "status": 404,
    "milliseconds": 53.4,
}
_DRAINED = {"message": "batch drained", "stored": 2, "duplicates": 0, "postponed": 1, "dead": {"not_json": 1}}
_SWEPT = {"message": "swept", "stored": 0, "refused": 0, "repaired": 0, "skipped": []}


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _line(fields: Mapping[str, object], function: str = "AgentFunction") -> str:
    return f"{function} | {json.dumps({**_COMMON, **fields}, separators=(',', ':'))}"


def test_a_request_has_a_short_line() -> None:
    """A request's short line has the start of the request id, which finds the full line in the log file."""
    assert readable(_line(_REQUEST)) == "19:41:15 agent POST /threads/{thread_id} 404, 53 ms, cf98fa0f"
    assert readable(_line(_REQUEST | {"route": None})) == "19:41:15 agent POST - 404, 53 ms, cf98fa0f"


@pytest.mark.parametrize("route", ["/health", "/status", "/threads/{thread_id}/layers"])
def test_only_failed_polls_are_shown(route: str) -> None:
    """The page's polls are shown only if they fail."""
    poll = _REQUEST | {"method": "GET", "route": route}
    assert readable(_line(poll | {"status": 200})) is None
    assert readable(_line(poll | {"status": 503})) == f"19:41:15 agent GET {route} 503, 53 ms, cf98fa0f"


def test_a_batch_and_a_sweep_show_their_counts() -> None:
    """A batch shows its counts without zeros. A sweep that did nothing has no line."""
    drained = readable(_line(_DRAINED | {"correlation_ids": ["x"]}, "SyncFunction"))
    assert drained == '19:41:15 sync  drained: stored 2, postponed 1, dead {"not_json": 1}'
    assert readable(_line({"message": "batch drained", "stored": 0}, "SyncFunction")) == (
        "19:41:15 sync  drained: nothing"
    )
    assert readable(_line(_SWEPT, "SyncFunction")) is None
    assert readable(_line(_SWEPT | {"repaired": 3, "skipped": ["redis"]}, "SyncFunction")) == (
        "19:41:15 sync  sweep: repaired 3, skipped redis"
    )


def test_a_batch_of_the_derive_function_shows_its_counts() -> None:
    """A batch from which nothing was derived has no line, because it was dropped."""
    derived = {"message": "batch derived", "threads": 2, "unfinished": 0, "errors": 1, "dead": {}}
    assert readable(_line(derived, "DeriveFunction")) == "19:41:15 derive derived: threads 2, errors 1"
    assert readable(_line({"message": "batch derived", "threads": 0}, "DeriveFunction")) is None


def test_metrics_stay_in_the_file() -> None:
    """Metrics have no line."""
    assert readable('AgentFunction | {"_aws":{"Timestamp":1},"service":"agent"}') is None


def test_other_events_have_their_level_and_fields() -> None:
    """A warning or an error has its level and its own fields. A traceback stays in the file."""
    warning = {"level": "WARNING", "message": "circuit opened", "layer": "redis", "error": "TimeoutError"}
    assert readable(_line(warning)) == "19:41:15 agent WARNING: circuit opened (layer redis, error TimeoutError)"
    error = {"level": "ERROR", "message": "unexpected error", "exception": "Traceback", "exception_name": "KeyError"}
    assert readable(_line(error)) == "19:41:15 agent ERROR: unexpected error (exception_name KeyError)"
    assert readable(_line({"message": "circuit closed"})) == "19:41:15 agent circuit closed"
    long = readable(_line({"message": "word\n" * 100}))
    assert long is not None
    assert len(long) < 220
    assert "\n" not in long


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("no function", "no function"),
        ("AgentFunction | START RequestId: 1", "         agent START RequestId: 1"),
        ('AgentFunction | ["x"]', '         agent ["x"]'),
        ('AgentFunction | {"message":"request"}', '         agent {"message":"request"}'),
        ("AgentFunction | 1", "         agent 1"),
        (_line(_REQUEST)[:-5], f"         agent {_line(_REQUEST)[16:-5]}"),
        (_line({"message": ["x"]}), "19:41:15 agent ['x']"),
        (_line(_REQUEST | {"milliseconds": "fast"}), None),
    ],
)
def test_other_lines_are_shown_as_they_are(line: str, shown: str | None) -> None:
    """A line that is no event of the project is shown unchanged, after the function's name."""
    assert readable(line) == (f"         agent {line[16:]}" if shown is None else shown)


def test_an_empty_line_is_not_shown() -> None:
    """An empty line is not shown."""
    assert readable("") is None
