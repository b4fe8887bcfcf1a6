"""`created_at` of `POST /invoked`: validation, ids, and the wire format."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from shared.clocks import MAX_AHEAD
from shared.cutoffs import is_reached
from shared.errors import InvalidRecord
from shared.ids import ExchangeIds, acceptance_key, milliseconds_of, timestamp_of
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.models import IMPORT_WIRE_VERSION, Exchange
from shared.testing import InMemoryQueue
from tests.support.api import Api, problem
from tests.support.exchanges import contents_of, exchange, texts

INVOKED = {"thread_id": "t", "user_message": "q", "assistant_message": "a"}
PAST = datetime(2020, 5, 6, 7, 8, 9, 123_456, tzinfo=UTC)
PAST_ID = UUID(int=int(PAST.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | 5)


def _post_invoked(api: Api, **fields: object) -> Any:
    return api.ask("POST", "/invoked", {**INVOKED, **fields})


@pytest.mark.parametrize(
    "created_at",
    [
        "2020-05-06T07:08:09",
        "2020-05-06",
        "yesterday",
        "",
        "\x00",
        "1969-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        1_588_748_889,
        1.5,
        True,
        [],
        {},
    ],
)
def test_an_invalid_time_is_refused(api: Api, created_at: object) -> None:
    """Only an ISO 8601 time from 1970 on, with a time zone, is valid. The problem names the field."""
    problem(_post_invoked(api, created_at=created_at), 422, "created_at")
    assert api.is_untouched()


@pytest.mark.parametrize("seconds", [MAX_AHEAD + 5, 86_400, 10 * 366 * 86_400])
def test_a_time_in_the_future_is_refused(api: Api, seconds: float) -> None:
    """The API refuses a time that is further ahead of the clock than the limit for ids, also without a thread."""
    ahead = datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()
    for body in ({"created_at": ahead}, {"created_at": ahead, "thread_id": None}):
        problem(_post_invoked(api, **body), 422, "created_at")
    assert api.is_untouched()


def test_a_uuid7_of_another_millisecond_is_refused(api: Api) -> None:
    """If the request has a time and a UUIDv7, both must have the same millisecond. Other UUIDs have no time."""
    for milliseconds in (-1, 1, 60_000):
        other = (PAST + timedelta(milliseconds=milliseconds)).isoformat()
        problem(_post_invoked(api, created_at=other, exchange_id=str(PAST_ID)), 422, "created_at")
    assert api.is_untouched()
    for exchange_id in (str(PAST_ID), str(uuid4())):
        response = _post_invoked(api, created_at="2020-05-06T09:08:09.123456+02:00", exchange_id=exchange_id)
        assert (response.status_code, response.json()["exchange_id"]) == (202, exchange_id)


def test_an_import_has_its_time_and_an_id_of_that_time(api: Api) -> None:
    """The id is a UUIDv7 of the given millisecond. The API returns the given time unchanged, in UTC."""
    response = _post_invoked(api, created_at="2020-05-06T09:08:09.123456+02:00")
    exchange_id = UUID(response.json()["exchange_id"])
    assert (response.status_code, exchange_id.version) == (202, 7)
    assert timestamp_of(exchange_id) == PAST.replace(microsecond=123_000)
    items = api.ask("GET", "/threads/t/messages").json()["items"]
    assert {item["created_at"] for item in items} == {"2020-05-06T07:08:09.123456Z"}
    assert api.ask("GET", "/threads/t").json()["updated_at"] == "2020-05-06T07:08:09.123456Z"
    (body,) = map(orjson.loads, api.queue.bodies)
    assert (body["version"], body["created_at"]) == (IMPORT_WIRE_VERSION, "2020-05-06T07:08:09.123456Z")
    assert "accepted_at" not in items[0]


def test_an_exchange_with_a_time_of_null_is_not_an_import(api: Api) -> None:
    """If `created_at` is null, the exchange gets the current time, and its queue message has version 1."""
    assert _post_invoked(api, created_at=None).status_code == 202
    (body,) = map(orjson.loads, api.queue.bodies)
    assert (body["version"], "accepted_at" in body) == (1, False)


def test_ids_of_equal_times_increase() -> None:
    """Ids of imports with one time increase, even if the clock is set back. They do not affect the ids of turns."""
    ids, now = ExchangeIds(), datetime.now(UTC)
    created = [ids.for_import(PAST, now - timedelta(milliseconds=number)) for number in range(100)]
    assert created == sorted(set(created))
    assert {(each.version, milliseconds_of(each)) for each in created} == {(7, milliseconds_of(PAST_ID))}
    ahead = ids.for_import(now + timedelta(seconds=9), now)
    assert ids.new(now=now.timestamp()) < ahead
    # After a clock was years ahead, later ids still increase.
    ids.for_import(PAST, now + timedelta(days=900))
    assert ids.for_import(PAST, now + timedelta(seconds=1)) < ids.for_import(PAST, now + timedelta(seconds=2))


def test_a_cutoff_of_the_same_millisecond_includes_an_import() -> None:
    """A cutoff includes an import that was accepted in the cutoff's millisecond, but no later import."""
    accepted_at = datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)
    key = acceptance_key(PAST_ID, accepted_at)
    ids = ExchangeIds()
    assert is_reached(key, ids.new(now=accepted_at.timestamp()))
    assert not is_reached(key, ExchangeIds().new(now=accepted_at.timestamp() - 0.001))
    assert acceptance_key(PAST_ID, None) == PAST_ID


def test_an_import_needs_its_time_of_acceptance_on_the_wire() -> None:
    """A queue message of an import without a time of acceptance has an unknown version.

    An invalid time of acceptance is refused.
    """
    body = orjson.loads(exchange().to_wire()) | {"version": IMPORT_WIRE_VERSION}
    with pytest.raises(InvalidRecord, match="unknown_version"):
        Exchange.from_wire(orjson.dumps(body))
    for invalid in ("2020-05-06T07:08:09", 5, "1960-01-01T00:00:00Z"):
        with pytest.raises(InvalidRecord, match="accepted_at"):
            Exchange.from_wire(orjson.dumps(body | {"accepted_at": invalid}))


def test_ids_after_an_import_have_the_current_time(memory: Callable[..., Memory]) -> None:
    """After an import with a time ahead of the clock, the ids of later turns still have the current time."""
    process, ahead = memory(), datetime.now(UTC) + timedelta(seconds=9)
    Turn(process, "t", "ana").append("q2", "a2", created_at=ahead)
    other = memory()
    assert texts(Turn(other, "t", "ana").recall().messages) == contents_of(2)
    for each in (process, other):
        assert milliseconds_of(each.new_id("t")) < int(ahead.timestamp() * 1000)


def test_a_deletion_includes_an_import_of_a_clock_that_is_ahead(
    memory: Callable[..., Memory], queue: InMemoryQueue
) -> None:
    """A deletion includes an import that L2 does not have yet, even if the clock of the accepting process is ahead."""
    ahead = memory(clock=lambda: time.time() + 60)
    Turn(ahead, "t", "ana").append("q", "a", created_at=PAST)
    deleter = memory()
    # Redis' clock cannot be read, so the deletion uses the clocks of both machines.
    Threads(deleter).delete("t")
    assert deleter.archive.store(queue.take()).stored == 0
    assert texts(Turn(memory(), "t", "ana").recall().messages) == []
