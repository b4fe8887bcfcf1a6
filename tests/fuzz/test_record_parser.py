"""The parser returns an exchange for a record's body, or refuses the body with a reason."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRecord
from shared.models import Exchange
from shared.stores.redis import entries as redis_entries
from tests.support import random_input, strategies

_REASONS = {"not_json", "unknown_version", "missing_field", "invalid_field"}
_MAX_BYTES = 1 << 20
# A typical body takes a few milliseconds. A body that takes a hundred times as long would delay the drain.
_MAX_SECONDS = 5.0


def _parse(body: Any) -> Exchange | InvalidRecord:
    try:
        return Exchange.from_wire(body)
    except InvalidRecord as error:
        return error


def _check(body: Any) -> None:
    parsed = _parse(body)
    if isinstance(parsed, InvalidRecord):
        assert parsed.reason in _REASONS
        # The drain logs the detail and adds it to the dead letter, so the detail must not contain a message's text.
        assert 0 < len(parsed.detail) < 200
        return
    wire = parsed.to_wire()
    repeated = Exchange.from_wire(wire)
    assert repeated == parsed
    assert repeated.to_wire() == wire
    assert 0 <= parsed.order.int < 1 << 128
    # The entries in Redis of an accepted exchange decode to the same messages.
    assert tuple(redis_entries.decode(entry) for entry in redis_entries.encode(parsed)) == parsed.messages


@random_input.fuzz
@given(random_input.bodies())
def test_any_body_is_parsed_or_refused(body: str) -> None:
    """The parser handles a random body as text and as bytes."""
    _check(body)
    _check(body.encode(errors="surrogatepass"))


@random_input.fuzz
@given(strategies.exchanges(), st.data())
def test_damaged_bytes_are_parsed_or_refused(exchange: Exchange, data: st.DataObject) -> None:
    """The parser handles valid bodies with changed bytes, including invalid UTF-8."""
    _check(data.draw(random_input.damaged_bytes(exchange.to_wire().encode())))


@random_input.fuzz
@given(st.binary(max_size=200))
def test_random_bytes_are_parsed_or_refused(body: bytes) -> None:
    """The parser handles random bytes."""
    _check(body)


@random_input.fuzz
@given(strategies.exchanges(), random_input.any_text, random_input.values)
def test_unknown_fields_change_nothing(exchange: Exchange, name: str, value: Any) -> None:
    """The parser ignores an unknown field with any value, because a later version may add the field."""
    record = json.loads(exchange.to_wire())
    if name in record:
        return
    parsed = _parse(random_input.to_json({**record, name: value}))
    assert parsed == exchange or (isinstance(parsed, InvalidRecord) and parsed.reason == "not_json")


@pytest.mark.parametrize("body", [None, 17, 1.5, True, [], {}, {"version": 1}, object(), memoryview(b"[]")])
def test_a_body_of_any_type_is_parsed_or_refused(body: Any) -> None:
    """The parser handles a body of any type."""
    _check(body)


_VALID_BODY = {
    "version": 1,
    "exchange_id": "019a0000-0000-7def-8123-456789abcdef",
    "thread_id": "t",
    "user_id": None,
    "user_message": "q",
    "assistant_message": "a",
    "document_ids": [],
    "created_at": "2026-01-01T00:00:00Z",
}
_LARGE_BODIES = {
    "nested lists": "[" * (_MAX_BYTES // 2) + "]" * (_MAX_BYTES // 2),
    "nested objects": '{"a":' * (_MAX_BYTES // 6) + "1" + "}" * (_MAX_BYTES // 6),
    "open lists": "[" * _MAX_BYTES,
    "one number": "9" * _MAX_BYTES,
    "an exponent": "1e" + "9" * (_MAX_BYTES - 2),
    "a version of a million digits": json.dumps(_VALID_BODY).replace('"version": 1', '"version": ' + "1" * _MAX_BYTES),
    "one name a million times": '{"a":1' + ',"a":1' * (_MAX_BYTES // 6) + "}",
    "an id of a megabyte": json.dumps(_VALID_BODY | {"thread_id": "x" * _MAX_BYTES}),
    "a time of a megabyte": json.dumps(_VALID_BODY | {"created_at": "2" * _MAX_BYTES}),
    "an exchange id of a megabyte": json.dumps(_VALID_BODY | {"exchange_id": "{" * _MAX_BYTES}),
    "as many documents as fit": json.dumps(_VALID_BODY | {"document_ids": ["x"] * (_MAX_BYTES // 5)}),
    "escapes": json.dumps(_VALID_BODY | {"user_message": "\x01" * (_MAX_BYTES // 6)}),
    "backslashes": '"' + "\\" * _MAX_BYTES,
}


@pytest.mark.parametrize("body", _LARGE_BODIES.values(), ids=_LARGE_BODIES.keys())
def test_the_largest_messages_are_parsed_in_time(body: str) -> None:
    """The parser accepts or refuses a message of SQS's maximum size within a time limit, even the slowest kinds."""
    started_at = time.monotonic()
    _check(body)
    assert time.monotonic() - started_at < _MAX_SECONDS
