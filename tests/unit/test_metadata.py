"""The service validates an exchange's metadata, and some routes show the metadata."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given

from cli.stores.comparison import compare
from shared.errors import InvalidRecord
from shared.metadata import decode_metadata, encode_metadata
from shared.models import Exchange
from shared.stores.redis.entries import (
    decode,
    encode,
    encode_seal_or_token,
    is_first,
    is_sealed,
    seal_of,
    without_seal_or_token,
)
from shared.testing.cache import InMemoryCache
from tests.support import strategies
from tests.support.api import Api, problem
from tests.support.exchanges import MOMENT, exchange

TOOL_CALL: dict[str, Any] = {
    "tool_calls": [{"id": "c1", "arguments": {"city": "Köln 🎉", "days": 3, "at": 1.5}}],
    "n": None,
}
INVOKED = {"thread_id": "t", "user_message": "q", "assistant_message": "a"}


def _nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@given(strategies.objects)
def test_metadata_is_serialized_in_one_form(value: dict[str, Any]) -> None:
    """Parsing serialized metadata and serializing it again produces equal bytes."""
    text = encode_metadata(value)
    assert text is not None
    assert decode_metadata(text) == value
    assert encode_metadata(decode_metadata(text)) == text


@pytest.mark.parametrize("route", ["/invoked", "/run"])
def test_metadata_is_shown_with_the_users_message(api: Api, route: str) -> None:
    """`POST /invoking` and the list of messages show the metadata with the user's message.

    Without metadata, the key is absent.
    """
    body = INVOKED if route == "/invoked" else {"thread_id": "t", "prompt": "q"}
    api.ask("POST", route, {**body, "metadata": TOOL_CALL})
    api.ask("POST", route, body)
    for messages in (
        api.ask("POST", "/invoking", {"thread_id": "t"}).json()["messages"],
        api.ask("GET", "/threads/t/messages").json()["items"],
    ):
        assert [each.get("metadata", "none") for each in messages] == [TOOL_CALL, "none", "none", "none"]


def test_metadata_is_not_part_of_the_context(api: Api) -> None:
    """The text for the instructions contains no metadata."""
    api.ask("POST", "/invoked", {**INVOKED, "metadata": TOOL_CALL})
    assert (
        api.ask("POST", "/invoking", {"thread_id": "t"}).json()["context"]
        == "Previous conversation:\nuser: q\nassistant: a"
    )


def test_null_is_no_metadata_and_an_empty_object_is_metadata(api: Api) -> None:
    """An empty object counts as metadata, and null counts as no metadata."""
    api.ask("POST", "/invoked", {**INVOKED, "metadata": None})
    api.ask("POST", "/invoked", {**INVOKED, "metadata": {}})
    messages = api.ask("POST", "/invoking", {"thread_id": "t"}).json()["messages"]
    assert [each.get("metadata") for each in messages] == [None, None, {}, None]
    assert "metadata" not in messages[0]


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ('"text"', 422),
        ("[1]", 422),
        ("1", 422),
        (r'{"a": "\u0000"}', 422),
        (r'{"a\u0000": 1}', 422),
        (r'{"a": ["\ud800"]}', 422),
        (r'{"\udc00": 1}', 422),
        ('{"a": 18446744073709551616}', 422),
        ('{"a": -9223372036854775809}', 422),
        ('{"a": 1e999}', 422),
        (orjson.dumps(_nested(65)).decode(), 422),
        (json.dumps({"a": "x" * 100_000}), 413),
    ],
)
def test_invalid_metadata_is_refused(api: Api, metadata: str, status: int) -> None:
    """Invalid metadata returns a problem that names the field, and nothing is stored."""
    body = json.dumps(INVOKED)[:-1] + f', "metadata": {metadata}}}'
    answer = api.ask("POST", "/invoked", content=body.encode())
    assert answer.json()["errors"][0]["field"].startswith("metadata")
    problem(answer, status, *[each["field"] for each in answer.json()["errors"]])
    assert api.is_untouched()


@pytest.mark.parametrize("metadata", [_nested(64), {"a": "x" * 99_991}, {"a": 2**64 - 1, "b": -(2**63), "c": 5e-324}])
def test_metadata_at_the_limits_is_valid(api: Api, metadata: dict[str, Any]) -> None:
    """Metadata at the limits is valid."""
    api.ask("POST", "/invoked", {**INVOKED, "metadata": metadata})
    assert api.ask("POST", "/invoking", {"thread_id": "t"}).json()["messages"][0]["metadata"] == metadata


def test_a_retry_without_metadata_has_the_old_fingerprint(api: Api) -> None:
    """A retry without metadata has the same fingerprint as a request of a release without the field.

    A retry with metadata has another fingerprint.
    """
    body, key = {"prompt": "q", "thread_id": "t"}, {"Idempotency-Key": "k"}
    first = api.ask("POST", "/run", body, headers=key)
    repeated = api.ask("POST", "/run", {**body, "metadata": None}, headers=key)
    assert repeated.json() == first.json()
    problem(api.ask("POST", "/run", {**body, "metadata": {}}, headers=key), 422)


# --- wire format ---


def test_a_body_without_metadata_is_unchanged() -> None:
    """The body of an exchange without metadata has no field `metadata`."""
    assert "metadata" not in json.loads(exchange().to_wire())


@pytest.mark.parametrize("metadata", ["x", [1], {"a": "\x00"}, _nested(65), {"a": "x" * 100_001}])
def test_a_record_with_invalid_metadata_is_refused(metadata: object) -> None:
    """The parser refuses a record with invalid metadata, and the reason names the field."""
    body = {**json.loads(exchange().to_wire()), "metadata": metadata}
    with pytest.raises(InvalidRecord) as caught:
        Exchange.from_wire(json.dumps(body))
    assert caught.value.reason == "invalid_field"
    assert "metadata" in caught.value.detail


# --- in the list ---


@pytest.mark.parametrize("user_id", [None, "ana"])
@pytest.mark.parametrize(
    "metadata",
    [
        *("{}", '{"x":1,"first":true}', '{"whole":true}', '{"x":1,"first":"12.5"}'),
        *('{"a":{"b":[",\\"first\\":true}"]}}', '{"a":{"b":[",\\"first\\":\\"12.5\\"}"]}}'),
    ],
)
def test_no_metadata_is_read_as_a_seal(metadata: str, user_id: str | None) -> None:
    """Metadata that resembles a seal is not read as a seal. A sealed entry with such metadata is read correctly."""
    original = Exchange(UUID(int=7), "t", user_id, "q", "a", MOMENT, (), metadata)
    entry = encode(original)[0]
    assert (seal_of(entry), without_seal_or_token(entry)) == (None, entry)
    assert not is_first(entry, "12.5")
    assert not is_sealed([entry], 1, "12.5")
    for seal in ("first", "whole"):
        sealed_entry = entry[:-1] + encode_seal_or_token(seal, "12.5")
        assert (seal_of(sealed_entry), without_seal_or_token(sealed_entry)) == ((seal, "12.5"), entry)
        message = decode(sealed_entry)
        assert message is not None
        assert (message.metadata, message.user_id, message.content) == (metadata, user_id, "q")


@pytest.mark.parametrize("metadata", ["1", "null", '"x"', "[]"])
def test_an_entry_with_invalid_metadata_is_unreadable(metadata: str) -> None:
    """An entry whose metadata is not an object is unreadable, so the process reads PostgreSQL."""
    entry = encode(exchange())[0]
    assert decode(entry[:-1] + f',"metadata":{metadata}}}'.encode()) is None


def test_different_metadata_is_a_difference() -> None:
    """`verify` compares metadata and does not print it."""
    original = exchange(created_at=MOMENT)
    first, other = (
        Exchange(original.exchange_id, "t", None, "q", "a", MOMENT, (), text) for text in ('{"a":1}', '{"a":2}')
    )
    now = datetime.now(UTC)
    for stored in (other, Exchange(original.exchange_id, "t", None, "q", "a", MOMENT)):
        (difference,) = compare(
            "t", encode(first), stored.messages, now=now, grace=timedelta(0), generation=None
        ).differences
        assert (difference.kind, difference.detail) == ("content", "its metadata differs")
    assert compare("t", encode(first), first.messages, now=now, grace=timedelta(0), generation=None).differences == []


def test_the_list_has_the_metadata_as_json(api: Api, cache: InMemoryCache) -> None:
    """The list in Redis has the metadata as a JSON object, which other programs can read."""
    api.ask("POST", "/invoked", {**INVOKED, "user_id": "u", "metadata": TOOL_CALL})
    (entries,) = cache.lists.values()
    assert json.loads(entries[0])["metadata"] == TOOL_CALL
    assert "metadata" not in json.loads(entries[1])
