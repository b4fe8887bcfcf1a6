"""The routes as data: what each call sends and how its answer is read. No I/O, so both clients share it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import httpx

from hybrid_memory_client.errors import (
    ApiError,
    MemoryClientError,
    NotFound,
    TooManyRequests,
    UnexpectedAnswer,
    api_error,
)
from hybrid_memory_client.inspection import Layers, Status
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
from hybrid_memory_client.retries import retry_after

Order = Literal["asc", "desc"]
_Answer = TypeVar("_Answer")
_REPLAYED: Final = "Idempotent-Replayed"
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Call(Generic[_Answer]):
    """One request, which may be sent several times.

    Attributes:
        read: Turns a success into the answer.
        waits_for_first: Whether a 409 says that this same call is still running.
        is_deletion: Whether a 404 says that an earlier try did it, if one can have got there.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], _Answer]
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    waits_for_first: bool = False
    is_deletion: bool = False

    def content(self) -> bytes | None:
        """Return the body as JSON.

        Raises:
            ValueError: JSON cannot hold it: a NaN, an infinity, a circle.
            TypeError: It holds what JSON has no form for.
        """
        if self.body is None:
            return None
        try:
            return _json(self.body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # A lone surrogate: escaped, it gets to the service, which says in which field it is.
            return _json(self.body, ensure_ascii=True).encode()

    def answer(self, response: httpx.Response) -> _Answer:
        """Return the answer.

        Raises:
            ApiError: The API refused, or failed.
            UnexpectedAnswer: This is no answer of the API's.
        """
        if not response.is_success:
            raise problem(response)
        try:
            return self.read(response)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnexpectedAnswer(_shown(self, response)) from error

    def is_done_by(self, error: MemoryClientError, *, may_be_done: bool) -> bool:
        """Return whether the error says that an earlier try, whose answer was lost, has done the work."""
        return self.is_deletion and may_be_done and isinstance(error, NotFound)


# Before a byte of the request was sent.
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def may_have_worked(error: MemoryClientError) -> bool:
    """Return whether a try that failed so can have had its effect: not without a connection, nor when turned away."""
    return not isinstance(error, TooManyRequests) and not isinstance(error.__cause__, _NOT_SENT)


def problem(response: httpx.Response) -> ApiError:
    """Return the error that an answer is; a proxy's page has no more to say than its status."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {"title": response.reason_phrase}
    return api_error(response.status_code, body, retry_after(response.headers.get("Retry-After")))


def base_of(url: str) -> str:
    """Return the URL before every path, without a slash at its end.

    Raises:
        ValueError: It is no http or https URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"the API's URL must be like https://host/stage, and is {url!r}")
    return url.rstrip("/")


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
    idempotency_key: str | None,
) -> Call[RunResult]:
    """`POST /run`, under one key however often it is sent."""
    body: dict[str, Any] = {"prompt": prompt, "agent_name": agent_name, "instructions": instructions}
    body |= {"metadata": metadata}
    body |= {"thread_id": thread_id, "user_id": user_id, "exchange_id": str(exchange_id) if exchange_id else None}
    lists = {"tools": _texts(tools), "document_ids": _texts(document_ids)}
    key = str(uuid4()) if idempotency_key is None else idempotency_key
    return Call("POST", "/run", _run_result, _given(body) | lists, headers={_KEY: key}, waits_for_first=True)


def invoking(thread_id: str | None, user_id: str | None) -> Call[Context]:
    """`POST /invoking`."""
    body = _given({"thread_id": thread_id, "user_id": user_id})
    return Call("POST", "/invoking", lambda response: Context.from_json(response.json()), body)


def invoked(
    user_message: str,
    assistant_message: str,
    thread_id: str | None,
    user_id: str | None,
    document_ids: Sequence[str],
    exchange_id: UUID | str | None,
    metadata: Mapping[str, Any] | None,
) -> Call[Kept]:
    """`POST /invoked`, under one exchange id however often it is sent.

    The id made here is random, not time-ordered: so the service's clock, which knows how far the thread has got, gives
    the exchange its place, and not the caller's, which may be wrong.
    """
    body: dict[str, Any] = {"user_message": user_message, "assistant_message": assistant_message}
    body |= {"document_ids": _texts(document_ids), "exchange_id": str(exchange_id or uuid4())}
    body |= _given({"thread_id": thread_id, "user_id": user_id, "metadata": metadata})
    return Call("POST", "/invoked", lambda response: Kept.from_json(response.json()), body)


