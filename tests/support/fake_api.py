"""Runs the command line in this process with a fake API."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from cli.api import create_client

API_URL: Final = "https://api.example/prod"
_TIME: Final = "2026-11-22T16:08:00.139000Z"


def use_fake_api(monkeypatch: pytest.MonkeyPatch, handle: Callable[[httpx.Request], httpx.Response]) -> None:
    """Let commands use an API whose responses come from `handle`."""
    monkeypatch.setenv("HYBRID_MEMORY_API_URL", API_URL)
    monkeypatch.setattr("cli.connect.create_client", partial(create_client, transport=httpx.MockTransport(handle)))


def problem(status: int, **fields: object) -> httpx.Response:
    """Return a problem in the API's format."""
    return httpx.Response(status, json={"status": status, "detail": "no", "request_id": "r", **fields})


def thread(thread_id: str) -> dict[str, Any]:
    """Return a thread in the API's format."""
    times = {"created_at": _TIME, "updated_at": _TIME}
    return {"thread_id": thread_id, "user_id": "u", "title": None, "message_count": 1, **times}


def message(content: str, role: str = "user", exchange_id: UUID | str | None = None) -> dict[str, Any]:
    """Return a message in the API's format."""
    return {"role": role, "content": content, "exchange_id": exchange_id and str(exchange_id), "created_at": _TIME}
