"""The queue's message body has a fixed format. The parser gives a reason for each refusal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from shared.errors import InvalidRecord
from shared.models import Exchange, format_time
from tests.support.exchanges import MOMENT, exchange
from tests.support.sqs_text import is_accepted_by_sqs

ID = UUID("019a0000-0000-7def-8123-456789abcdef")
WIRE: dict[str, Any] = {
    "version": 1,
    "exchange_id": str(ID),
    "thread_id": "conv_12345",
    "user_id": "user_456",
    "user_message": "Hello",
    "assistant_message": "Hi there!",
    "document_ids": ["d1", "d2"],
    "created_at": "2026-03-04T05:06:07.891234Z",
}
EXCHANGE = Exchange(ID, "conv_12345", "user_456", "Hello", "Hi there!", MOMENT, ("d1", "d2"))


def test_the_body_has_the_contracts_fields() -> None:
    """The body of an exchange has exactly the contract's fields."""
    assert json.loads(EXCHANGE.to_wire()) == WIRE


def test_text_and_bytes_are_parsed() -> None:
    """The parser accepts text and bytes."""
    assert Exchange.from_wire(EXCHANGE.to_wire()) == EXCHANGE
    assert Exchange.from_wire(EXCHANGE.to_wire().encode()) == EXCHANGE


def test_any_json_formatting_is_parsed() -> None:
    """The parser accepts any JSON formatting, unknown fields and other time zones."""
    foreign = {"more": [1], **dict(reversed(WIRE.items())), "created_at": "2026-03-04T07:06:07.891234+02:00"}
    assert Exchange.from_wire(json.dumps(foreign, indent=2)) == EXCHANGE


@pytest.mark.parametrize("dots", [".", ".."])
def test_dot_segments_are_valid_ids_in_the_queue(dots: str) -> None:
    """The parser accepts the ids `.` and `..`, because an earlier release of the API accepted these ids."""
    parsed = Exchange.from_wire(json.dumps({**WIRE, "thread_id": dots, "user_id": dots}))
    assert (parsed.thread_id, parsed.user_id) == (dots, dots)


def test_a_null_user_is_no_user() -> None:
    """A body with a null user has no user."""
    assert Exchange.from_wire(json.dumps({**WIRE, "user_id": None, "document_ids": []})).user_id is None


@pytest.mark.parametrize("character", ["\ufffe", "\uffff"])
def test_characters_that_sqs_refuses_are_escaped(character: str) -> None:
    """The body escapes the two characters that SQS refuses, and the parser restores them."""
    original = Exchange(ID, "t", None, f"a{character}b", f"{character}\\{character}", MOMENT)
    assert character not in original.to_wire()
    assert Exchange.from_wire(original.to_wire()) == original


@pytest.mark.parametrize("code", [*range(1, 32), 127, 0x2028, 0xD7FF, 0xE000, 0x10FFFF])
def test_control_characters_are_unchanged(code: int) -> None:
    """Control characters and the limits of Unicode's ranges are unchanged, and SQS accepts the body."""
    original = Exchange(ID, "t", None, chr(code), "x", MOMENT)
    body = original.to_wire()
    assert Exchange.from_wire(body) == original
    assert is_accepted_by_sqs(body)


@pytest.mark.parametrize("text", ["👩‍👩‍👧‍👦 🎉", "שלום עולם", "مرحبا", "\u202eevil\u202c", "e\u0301"])
def test_text_of_any_script_is_unchanged(text: str) -> None:
    """Emoji and right-to-left text are unchanged."""
    assert Exchange.from_wire(Exchange(ID, "t", None, text, text, MOMENT).to_wire()).user_message == text


@pytest.mark.parametrize("body", ["", "{", "nonsense", "[]", '"text"', "1", "null", b"\xff\xfe", '{"version": NaN}'])
def test_a_body_other_than_a_json_object_is_refused(body: str | bytes) -> None:
    """The parser refuses a body that is not a JSON object."""
    with pytest.raises(InvalidRecord) as caught:
        Exchange.from_wire(body)
    assert caught.value.reason == "not_json"


@pytest.mark.parametrize("version", [0, 2, "1", True, None, [], 1.5])
def test_an_unknown_version_is_refused(version: object) -> None:
    """The parser refuses an unknown version."""
    with pytest.raises(InvalidRecord) as caught:
        Exchange.from_wire(json.dumps({**WIRE, "version": version}))
    assert caught.value.reason == "unknown_version"


