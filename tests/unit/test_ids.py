"""Exchange ids have the bits of RFC 9562. Ids and order keys sort correctly."""

import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID, uuid4

import pytest

from shared.ids import ExchangeIds, milliseconds_of, order_key, timestamp_of

V4 = UUID("01234567-89ab-4def-8123-456789abcdef")
V7 = UUID("019a0000-0000-7def-8123-456789abcdef")


def test_an_id_is_a_version_7_uuid_of_its_millisecond() -> None:
    """Version, variant and the first 48 bits follow RFC 9562, section 5.7."""
    created = ExchangeIds().new(now=1_700_000_000.123)
    assert (created.version, created.variant) == (7, RFC_4122)
    assert milliseconds_of(created) == 1_700_000_000_123
    assert timestamp_of(created) == datetime.fromtimestamp(1_700_000_000, UTC) + timedelta(milliseconds=123)


def test_an_id_has_the_current_time_by_default() -> None:
    """An id without a given time has the current time."""
    before, created, after = int(time.time() * 1000), ExchangeIds().new(), int(time.time() * 1000)
    assert before <= milliseconds_of(created) <= after + 1


def test_all_other_bits_are_random() -> None:
    """All other bits are random, so two processes create different ids in the same millisecond."""
    created = {ExchangeIds().new(now=1.0).int for _ in range(500)}
    assert len(created) == 500
    ones = zeros = 0
    for number in created:
        ones |= number
        zeros |= ~number
    random_bits = (1 << 64) - 1 & ~(0b11 << 62) | 0xFFF << 64
    assert ones & zeros & random_bits == random_bits


def test_ids_of_one_millisecond_are_sorted() -> None:
    """Ids of one millisecond sort in the order of their creation."""
    ids = ExchangeIds()
    created = [ids.new(now=5.0) for _ in range(1_000)]
    assert created == sorted(set(created))


def test_ids_are_sorted_after_the_clock_is_set_back() -> None:
    """A clock that is set back by an hour does not change the order."""
    ids = ExchangeIds()
    first, second, third = ids.new(now=10_000.0), ids.new(now=6_400.0), ids.new(now=6_400.0)
    assert first < second < third
    assert milliseconds_of(second) in {10_000_000, 10_000_001}


@pytest.mark.parametrize("lead", [timedelta(0), timedelta(seconds=5), timedelta(days=300)])
def test_an_id_sorts_after_its_lower_bound(lead: timedelta) -> None:
    """An id sorts after its lower bound. Later ids do, too, if the bound is less than a day ahead of the clock."""
    now = 1_700_000_000.0
    lower_bound = ExchangeIds().new(now=now + lead.total_seconds())
    ids = ExchangeIds()
    assert ids.new(after=lower_bound, now=now) > lower_bound
    assert (ids.new(now=now) > lower_bound) == (lead < timedelta(days=1))


def test_the_lower_bound_may_be_an_order_key() -> None:
    """The lower bound of an id may be the order key of a caller's id."""
    lower_bound = UUID(int=(1_700_000_000_000 << 80) | (1 << 80) - 1)
    created = ExchangeIds().new(after=lower_bound, now=1_700_000_000.0)
    assert created > lower_bound
    assert milliseconds_of(created) == 1_700_000_000_001


def test_a_lower_bound_in_the_past_changes_nothing() -> None:
    """A lower bound in the past does not change the id's time."""
    assert milliseconds_of(ExchangeIds().new(after=UUID(int=1), now=3.0)) == 3_000


def test_threads_create_different_ids() -> None:
    """Threads that share one generator create different ids."""
    ids = ExchangeIds()
    created: list[UUID] = []
    threads = [threading.Thread(target=lambda: created.extend(ids.new(now=1.0) for _ in range(300))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(created)) == 1_200


def test_a_version_7_id_is_its_own_order_key() -> None:
    """A UUIDv7 contains its time, so its order key does not depend on the acceptance time."""
    assert order_key(V7, datetime(2000, 1, 1, tzinfo=UTC)) == V7


def test_another_id_is_ordered_by_its_time_of_acceptance() -> None:
    """If an id is not a UUIDv7, the acceptance time in milliseconds replaces the first 48 bits in its order key.

    The other bits distinguish ids of one millisecond.
    """
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)
    key = order_key(V4, moment)
    assert timestamp_of(key) == moment.replace(microsecond=678_000)
    assert str(key)[14:] == str(V4)[14:]
    assert order_key(V4, moment.astimezone()) == key


def test_order_keys_of_other_ids_are_sorted_by_time() -> None:
    """If two ids are no UUIDv7s, the id that is accepted a millisecond later has the higher order key."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    keys = [order_key(uuid4(), start + timedelta(milliseconds=step)) for step in range(200)]
    assert keys == sorted(keys)


def test_an_id_with_another_variant_is_its_own_order_key() -> None:
    """A version-7 id with another variant is its own order key, because PostgreSQL checks only the version digit."""
    foreign = UUID(V7.hex[:16] + "c" + V7.hex[17:])
    assert foreign.version is None
    assert order_key(foreign, datetime(2000, 1, 1, tzinfo=UTC)) == foreign


def test_the_latest_id_has_the_calendars_last_time() -> None:
    """The time of the latest possible id exceeds Python's calendar. The function returns the calendar's last time."""
    assert timestamp_of(UUID(int=(1 << 128) - 1)).year == 9999
