"""The client's ids are UUIDv7s, increase, and follow the service's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_memory_client import AsyncMemoryClient, MemoryClient
from hybrid_memory_client._ids import ExchangeIds, id_after, ids_for, make_uuid7
from shared.ids import is_time_ordered, milliseconds_of, order_key
from tests.clients.python.scripted_client import ScriptedClient, problem, success

NOW = 1_800_000_000.0
INVOKED_RESPONSE = {"exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586", "durability": "queue", "cached": True}


def _date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)


def test_ids_increase_if_the_clock_is_set_back() -> None:
    """Ids increase even if the clock is set back. If necessary, the next id has the following millisecond."""
    now = [NOW]
    ids = ExchangeIds(lambda: now[0])
    generated = [ids.new() for _ in range(1000)]
    now[0] -= 3600
    generated.append(ids.new())
    assert generated == sorted(set(generated))
    assert {each.version for each in generated} == {7}
    assert {each.variant for each in generated} == {uuid4().variant}
    assert milliseconds_of(generated[0]) == NOW * 1000


@pytest.mark.parametrize(("clock", "corrected"), [(-3600, True), (-0.4, False), (0, False), (0.9, False), (3600, True)])
def test_the_date_header_corrects_a_wrong_clock(clock: float, *, corrected: bool) -> None:
    """The `Date` header has whole seconds, so it does not correct a clock that is within this second."""
    ids = ExchangeIds(lambda: NOW + 0.5 + clock)
    ids.new()
    ids.adjust_clock(_date(NOW), NOW + 0.5 + clock)
    error = milliseconds_of(ids.new()) / 1000 - (NOW + 0.5)
    assert abs(error) <= 1
    assert corrected or abs(error - clock) < 0.01


@pytest.mark.parametrize("date", [None, "", "soon", "Wed, 99 Oct 2015 07:28:00 GMT"])
def test_an_invalid_date_corrects_nothing(date: str | None) -> None:
    """An invalid date does not change the clock."""
    ids = ExchangeIds(lambda: NOW)
    ids.adjust_clock(date, NOW)
    assert milliseconds_of(ids.new()) == NOW * 1000


def test_ids_sort_after_ids_that_were_read() -> None:
    """The next id sorts after an exchange of another process whose clock is slightly ahead."""
    ids = ExchangeIds(lambda: NOW)
    read_id = make_uuid7(int((NOW + 5) * 1000), 0)
    ids.observe([None, uuid4(), read_id, make_uuid7(int((NOW + 3600) * 1000), 0)])
    assert read_id < ids.new() < make_uuid7(int((NOW + 6) * 1000), 0)


@pytest.mark.parametrize("client_type", [MemoryClient, AsyncMemoryClient])
def test_a_rejected_id_is_replaced(client_type: type[MemoryClient | AsyncMemoryClient]) -> None:
    """If the service rejects a generated id as from the future, the client repeats the call once with a new id.

    The response has then corrected the clock. A call with a caller's id is not repeated.
    """
    field_errors = [{"field": "exchange_id", "in": "body", "detail": "is from the future"}]
    rejection = problem(422, errors=field_errors)
    rejection.headers["Date"] = _date(NOW)
    client = ScriptedClient(client_type, rejection, success(INVOKED_RESPONSE, 202), rejection)
    assert client.invoked("q", "a", thread_id="t").durability == "queue"
    second = UUID(client.bodies()[1]["exchange_id"])
    assert abs(milliseconds_of(second) / 1000 - NOW) < 10
    with pytest.raises(Exception, match="422"):
        client.invoked("q", "a", thread_id="t", exchange_id=second)


def test_clients_of_one_deployment_share_their_ids() -> None:
    """An exchange that either client adds sorts after the previous exchange."""
    clients = [MemoryClient("http://127.0.0.1/x", http_client=httpx.Client()) for _ in range(2)]
    generated = [clients[number % 2].new_id() for number in range(100)]
    assert generated == sorted(generated)
    assert ids_for("http://127.0.0.1/x") is ids_for("http://127.0.0.1/x")


@given(st.uuids(), st.integers(0, 10_000), st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - hypothesis requires naive ones
def test_id_after_sorts_directly_after_the_exchange(exchange_id: UUID, number: int, moment: datetime) -> None:
    """`id_after` always returns the same UUIDv7 for an exchange and a number. The exchange's id can be any UUID."""
    created_at = moment.replace(tzinfo=UTC)
    generated = id_after(exchange_id, created_at, number)
    assert generated == id_after(exchange_id, created_at, number) != id_after(exchange_id, created_at, number + 1)
    assert is_time_ordered(generated)
    key = order_key(exchange_id, created_at)
    assert key < order_key(generated, created_at)
    assert milliseconds_of(generated) - milliseconds_of(key) in {0, 1}


def test_ids_increase_across_clients() -> None:
    """The ids for one deployment increase in a process, whichever client generates them."""
    generated = [ids_for("http://one.example").new() for _ in range(100)]
    assert generated == sorted(generated)