def test_a_missing_version_is_refused() -> None:
    """The parser refuses a missing version, too."""
    with pytest.raises(InvalidRecord) as caught:
        Exchange.from_wire(json.dumps({name: value for name, value in WIRE.items() if name != "version"}))
    assert caught.value.reason == "unknown_version"


@pytest.mark.parametrize("name", [name for name in WIRE if name != "version"])
def test_a_missing_field_is_refused(name: str) -> None:
    """The parser refuses a missing field. The detail is the field's name."""
    with pytest.raises(InvalidRecord) as caught:
        Exchange.from_wire(json.dumps({key: value for key, value in WIRE.items() if key != name}))
    assert (caught.value.reason, caught.value.detail) == ("missing_field", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exchange_id", "no uuid"),
        ("exchange_id", 7),
        ("exchange_id", None),
        ("thread_id", ""),
        ("thread_id", "x" * 256),
        ("thread_id", "a\nb"),
        ("thread_id", 7),
        ("thread_id", None),
        ("user_id", ""),
        ("user_id", "x" * 256),
        ("user_id", 7),
        ("user_message", None),
        ("user_message", 7),
        ("user_message", "a\x00b"),
        ("assistant_message", ["text"]),
        ("assistant_message", "\x00"),
        ("document_ids", None),
        ("document_ids", "d1"),
        ("document_ids", [1]),
        ("document_ids", [""]),
        ("document_ids", ["x" * 256]),
        ("created_at", None),
        ("created_at", 1_700_000_000),
        ("created_at", "yesterday"),
        ("created_at", "2026-03-04"),
        ("created_at", "2026-03-04T05:06:07"),
        ("created_at", "0001-01-01T00:00:00+14:00"),
        ("created_at", "0001-01-01T00:00:00Z"),
        ("created_at", "1969-12-31T23:59:59.999999Z"),
        ("created_at", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_an_invalid_field_is_refused(name: str, value: object) -> None:
    """The parser refuses an invalid field. The detail has the field's name without its value."""
    with pytest.raises(InvalidRecord) as caught:
        Exchange.from_wire(json.dumps({**WIRE, name: value}))
    assert caught.value.reason == "invalid_field"
    assert caught.value.detail.startswith(name)


@pytest.mark.parametrize("name", ["user_message", "assistant_message", "thread_id", "user_id"])
@pytest.mark.parametrize("escape", [r"\ud800", r"\udfff", r"\ud800x"])
def test_lone_surrogates_are_refused(name: str, escape: str) -> None:
    """The parser refuses lone surrogates, because strict JSON parsers do not accept them."""
    body = json.dumps({**WIRE, name: "MARK"}).replace("MARK", escape)
    with pytest.raises(InvalidRecord):
        Exchange.from_wire(body)


def test_texts_may_be_longer_than_the_api_accepts() -> None:
    """A text may be longer than the API accepts, because the service never cuts an agent's answer.

    Only SQS's limit applies.
    """
    long_text = "x" * 300_000
    assert Exchange.from_wire(json.dumps({**WIRE, "assistant_message": long_text})).assistant_message == long_text


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_time_have_an_order_key(moment: str) -> None:
    """The first and the last allowed time have an order key, even for an id without a time."""
    original = Exchange.from_wire(json.dumps({**WIRE, "created_at": moment, "exchange_id": str(UUID(int=1))}))
    assert original.order.int > 0
    assert Exchange.from_wire(original.to_wire()) == original


def test_times_are_utc_and_sort_as_texts() -> None:
    """The format of a time is UTC with six digits of fraction, so times sort as texts."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert format_time(moment) == "2026-01-02T03:04:05.000000Z"
    assert format_time(moment.astimezone(timezone(timedelta(hours=-5)))) == "2026-01-02T03:04:05.000000Z"
    assert format_time(moment) < format_time(moment + datetime.resolution)


def test_an_exchange_is_two_messages() -> None:
    """The user's message comes first. Both messages have the exchange's id, time and order key."""
    original = exchange(1, user_id="ana")
    user, assistant = original.messages
    assert (user.role, user.content, user.user_id) == ("user", "q1", "ana")
    assert (assistant.role, assistant.content, assistant.user_id) == ("assistant", "a1", None)
    assert {(each.exchange_id, each.created_at, each.order) for each in (user, assistant)} == {
        (original.exchange_id, original.created_at, original.order)
    }
