"""The wire format works for any text, id and time."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRecord
from shared.models import Exchange
from shared.stores.redis.entries import decode, encode
from tests.support import strategies
from tests.support.sqs_text import is_accepted_by_sqs


@given(strategies.exchanges())
def test_a_sent_exchange_is_received(exchange: Exchange) -> None:
    """A received exchange equals the sent exchange. The body has only characters that SQS accepts."""
    body = exchange.to_wire()
    assert Exchange.from_wire(body) == exchange
    assert is_accepted_by_sqs(body)


@given(strategies.exchanges())
def test_an_entry_of_the_list_is_parsed_unchanged(exchange: Exchange) -> None:
    """A parsed entry of the list equals its message, for both messages."""
    assert tuple(decode(entry) for entry in encode(exchange)) == exchange.messages


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(strategies.exchanges(), st.data())
def test_any_value_of_a_field_is_parsed_or_refused(exchange: Exchange, data: st.DataObject) -> None:
    """The parser accepts a body with any value in a field, or refuses it with a reason. No other error occurs."""
    record = json.loads(exchange.to_wire())
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(_json)
    try:
        parsed = Exchange.from_wire(json.dumps(record))
    except InvalidRecord as error:
        reason = error.reason
    else:
        reason = ""
        assert Exchange.from_wire(parsed.to_wire()) == parsed
        assert parsed.order.int >= 0
    assert reason in {"", "not_json", "unknown_version", "missing_field", "invalid_field"}


@given(st.binary(max_size=60))
def test_any_bytes_in_the_list_are_parsed(entry: bytes) -> None:
    """The parser returns None for an unreadable entry."""
    decode(entry)


@given(_json)
def test_any_json_in_the_list_is_parsed(value: object) -> None:
    """The parser returns a message or None for a foreign entry."""
    decode(json.dumps({"role": "user", "content": "x", "exchange_id": value}).encode())
    decode(json.dumps({"role": "user", "content": "x", "created_at": value, "order": value}).encode())
    decode(json.dumps(value).encode())
