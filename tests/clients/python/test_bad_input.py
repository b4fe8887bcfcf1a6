"""The client refuses invalid values before it sends a request. All errors have one type and name the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hybrid_memory_client import AsyncMemoryClient, CannotBeKept, InvalidRequest, MemoryClient
from hybrid_memory_client._validation import MAX_DEPTH, json_error
from shared.metadata import MAX_METADATA_DEPTH, metadata_error
from tests.clients.python.scripted_client import ScriptedClient, problem


def nested_object(depth: int) -> dict[str, Any]:
    """Return an object with this many levels."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


circular: dict[str, Any] = {}
circular["a"] = [circular, circular]
INVALID: list[Any] = [
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
    nested_object(100),
    nested_object(100_000),
    circular,
]


@pytest.mark.parametrize("client_type", [MemoryClient, AsyncMemoryClient])
@pytest.mark.parametrize("value", INVALID, ids=lambda value: type(value).__name__)
def test_invalid_metadata_is_refused(client_type: type[MemoryClient | AsyncMemoryClient], value: object) -> None:
    """The client refuses invalid values at any depth."""
    for metadata in ({"k": value}, {"k": [1, {"l": value}]}):
        for call in ("invoked", "run"):
            client = ScriptedClient(client_type)
            texts = ["q", "a"] if call == "invoked" else ["q"]
            with pytest.raises(CannotBeKept, match=r"metadata|nested"):
                getattr(client, call)(*texts, thread_id="t", metadata=metadata)
            assert client.requests == []


CALLS: dict[str, Callable[[ScriptedClient, str], Any]] = {
    "user_message": lambda client, text: client.invoked(text, "a"),
    "assistant_message": lambda client, text: client.invoked("q", text),
    "prompt": lambda client, text: client.run(text),
    "instructions": lambda client, text: client.run("q", instructions=text),
    "tools.0": lambda client, text: client.run("q", tools=[text]),
    "document_ids.1": lambda client, text: client.run("q", document_ids=["d", text]),
    "user_id": lambda client, text: client.invoking(user_id=text),
    "title": lambda client, text: client.rename_thread("t", text),
    "tone": lambda client, text: client.merge_preferences("u", {"tone": text}),
    "cursor": lambda client, text: client.list_threads("u", cursor=text),
    "thread_id": lambda client, text: client.read_thread(text),
    "thread_id:": lambda client, text: client.delete_thread(text),
    "user_id:": lambda client, text: client.read_preferences(text),
    "exchange_id": lambda client, text: client.delete_exchange("t", text),
    "names ": lambda client, text: client.merge_preferences("u", {text: "x"}),
    "query": lambda client, text: client.search(text, user_id="u"),
    "exclude_thread_id": lambda client, text: client.search("q", user_id="u", exclude_thread_id=text),
    "idempotency_key": lambda client, text: client.run("q", idempotency_key=text),
}


@pytest.mark.parametrize("client_type", [MemoryClient, AsyncMemoryClient])
@pytest.mark.parametrize("field", CALLS)
@pytest.mark.parametrize("text", ["a\x00b", "\ud83d"])
def test_an_invalid_text_is_reported_with_its_field(
    client_type: type[MemoryClient | AsyncMemoryClient], field: str, text: str
) -> None:
    """Every request validates its texts."""
    client = ScriptedClient(client_type)
    with pytest.raises(CannotBeKept, match=field):
        CALLS[field](client, text)
    assert client.requests == []


@pytest.mark.parametrize("key", ["key\n", "ключ"])
def test_a_key_with_other_characters_is_refused(key: str) -> None:
    """The client refuses an invalid key and does not change it."""
    with pytest.raises(CannotBeKept, match="idempotency_key"):
        ScriptedClient(MemoryClient).run("q", idempotency_key=key)


@pytest.mark.parametrize("thread_id", ["", None, 7, b"t"])
def test_an_invalid_thread_id_is_refused(thread_id: Any) -> None:
    """The client refuses an invalid thread id. An empty id in the path would be another route."""
    with pytest.raises(CannotBeKept, match="thread_id"):
        ScriptedClient(MemoryClient).read_thread(thread_id)


VALID: list[Any] = [None, True, 0, 2**64 - 1, -(2**63), 1e300, "🎉", "", [], {"a": [{}]}, nested_object(MAX_DEPTH)]


@pytest.mark.parametrize(
    "value", [*VALID, *INVALID, nested_object(MAX_DEPTH + 1)], ids=lambda value: type(value).__name__
)
def test_client_and_service_have_the_same_rules(value: object) -> None:
    """The client refuses exactly the values that the service refuses."""
    if value is circular:
        return
    wrapped = value if isinstance(value, dict) else {"k": value}
    service_error = metadata_error(wrapped)
    client_error = json_error(wrapped)
    if any(isinstance(key, str) is False for key in wrapped):
        # Only the client can get keys that are not texts: JSON has no such keys.
        assert client_error is not None
        return
    assert (client_error is None) == (service_error is None), (client_error, service_error)
    assert MAX_DEPTH == MAX_METADATA_DEPTH


@pytest.mark.parametrize("client_type", [MemoryClient, AsyncMemoryClient])
@pytest.mark.parametrize("key", [" k", "k ", "a\nb", "\u00fc", 5, b"k"])
def test_an_invalid_key_sends_no_request(client_type: type[MemoryClient | AsyncMemoryClient], key: Any) -> None:
    """The client refuses keys that a header cannot hold.

    HTTP would drop spaces at the key's ends, and refuse the other characters.
    """
    client = ScriptedClient(client_type)
    with pytest.raises(CannotBeKept, match="idempotency_key"):
        client.run("q", idempotency_key=key)
    assert client.requests == []


@pytest.mark.parametrize("client_type", [MemoryClient, AsyncMemoryClient])
def test_an_invalid_header_is_not_retried(client_type: type[MemoryClient | AsyncMemoryClient]) -> None:
    """A header that HTTP refuses is not reported as a lost connection, because that would be retried.

    The error does not contain the token.
    """
    client = ScriptedClient(client_type, httpx.LocalProtocolError("Illegal header value b'Bearer secret\\n'"))
    with pytest.raises(CannotBeKept, match="header") as caught:
        client.health()
    assert "secret" not in str(caught.value)
    assert (caught.value.__cause__, len(client.requests)) == (None, 1)


@pytest.mark.parametrize("client_type", [MemoryClient, AsyncMemoryClient])
def test_an_empty_id_is_sent(client_type: type[MemoryClient | AsyncMemoryClient]) -> None:
    """The client sends an empty id unchanged, and the service refuses it.

    If the client omitted it, the exchange would get an id that the caller does not know.
    """
    for name in ("exchange_id", "replaces"):
        client = ScriptedClient(client_type, problem(422))
        with pytest.raises(InvalidRequest):
            client.run("q", thread_id="t", **{name: ""})
        assert json.loads(client.requests[0].content)[name] == ""
    client = ScriptedClient(client_type, problem(422))
    with pytest.raises(InvalidRequest):
        client.invoked("q", "a", thread_id="t", exchange_id="")
    assert json.loads(client.requests[0].content)["exchange_id"] == ""