def list_threads(user_id: str | None, limit: int | None, cursor: str | None) -> Call[Page[Thread]]:
    """`GET /threads`."""
    query = _given({"user_id": user_id, "limit": limit, "cursor": cursor})
    return Call("GET", "/threads", lambda response: threads_page(response.json()), query=query)


def read_thread(thread_id: str) -> Call[Thread]:
    """`GET /threads/{thread_id}`."""
    return Call("GET", _thread(thread_id), lambda response: Thread.from_json(response.json()))


def read_messages(thread_id: str, limit: int | None, cursor: str | None, order: Order) -> Call[Page[Message]]:
    """`GET /threads/{thread_id}/messages`."""
    query = _given({"limit": limit, "cursor": cursor, "order": order})
    return Call("GET", f"{_thread(thread_id)}/messages", lambda response: messages_page(response.json()), query=query)


def read_layers(thread_id: str, limit: int | None) -> Call[Layers]:
    """`GET /threads/{thread_id}/layers`."""
    query = _given({"limit": limit})
    return Call("GET", f"{_thread(thread_id)}/layers", lambda response: Layers.from_json(response.json()), query=query)


def rename_thread(thread_id: str, title: str) -> Call[Thread]:
    """`PATCH /threads/{thread_id}`."""
    return Call("PATCH", _thread(thread_id), lambda response: Thread.from_json(response.json()), {"title": title})


def delete_thread(thread_id: str) -> Call[None]:
    """`DELETE /threads/{thread_id}`."""
    return Call("DELETE", _thread(thread_id), _nothing, is_deletion=True)


def read_preferences(user_id: str) -> Call[dict[str, str]]:
    """`GET /users/{user_id}/preferences`."""
    return Call("GET", f"{_user(user_id)}/preferences", _preferences)


def replace_preferences(user_id: str, preferences: Mapping[str, str]) -> Call[dict[str, str]]:
    """`PUT /users/{user_id}/preferences`."""
    return Call("PUT", f"{_user(user_id)}/preferences", _preferences, dict(preferences))


def merge_preferences(user_id: str, changes: Mapping[str, str | None]) -> Call[dict[str, str]]:
    """`PATCH /users/{user_id}/preferences`."""
    return Call("PATCH", f"{_user(user_id)}/preferences", _preferences, dict(changes))


def delete_preferences(user_id: str) -> Call[None]:
    """`DELETE /users/{user_id}/preferences`."""
    return Call("DELETE", f"{_user(user_id)}/preferences", _nothing, is_deletion=True)


def delete_user(user_id: str) -> Call[None]:
    """`DELETE /users/{user_id}`."""
    return Call("DELETE", _user(user_id), _nothing, is_deletion=True)


def health() -> Call[Health]:
    """`GET /health`."""
    return Call("GET", "/health", lambda response: Health.from_json(response.json()))


def read_status() -> Call[Status]:
    """`GET /status`."""
    return Call("GET", "/status", lambda response: Status.from_json(response.json()))


def openapi() -> Call[dict[str, Any]]:
    """`GET /openapi.json`."""
    return Call("GET", "/openapi.json", lambda response: dict(response.json()))


_KEY: Final = "Idempotency-Key"


def _json(body: object, *, ensure_ascii: bool) -> str:
    return json.dumps(body, ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"))


def _segment(value: str) -> str:
    # A path of one or two dots would be taken away on its way.
    return quote(value, safe="", errors="surrogatepass").replace(".", "%2E")


def _thread(thread_id: str) -> str:
    return f"/threads/{_segment(thread_id)}"


def _user(user_id: str) -> str:
    return f"/users/{_segment(user_id)}"


def _texts(values: Sequence[str]) -> list[str]:
    if isinstance(values, str):
        raise TypeError("a list of texts is meant, not one text")
    return list(values)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _nothing(_: httpx.Response) -> None:
    return None


def _preferences(response: httpx.Response) -> dict[str, str]:
    return dict(response.json())


def _run_result(response: httpx.Response) -> RunResult:
    return RunResult.from_json(response.json(), is_replayed=response.headers.get(_REPLAYED) == "true")


def _shown(call: Call[Any], response: httpx.Response) -> str:
    kind = response.headers.get("Content-Type", "no content type")
    return (
        f"{call.method} {call.path[:_SHOWN]} was answered by {response.status_code} and {kind}, as this API never does"
    )
