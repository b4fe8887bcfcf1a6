"""Shortens the functions' log lines for the terminal of `make run`; the log file has the complete lines."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_WIDTH: Final = 200
_ID_LENGTH: Final = 8
_BAD_REQUEST: Final = 400
# The page and load balancers send these requests every few seconds.
_POLLS: Final = {"/health", "/status", "/overview", "/threads/{thread_id}/layers"}
# Fields of every line, and ids and texts that only the file shows.
_HIDDEN = {"level", "location", "message", "timestamp", "service", "cold_start", "xray_trace_id"}
_HIDDEN |= {"correlation_id", "correlation_ids", "exception", "stack_trace"}


def readable(line: str) -> str | None:
    """Return a log line as one short line: time, function, event. Return None for a line that only the file shows.

    Such lines are metrics, successful polls, and sweeps that had nothing to do.
    """
    source, separator, written = line.partition(" | ")
    if not separator:
        return line or None
    function = f"{source.removesuffix('Function').lower():<5}"
    try:
        fields = json.loads(written)
        if "_aws" in fields:
            return None
        time = datetime.strptime(fields["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").astimezone()
        event = _describe(fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{'':8} {function} {written}"
    return None if event is None else f"{time:%H:%M:%S} {function} {_shorten(event)}"


def _describe(fields: Mapping[str, Any]) -> str | None:
    match fields["message"]:
        case "request":
            return _describe_request(fields)
        case "batch drained":
            return f"drained: {_counts(fields) or 'nothing'}"
        case "batch derived":
            counts = _counts(fields)
            return f"derived: {counts}" if counts else None
        case "swept":
            counts = _counts(fields)
            return f"sweep: {counts}" if counts else None
        case message:
            level = "" if fields["level"] == "INFO" else f"{fields['level']}: "
            details = _counts(fields)
            return f"{level}{message}{f' ({details})' if details else ''}"


def _describe_request(fields: Mapping[str, Any]) -> str | None:
    route, status = fields.get("route") or "-", fields["status"]
    if fields["method"] == "GET" and route in _POLLS and status < _BAD_REQUEST:
        return None
    # The start of the id is enough to find the complete line in the file.
    request_id = str(fields["correlation_id"])[:_ID_LENGTH]
    return f"{fields['method']} {route} {status}, {fields['milliseconds']:.0f} ms, {request_id}"


def _counts(fields: Mapping[str, Any]) -> str:
    """Return the fields of the event that are not empty or zero, except those of every line."""
    own_fields = {
        name: value for name, value in fields.items() if name not in _HIDDEN and not name.startswith("function_")
    }
    return ", ".join(f"{name} {_value(value)}" for name, value in own_fields.items() if value)


def _value(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
