"""The batch store refuses only invalid records, and makes progress while PostgreSQL is slow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from functions.sync.batch_store import BatchResult, BatchStore
from shared.errors import InvalidRecord, StatementRefused, StoreBusy, StoreUnavailable
from shared.models import Exchange
from shared.stores.archive import StoreResult
from shared.testing import InMemoryArchive
from tests.support.exchanges import exchanges

_TRIGGER_ERROR = StatementRefused("P0001: not today", is_about_a_row=True)
_POLICY_ERROR = StatementRefused("42501: new row violates row-level security policy", is_about_a_row=False)
_MISSING_TABLE = StatementRefused("42P01: no such table", is_about_a_row=False)


class FaultyArchive(InMemoryArchive):
    """L2 that refuses some exchanges, takes time for each exchange, and aborts statements that exceed its timeout.

    Attributes:
        errors: The error for a batch that contains a text.
        seconds_per_exchange: Duration of each exchange.
        seconds_per_transaction: Additional duration of each transaction.
    """

    def __init__(self) -> None:
        super().__init__()
        self.errors: dict[str, Exception] = {}
        self.test_exchange_error: Exception | None = None
        self.seconds_per_exchange = self.seconds_per_transaction = self.now = 0.0
        self.limit = 3.0
        self.sizes: list[int] = []

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store the whole batch or nothing."""
        self.sizes.append(len(exchanges))
        needed = self.seconds_per_transaction + self.seconds_per_exchange * len(exchanges)
        self.now += min(needed, self.limit)
        if needed > self.limit:
            raise StoreBusy("postgres", "57014")
        for each in exchanges:
            if each.user_message in self.errors:
                raise self.errors[each.user_message]
        return super().store(exchanges)

    def try_store(self) -> None:
        """Store a test exchange, or fail."""
        super().try_store()
        if self.test_exchange_error is not None:
            raise self.test_exchange_error


@pytest.fixture
def archive() -> FaultyArchive:
    """Return L2."""
    return FaultyArchive()


@pytest.fixture
def store(archive: FaultyArchive) -> Callable[..., BatchResult]:
    """Return a function that stores a batch. The store's clock is the clock that L2 advances."""
    batch_store = BatchStore(archive, clock=lambda: archive.now)

    def store(batch: Sequence[Exchange], seconds: float = 8.0) -> BatchResult:
        return batch_store.store(batch, seconds)

    return store


def _texts(records: Sequence[Exchange]) -> set[str]:
    return {each.user_message for each in records}


@pytest.mark.parametrize(
    "error",
    [
        InvalidRecord("refused_by_postgres", "23514: no"),
        _TRIGGER_ERROR,
        _POLICY_ERROR,
        _MISSING_TABLE,
        RecursionError(),
        KeyError("x"),
    ],
)
def test_only_the_failed_record_is_refused(
    error: Exception, store: Callable[..., BatchResult], archive: FaultyArchive
) -> None:
    """If one record fails for any reason, the store refuses only this record and reports the reason."""
    archive.errors = {"q617": error}
    result = store(exchanges(1_000))
    assert (result.merged().stored, result.waiting) == (999, [])
    ((record, refusal),) = result.refused
    assert record.user_message == "q617"
    assert refusal.reason == (
        "refused_by_postgres" if isinstance(error, InvalidRecord | StatementRefused) else "unforeseen"
    )
    assert len(archive.sizes) < 25


@pytest.mark.parametrize(
    "error", [_TRIGGER_ERROR, _POLICY_ERROR, _MISSING_TABLE, KeyError("x"), InvalidRecord("refused", "23502: no")]
)
@pytest.mark.parametrize("count", [1, 2, 50])
def test_all_records_wait_if_the_test_exchange_fails_too(
    error: Exception, count: int, store: Callable[..., BatchResult], archive: FaultyArchive
) -> None:
    """If the test exchange fails too, PostgreSQL itself has failed. All records wait, and none is refused."""
    archive.errors = dict.fromkeys((f"q{number}" for number in range(count)), error)
    archive.test_exchange_error = error
    result = store(exchanges(count))
    assert (result.merged().stored, result.refused, len(result.waiting)) == (0, [], count)


@pytest.mark.parametrize("count", [1, 50])
def test_all_records_are_refused_if_the_test_exchange_is_stored(
    count: int, store: Callable[..., BatchResult], archive: FaultyArchive
) -> None:
    """If PostgreSQL accepts the test exchange, the records themselves are invalid, and the store refuses them."""
    archive.errors = dict.fromkeys((f"q{number}" for number in range(count)), _TRIGGER_ERROR)
    result = store(exchanges(count))
    assert (len(result.refused), result.waiting) == (count, [])


