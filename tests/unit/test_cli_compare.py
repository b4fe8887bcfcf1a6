from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from cli.stores.comparison import Comparison, compare
from shared.models import Exchange, Message
from shared.stores.redis.entries import encode, encode_seal_or_token
from tests.support.exchanges import MOMENT, exchange

LATER = MOMENT + timedelta(hours=1)
GRACE = timedelta(seconds=120)
GENERATION = "1764000000.000000"
SEAL = encode_seal_or_token("first", GENERATION)


def _new_exchanges(count: int, start: datetime = MOMENT) -> list[Exchange]:
    ids = [exchange().exchange_id for _ in range(count)]
    return [
        exchange(number, exchange_id=exchange_id, created_at=start + timedelta(seconds=number))
        for number, exchange_id in enumerate(sorted(ids))
    ]


def _entries(exchanges: Sequence[Exchange], *, is_sealed: bool = False) -> list[bytes]:
    entries = [entry for each in exchanges for entry in encode(each)]
    if is_sealed and entries:
        entries[0] = entries[0][:-1] + SEAL
    return entries


def _stored(exchanges: Sequence[Exchange]) -> list[Message]:
    return [message for each in exchanges for message in each.messages]


def _compare(entries: Sequence[bytes], stored: Sequence[Exchange], now: datetime = LATER) -> Comparison:
    return compare("t", entries, _stored(stored), now=now, grace=GRACE, generation=GENERATION)


def _kinds(result: Comparison) -> list[str]:
    return [difference.kind for difference in result.differences]


def test_equal_layers_have_no_difference() -> None:
    """If the layers have equal exchanges in the same order, there is no difference."""
    created = _new_exchanges(3)
    result = _compare(_entries(created, is_sealed=True), created)
    assert (result.differences, result.exchanges, result.pending, result.is_partial) == ([], 3, 0, False)


def test_a_shorter_list_is_a_difference_only_with_a_seal() -> None:
    """A shorter list is a difference only if its seal says that the list is complete."""
    created = _new_exchanges(4)
    result = _compare(_entries(created[2:]), created)
    assert (_kinds(result), result.is_partial) == ([], True)
    assert _kinds(_compare(_entries(created[2:], is_sealed=True), created)) == ["missing", "missing"]


def test_a_missing_exchange_is_a_difference() -> None:
    """An exchange missing in the middle or at the end of the list is a difference."""
    created = _new_exchanges(4)
    assert _kinds(_compare(_entries([created[0], *created[2:]]), created)) == ["missing"]
    assert _kinds(_compare(_entries(created[:3]), created)) == ["missing"]


def test_an_old_exchange_only_in_redis_is_a_difference() -> None:
    """If only the list has an exchange that is not recent, this is a difference, at any position."""
    created = _new_exchanges(4)
    for missing in range(4):
        result = _compare(_entries(created), [each for each in created if each is not created[missing]])
        assert [(each.kind, each.exchange_id) for each in result.differences] == [
            ("not_stored", created[missing].exchange_id)
        ]


def test_a_recent_exchange_in_one_layer_is_pending() -> None:
    """A recent exchange that only one layer has counts as pending."""
    old, recent = _new_exchanges(2), _new_exchanges(2, LATER)
    now = LATER + timedelta(seconds=100)
    result = _compare(_entries([*old, *recent]), old, now)
    assert (_kinds(result), result.pending) == ([], 2)
    result = _compare(_entries(old), [*old, *recent], now)
    assert (_kinds(result), result.pending) == ([], 2)


def test_a_different_text_is_a_difference() -> None:
    """One different character is a difference. The output does not contain the text."""
    created = _new_exchanges(2)
    entries = _entries(created)
    entries[1] = entries[1].replace(b'"a0"', b'"a0 "')
    (difference,) = _compare(entries, created).differences
    assert (difference.kind, difference.exchange_id) == ("content", created[0].exchange_id)
    assert difference.detail == "assistant: 3 characters in Redis, 2 in PostgreSQL"


def test_an_exchange_without_its_answer_is_a_difference() -> None:
    """An exchange without its answer is a difference."""
    created = _new_exchanges(2)
    assert _kinds(_compare(_entries(created)[:-1], created)) == ["content"]


@pytest.mark.parametrize("positions", [[2, 3, 0, 1], [0, 2, 1, 3], [1, 0, 2, 3]])
def test_another_order_is_a_difference(positions: list[int]) -> None:
    """Another order of exchanges or messages is a difference."""
    created = _new_exchanges(2)
    entries = _entries(created)
    assert _kinds(_compare([entries[position] for position in positions], created)) == ["order"]


def test_a_duplicate_is_a_difference() -> None:
    """An exchange that is twice in the list is a difference."""
    created = _new_exchanges(2)
    assert _kinds(_compare(_entries([*created, created[1]]), created)) == ["duplicate"]


@pytest.mark.parametrize(
    "entry",
    [
        b"no json",
        b"[]",
        orjson.dumps({"role": "user", "content": "x"}),
        orjson.dumps({"role": 1, "content": "x"}),
        orjson.dumps(
            {
                "exchange_id": str(exchange().exchange_id),
                "order": str(exchange().exchange_id),
                "created_at": "2026-01-01T00:00:00",
                "role": "user",
                "content": "x",
            }
        ),
    ],
)
def test_an_unreadable_entry_is_reported(entry: bytes) -> None:
    """An unreadable entry is reported with its position."""
    created = _new_exchanges(1)
    (difference,) = _compare([*_entries(created), entry], created).differences
    assert (difference.kind, difference.detail) == ("unreadable", "entry 2 has no valid exchange")


def test_unreadable_lists_have_no_missing_exchanges() -> None:
    """If a list has no readable entry, the comparison reports no exchange as missing."""
    assert _kinds(_compare([b"x"], _new_exchanges(2))) == ["unreadable"]


def test_a_difference_includes_the_age() -> None:
    """A difference includes the exchange's age."""
    created = _new_exchanges(1, datetime(2026, 1, 1, tzinfo=UTC))
    (difference,) = _compare(_entries(created), [], datetime(2026, 1, 1, 0, 5, tzinfo=UTC)).differences
    assert difference.detail == "accepted 300 s ago"
