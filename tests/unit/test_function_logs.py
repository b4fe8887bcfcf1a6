"""`make run` prints the functions' logs in a short form."""

from __future__ import annotations

import json

import pytest

from infra.local.function_logs import readable

_REQUEST = {
    "level": "INFO",
    "message": "request",
    "method": "GET",
    "route": "/threads/{thread_id}",
    "status": 404,
    "milliseconds": 3.1,
    "correlation_id": "r-1",
}


def _line(fields: object) -> str:
    return f"AgentFunction | {json.dumps(fields, separators=(',', ':'))}"


def test_a_request_has_a_short_line() -> None:
    """A request's short line has the request id, which identifies the full line in the log file."""
    assert readable(_line(_REQUEST)) == "AgentFunction | GET /threads/{thread_id} 404 3.1 ms r-1"
    without_route = {name: value for name, value in _REQUEST.items() if name != "route"}
    assert readable(_line(without_route)) == "AgentFunction | GET - 404 3.1 ms r-1"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "AgentFunction | START RequestId: 1",
        _line({"level": "ERROR", "message": "no store accepted an exchange"}),
        _line({"message": "request"}),
        _line(_REQUEST)[:-5],
        _line(["x", {"message": "request"}]),
    ],
)
def test_other_lines_are_unchanged(line: str) -> None:
    """Lines that do not report a request stay unchanged, even if they resemble such a line."""
    assert readable(line) == line