def test_a_record_waits_for_a_missing_privilege(store: Callable[..., BatchResult], archive: FaultyArchive) -> None:
    """A record that needs a missing privilege waits, and the other records are stored."""
    archive.errors, archive.test_exchange_error = {"q3": _POLICY_ERROR}, _POLICY_ERROR
    result = store(exchanges(8))
    assert (result.merged().stored, result.refused, _texts(result.waiting)) == (7, [], {"q3"})


def test_a_trigger_may_refuse_the_test_exchange_too(store: Callable[..., BatchResult], archive: FaultyArchive) -> None:
    """A trigger refuses one record and the test exchange, and accepts other records.

    The store refuses only this record.
    """
    archive.errors, archive.test_exchange_error = {"q3": _TRIGGER_ERROR}, _TRIGGER_ERROR
    result = store(exchanges(8))
    assert (result.merged().stored, [each.user_message for each, _ in result.refused]) == (7, ["q3"])


def test_a_record_is_retried_before_a_refusal(
    store: Callable[..., BatchResult], archive: FaultyArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store retries a record before a refusal. If a privilege is missing only briefly, the record is stored."""
    archive.errors = {"q0": _POLICY_ERROR}
    monkeypatch.setattr(archive, "try_store", archive.errors.clear)
    result = store(exchanges(1))
    assert (result.merged().stored, result.refused, result.waiting) == (1, [], [])


def test_l2_is_called_once_during_an_outage(store: Callable[..., BatchResult], archive: FaultyArchive) -> None:
    """The store calls L2 once during an outage. It does not repeat the call for each part of the batch."""
    archive.errors = {"q2": StoreUnavailable("postgres", "circuit open")}
    archive.seconds_per_exchange, archive.limit = 0.001, 0.25
    result = store(exchanges(1_000))
    assert archive.sizes == [1_000, 100]
    assert (result.stored, len(result.waiting)) == ([], 1_000)


@pytest.mark.parametrize("seconds", [0.0005, 0.002, 0.02, 0.2, 2.9])
def test_a_slow_l2_makes_progress(seconds: float, archive: FaultyArchive) -> None:
    """The store makes progress at any speed of L2, even if each invocation is a new process."""
    archive.seconds_per_exchange = seconds
    stored = 0
    for _ in range(3):
        result = BatchStore(archive, clock=lambda: archive.now).store(exchanges(1_000), 8.0)
        stored += result.merged().stored
    assert stored > 0 or seconds > 0.2

    one_process = BatchStore(archive, clock=lambda: archive.now)
    results = [one_process.store(exchanges(1_000), 8.0).merged() for _ in range(6)]
    started_at = archive.now
    result = one_process.store(exchanges(1_000), 8.0)
    assert sum(each.stored + each.duplicates for each in results) > 0
    # The store spends at least half of the time on exchanges that it stores, not on aborted transactions.
    assert (result.merged().stored + result.merged().duplicates) * seconds >= 0.5 * (archive.now - started_at)


def test_transactions_start_before_the_deadline(store: Callable[..., BatchResult], archive: FaultyArchive) -> None:
    """The store respects the invocation's deadline. The remaining records wait and are not refused."""
    archive.seconds_per_transaction = 2.0
    archive.errors = {"q0": _TRIGGER_ERROR}
    result = store(exchanges(64), 8.0)
    assert archive.now <= 8.0 + 2.0
    assert (result.refused, _texts(result.waiting) >= {"q0"}) == ([], True)
    assert result.merged().stored + len(result.waiting) == 64


def test_the_store_tries_at_least_one_record(store: Callable[..., BatchResult]) -> None:
    """The store tries at least one record, even with little time."""
    assert store(exchanges(3), -1.0).merged().stored == 3


def test_a_record_waits_if_it_is_too_slow_alone(store: Callable[..., BatchResult], archive: FaultyArchive) -> None:
    """If PostgreSQL is too busy for one record, this record waits, and the other records are stored."""
    archive.errors = {"q5": StoreBusy("postgres", "55P03: lock not available")}
    result = store(exchanges(256), 3_600.0)
    assert (result.merged().stored, _texts(result.waiting), result.refused) == (255, {"q5"}, [])


def test_the_batch_size_grows_while_l2_is_fast(store: Callable[..., BatchResult], archive: FaultyArchive) -> None:
    """The batch size grows again while L2 is fast."""
    archive.seconds_per_exchange = 0.02
    store(exchanges(1_000))
    archive.seconds_per_exchange = 0.0
    archive.sizes.clear()
    for _ in range(3):
        store(exchanges(1_000))
    assert archive.sizes[-1] == 1_000
