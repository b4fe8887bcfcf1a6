"""The API's routes as data: the request of each call, and how to parse its response.

This module does no I/O, so both clients use it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx

from hybrid_memory_client._call import Call
from hybrid_memory_client._validation import text_error
from hybrid_memory_client.errors import (
    CannotBeKept,
    InvalidRequest,
)
from hybrid_memory_client.inspection import Layers, Overview, Status
from hybrid_memory_client.models import (
    Context,
    Health,
    Kept,
    Message,
    Page,
    RunResult,
    Thread,
    messages_page,
    threads_page,
)
from hybrid_memory_client.search import SearchResult

Order = Literal["asc", "desc"]
# A header value without spaces at its ends, because HTTP drops them.
_KEY_PATTERN: Final = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_REPLAYED_HEADER: Final = "Idempotent-Replayed"
# With a base URL that ends with one of these, the API would read the next path segment as an id.
_ROUTES: Final = frozenset({"threads", "users"})


def normalize_base_url(url: str) -> str:
    """Return the URL without its trailing slash.

    Raises:
        ValueError: It is not an http or https URL, has a query or a fragment, or ends with the name of a route.
    """
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"http", "https"} and bool(httpx.URL(url).host) and not re.search(r"\s", url)
        is_valid = is_valid and parts.port != 0
    except (ValueError, TypeError, AttributeError, httpx.InvalidURL):
        is_valid = False
    if not is_valid or {"?", "#"} & set(url):
        raise ValueError(f"the API's URL must be like https://host/stage, not {url!r}")
    base_url = url.rstrip("/")
    if (last_segment := base_url.rpartition("/")[2]) in _ROUTES:
        raise ValueError(f"the API's URL must be like https://host/stage, without /{last_segment}, not {url!r}")
    return base_url


def run(
    prompt: str,
    agent_name: str | None,
    instructions: str | None,
    tools: Sequence[str],
    thread_id: str | None,
    user_id: str | None,
    document_ids: Sequence[str],
    exchange_id: UUID | str | None,
    metadata: Mapping[str, Any] | None,
    replaces: UUID | str | None,
    max_context_tokens: int | None,
    include: Sequence[str],
    idempotency_key: str,
) -> Call[RunResult]:
    """`POST /run`. All attempts have the same key.

    Raises:
        CannotBeKept: The key has characters that a header cannot contain, or spaces at its ends.
    """
    if not isinstance(idempotency_key, str) or not _KEY_PATTERN.fullmatch(idempotency_key):
        raise CannotBeKept("idempotency_key: must be printable ASCII characters, without spaces at its ends")
    body: dict[str, Any] = {"prompt": prompt, "agent_name": agent_name, "instructions": instructions}
    body |= {"metadata": metadata, "replaces": None if replaces is None else str(replaces)}
    body["max_context_tokens"] = max_context_tokens
    body |= {
        "thread_id": thread_id,
        "user_id": user_id,
        "exchange_id": None if exchange_id is None else str(exchange_id),
    }
    lists = {"tools": _to_list(tools), "document_ids": _to_list(document_ids)}
    # Without any, the field is left out for services of earlier releases.
    lists |= {"include": _to_list(include)} if include else {}
    headers = {_KEY_HEADER: idempotency_key}
    return Call("POST", "/run", _parse_run_result, without_none(body) | lists, headers=headers, waits_for_first=True)


def invoking(
    thread_id: str | None,
    user_id: str | None,
    query: str | None,
    max_context_tokens: int | None,
    limit: int | None,
    include: Sequence[str] | None,
) -> Call[Context]:
    """`POST /invoking`."""
    body = without_none({"thread_id": thread_id, "user_id": user_id, "query": query, "limit": limit})
    body |= without_none(
        {"max_context_tokens": max_context_tokens, "include": None if include is None else _to_list(include)}
    )
    return Call("POST", "/invoking", lambda response: Context.from_json(response.json()), body)


def invoked(
    user_message: str,
    assistant_message: str,
    thread_id: str | None,
    user_id: str | None,
    document_ids: Sequence[str],
    exchange_id: UUID | str,
    metadata: Mapping[str, Any] | None,
    created_at: datetime | None,
) -> Call[Kept]:
    """`POST /invoked`. All attempts have the same exchange id.

    Raises:
        CannotBeKept: `created_at` has no time zone.
    """
    body: dict[str, Any] = {"user_message": user_message, "assistant_message": assistant_message}
    body |= {"document_ids": _to_list(document_ids), "exchange_id": str(exchange_id)}
    body |= without_none({"thread_id": thread_id, "user_id": user_id, "metadata": metadata})
    body |= without_none({"created_at": _time_text("created_at", created_at)})
    return Call("POST", "/invoked", lambda response: Kept.from_json(response.json()), body)


def is_future_id(error: InvalidRequest) -> bool:
    """Return whether the service rejected the exchange's id.

    It rejects an id that this client generated only if the id is too far in the future.
    """
    return any(each.field == "exchange_id" for each in error.errors)


def replace_exchange(
    thread_id: str,
    exchange_id: UUID | str,
    user_message: str,
    assistant_message: str,
    metadata: Mapping[str, Any] | None,
) -> Call[Kept]:
    """`PUT /threads/{thread_id}/exchanges/{exchange_id}`."""
    body: dict[str, Any] = {"user_message": user_message, "assistant_message": assistant_message}
    body |= without_none({"metadata": metadata})
    path = f"{_thread_path(thread_id)}/exchanges/{path_segment('exchange_id', str(exchange_id))}"
    return Call("PUT", path, lambda response: Kept.from_json(response.json()), body)


def delete_exchange(thread_id: str, exchange_id: UUID | str) -> Call[None]:
    """`DELETE /threads/{thread_id}/exchanges/{exchange_id}`."""
    path = f"{_thread_path(thread_id)}/exchanges/{path_segment('exchange_id', str(exchange_id))}"
    return Call("DELETE", path, parse_no_content, is_deletion=True)


def search(
    query: str,
    user_id: str | None,
    limit: int | None,
    thread_id: str | None,
    exclude_thread_id: str | None,
    since: datetime | None,
    until: datetime | None,
    kinds: Sequence[str] | None,
) -> Call[SearchResult]:
    """`POST /search`.

    Raises:
        CannotBeKept: A time has no time zone.
    """
    body: dict[str, Any] = {"query": query, "user_id": user_id, "limit": limit, "thread_id": thread_id}
    body |= {"exclude_thread_id": exclude_thread_id, "kinds": None if kinds is None else _to_list(kinds)}
    body |= {"since": _time_text("since", since), "until": _time_text("until", until)}
    return Call(
        "POST", "/search", lambda response: SearchResult.from_json(response.json()), without_none(body), is_read=True
    )


def list_threads(user_id: str | None, limit: int | None, cursor: str | None) -> Call[Page[Thread]]:
    """`GET /threads`."""
    query = without_none({"user_id": user_id, "limit": limit, "cursor": cursor})
    return Call("GET", "/threads", lambda response: threads_page(response.json()), query=query)


def read_thread(thread_id: str) -> Call[Thread]:
    """`GET /threads/{thread_id}`."""
    return Call("GET", _thread_path(thread_id), lambda response: Thread.from_json(response.json()))


def read_messages(thread_id: str, limit: int | None, cursor: str | None, order: Order) -> Call[Page[Message]]:
    """`GET /threads/{thread_id}/messages`."""
    query = without_none({"limit": limit, "cursor": cursor, "order": order})
    return Call(
        "GET", f"{_thread_path(thread_id)}/messages", lambda response: messages_page(response.json()), query=query
    )


def read_layers(thread_id: str, limit: int | None) -> Call[Layers]:
    """`GET /threads/{thread_id}/layers`."""
    query = without_none({"limit": limit})
    return Call(
        "GET", f"{_thread_path(thread_id)}/layers", lambda response: Layers.from_json(response.json()), query=query
    )


def rename_thread(thread_id: str, title: str) -> Call[Thread]:
    """`PATCH /threads/{thread_id}`."""
    return Call("PATCH", _thread_path(thread_id), lambda response: Thread.from_json(response.json()), {"title": title})


def delete_thread(thread_id: str) -> Call[None]:
    """`DELETE /threads/{thread_id}`."""
    return Call("DELETE", _thread_path(thread_id), parse_no_content, is_deletion=True)


def read_preferences(user_id: str) -> Call[dict[str, str]]:
    """`GET /users/{user_id}/preferences`."""
    return Call("GET", f"{user_path(user_id)}/preferences", _parse_preferences)


def replace_preferences(user_id: str, preferences: Mapping[str, str]) -> Call[dict[str, str]]:
    """`PUT /users/{user_id}/preferences`."""
    return Call("PUT", f"{user_path(user_id)}/preferences", _parse_preferences, dict(preferences))


def merge_preferences(user_id: str, changes: Mapping[str, str | None]) -> Call[dict[str, str]]:
    """`PATCH /users/{user_id}/preferences`."""
    return Call("PATCH", f"{user_path(user_id)}/preferences", _parse_preferences, dict(changes))


def delete_preferences(user_id: str) -> Call[None]:
    """`DELETE /users/{user_id}/preferences`."""
    return Call("DELETE", f"{user_path(user_id)}/preferences", parse_no_content, is_deletion=True)


def delete_user(user_id: str) -> Call[None]:
    """`DELETE /users/{user_id}`."""
    return Call("DELETE", user_path(user_id), parse_no_content, is_deletion=True)


def health() -> Call[Health]:
    """`GET /health`."""
    return Call("GET", "/health", lambda response: Health.from_json(response.json()))


def read_status() -> Call[Status]:
    """`GET /status`."""
    return Call("GET", "/status", lambda response: Status.from_json(response.json()))


def read_overview(
    user_id: str | None, thread_id: str | None, include: Sequence[str] | None, messages: int | None, threads: int | None
) -> Call[Overview]:
    """`GET /overview`."""
    query = without_none({"user_id": user_id, "thread_id": thread_id, "messages": messages, "threads": threads})
    query |= {} if include is None else {"include": ",".join(_to_list(include))}
    return Call("GET", "/overview", lambda response: Overview.from_json(response.json()), query=query)


def openapi() -> Call[dict[str, Any]]:
    """`GET /openapi.json`."""
    return Call("GET", "/openapi.json", _parse_description)


_KEY_HEADER: Final = "Idempotency-Key"


def path_segment(name: str, value: str) -> str:
    """Return a value as a segment of a path.

    Raises:
        CannotBeKept: It is no text, empty, or cannot be sent.
    """
    if not isinstance(value, str):
        raise CannotBeKept(f"{name}: must be a text, not {type(value).__name__}")
    if not value:
        raise CannotBeKept(f"{name}: must have at least one character")
    if reason := text_error(value):
        raise CannotBeKept(f"{name}: {reason}")
    # Clients and proxies remove path segments of one or two dots.
    return quote(value, safe="").replace(".", "%2E")


def _thread_path(thread_id: str) -> str:
    return f"/threads/{path_segment('thread_id', thread_id)}"


def user_path(user_id: str) -> str:
    """Return the path of a user."""
    return f"/users/{path_segment('user_id', user_id)}"


def _to_list(values: Sequence[str]) -> list[str]:
    if isinstance(values, str):
        raise TypeError("must be a list of texts, not one text")
    return list(values)


def _time_text(name: str, value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise CannotBeKept(f"{name} must have a time zone")
    return value.isoformat()


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def parse_no_content(response: httpx.Response) -> None:
    """Check the response to a deletion."""
    if response.status_code != HTTPStatus.NO_CONTENT:
        raise ValueError("the response to a deletion must be 204")


def _parse_preferences(response: httpx.Response) -> dict[str, str]:
    preferences = response.json()
    if not isinstance(preferences, dict) or not all(isinstance(value, str) for value in preferences.values()):
        raise TypeError("preferences must be an object of texts")
    return preferences


def _parse_description(response: httpx.Response) -> dict[str, Any]:
    description = response.json()
    if not isinstance(description, dict) or not isinstance(description.get("info"), dict):
        raise TypeError("a description must be an object with an object `info`")
    return description


def _parse_run_result(response: httpx.Response) -> RunResult:
    return RunResult.from_json(response.json(), is_replayed=response.headers.get(_REPLAYED_HEADER) == "true")
