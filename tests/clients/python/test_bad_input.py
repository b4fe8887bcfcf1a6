"""The client refuses invalid values before it sends a request. All errors have one type and name the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hybrid_memory_client import AsyncMemoryClient, CannotBeKept, InvalidRequest, MemoryClient
from hybrid_memory_client._validation import MOST_DEPTH, json_error
from shared.metadata import MAX_METADATA_DEPTH, metadata_error
from tests.clients.python.callers import Caller, refusal


def nested(depth: int) -> dict[str, Any]:
    """Return objects in objects."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


circle: dict[str, Any] = {}
circle["a"] = [circle, circle]
BAD: list[Any] = [
    "NUL \x00",
    "lone \ud800",
    2**64,
    -(2**63) - 1,
    10**5000,
    float("nan"),
    float("-inf"),
    b"bytes",
    {1: "x"},
    {None: "x"},
    {"\x00": 1},
    {"\udfff": 1},
    {1, 2},
    object(),
    nested(100),
    nested(100_000),
    circle,
]


@pytest.mark.parametrize("kind", [MemoryClient, AsyncMemoryClient])
@pytest.mark.parametrize("value", BAD, ids=lambda value: type(value).__name__)
def test_invalid_metadata_is_refused(kind: type[MemoryClient | AsyncMemoryClient], value: object) -> None:
    """The client refuses invalid values at any depth."""
    for metadata in ({"k": value}, {"k": [1, {"l": value}]}):
        for call in ("invoked", "run"):
            caller = Caller(kind)
            texts = ["q", "a"] if call == "invoked" else ["q"]
            with pytest.raises(CannotBeKept, match=r"metadata|nested"):
                getattr(caller, call)(*texts, thread_id="t", metadata=metadata)
            assert caller.requests == []


CALLS: dict[str, Callable[[Caller, str], Any]] = {
    "user_message": lambda caller, text: caller.invoked(text, "a"),
    "assistant_message": lambda caller, text: caller.invoked("q", text),
    "prompt": lambda caller, text: caller.run(text),
    "instructions": lambda caller, text: caller.run("q", instructions=text),
    "tools.0": lambda caller, text: caller.run("q", tools=[text]),
    "document_ids.1": lambda caller, text: caller.run("q", document_ids=["d", text]),
    "user_id": lambda caller, text: caller.invoking(user_id=text),
    "title": lambda caller, text: caller.rename_thread("t", text),
    "tone": lambda caller, text: caller.merge_preferences("u", {"tone": text}),
    "cursor": lambda caller, text: caller.list_threads("u", cursor=text),
    "thread_id": lambda caller, text: caller.read_thread(text),
    "thread_id:": lambda caller, text: caller.delete_thread(text),
    "user_id:": lambda caller, text: caller.read_preferences(text),
    "exchange_id": lambda caller, text: caller.delete_exchange("t", text),
    "names in it": lambda caller, text: caller.merge_preferences("u", {text: "x"}),
    "idempotency_key": lambda caller, text: caller.run("q", idempotency_key=text),
}


@pytest.mark.parametrize("kind", [MemoryClient, AsyncMemoryClient])
@pytest.mark.parametrize("field", CALLS)
@pytest.mark.parametrize("text", ["a\x00b", "\ud83d"])
def test_an_invalid_text_is_reported_with_its_field(
    kind: type[MemoryClient | AsyncMemoryClient], field: str, text: str
) -> None:
    """Every request validates its texts."""
    caller = Caller(kind)
    with pytest.raises(CannotBeKept, match=field):
        CALLS[field](caller, text)
    assert caller.requests == []


@pytest.mark.parametrize("key", ["key\n", "ключ"])
def test_a_key_that_no_header_holds_is_refused(key: str) -> None:
    """The client refuses an invalid key and does not change it."""
    with pytest.raises(CannotBeKept, match="idempotency_key"):
        Caller(MemoryClient).run("q", idempotency_key=key)


@pytest.mark.parametrize("thread_id", ["", None, 7, b"t"])
def test_an_invalid_id_is_not_a_path(thread_id: Any) -> None:
    """The client refuses an invalid thread id. An empty id in the path would be another route."""
    with pytest.raises(CannotBeKept, match="thread_id"):
        Caller(MemoryClient).read_thread(thread_id)


GOOD: list[Any] = [None, True, 0, 2**64 - 1, -(2**63), 1e300, "🎉", "", [], {"a": [{}]}, nested(MOST_DEPTH)]


@pytest.mark.parametrize("value", [*GOOD, *BAD, nested(MOST_DEPTH + 1)], ids=lambda value: type(value).__name__)
def test_the_rules_are_the_services(value: object) -> None:
    """The client refuses exactly the values that the service refuses."""
    if value is circle:
        return
    wrapped = value if isinstance(value, dict) else {"k": value}
    theirs = metadata_error(wrapped)
    ours = json_error(wrapped)
    if any(isinstance(key, str) is False for key in wrapped):
        # Only the client can get keys that are not texts: JSON has no such keys.
        assert ours is not None
        return
    assert (ours is None) == (theirs is None), (ours, theirs)
    assert MOST_DEPTH == MAX_METADATA_DEPTH


@pytest.mark.parametrize("kind", [MemoryClient, AsyncMemoryClient])
@pytest.mark.parametrize("key", [" k", "k ", "a\nb", "\u00fc", 5, b"k"])
def test_a_key_that_no_header_holds(kind: type[MemoryClient | AsyncMemoryClient], key: Any) -> None:
    """The client refuses keys that a header cannot hold.

    HTTP would drop spaces at the key's ends, and refuse the other characters.
    """
    caller = Caller(kind)
    with pytest.raises(CannotBeKept, match="idempotency_key"):
        caller.run("q", idempotency_key=key)
    assert caller.requests == []


@pytest.mark.parametrize("kind", [MemoryClient, AsyncMemoryClient])
def test_a_header_that_http_cannot_hold(kind: type[MemoryClient | AsyncMemoryClient]) -> None:
    """A header that HTTP refuses is not reported as a lost connection, because that would be retried.

    The error does not contain the token.
    """
    caller = Caller(kind, httpx.LocalProtocolError("Illegal header value b'Bearer secret\\n'"))
    with pytest.raises(CannotBeKept, match="header") as caught:
        caller.health()
    assert "secret" not in str(caught.value)
    assert (caught.value.__cause__, len(caller.requests)) == (None, 1)


@pytest.mark.parametrize("kind", [MemoryClient, AsyncMemoryClient])
def test_an_empty_id_is_not_taken_for_none(kind: type[MemoryClient | AsyncMemoryClient]) -> None:
    """The client sends an empty id unchanged, and the service refuses it.

    If the client omitted it, the exchange would get an id that the caller does not know.
    """
    for name in ("exchange_id", "replaces"):
        caller = Caller(kind, refusal(422))
        with pytest.raises(InvalidRequest):
            caller.run("q", thread_id="t", **{name: ""})
        assert json.loads(caller.requests[0].content)[name] == ""
    caller = Caller(kind, refusal(422))
    with pytest.raises(InvalidRequest):
        caller.invoked("q", "a", thread_id="t", exchange_id="")
    assert json.loads(caller.requests[0].content)["exchange_id"] == ""
