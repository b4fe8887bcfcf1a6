"""Stores a batch. An invalid record does not block others, and no record is refused because PostgreSQL itself fails."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.errors import InvalidRecord, StatementRefused, StoreBusy, StoreUnavailable
from shared.models import Exchange
from shared.stores.archive import Archive, StoreResult

_logger = logging.getLogger(__name__)
# The maximum batch of SQS.
_MAX_BATCH: Final = 10_000
# A part that takes too long is split into ten parts. Halving would need ten timeouts to get from a thousand records to
# one, and an invocation has time for only three timeouts.
_SLOW_BATCH_PARTS: Final = 10
# After a transaction that took less time than this, the next transaction can be twice as large and still end before the
# drain's timeout.
_FAST_SECONDS: Final = 1.0
# Refused records may be retried until this many seconds after the batch's deadline.
_RETRY_SECONDS: Final = 1.0


@dataclass(slots=True)
class BatchResult:
    """The result of storing a batch.

    Attributes:
        stored: The result of each transaction.
        waiting: Exchanges that were not stored because of PostgreSQL's state.
        refused: Exchanges that PostgreSQL will never accept, with the reasons.
    """

    stored: list[StoreResult] = field(default_factory=list)
    waiting: list[Exchange] = field(default_factory=list)
    refused: list[tuple[Exchange, InvalidRecord]] = field(default_factory=list)

    def merged(self) -> StoreResult:
        """Return the sum over all transactions."""
        return StoreResult(
            stored=sum(each.stored for each in self.stored),
            duplicates=sum(each.duplicates for each in self.stored),
            tombstoned=sum(each.tombstoned for each in self.stored),
            effective=[exchange for each in self.stored for exchange in each.effective],
            rejected_owner=[exchange for each in self.stored for exchange in each.rejected_owner],
            replaced=[exchange for each in self.stored for exchange in each.replaced],
        )


class BatchStore:
    """Stores batches. One instance per process remembers how many records PostgreSQL can store in one transaction.

    A part of a batch that PostgreSQL refuses is halved until each refused record is found. The halves are stored after
    all other parts. A part that takes too long is split into tenths, and later parts have that size. The size doubles
    while PostgreSQL is fast.
    """

    def __init__(self, archive: Archive, clock: Callable[[], float] = time.monotonic) -> None:
        self._archive = archive
        self._clock = clock
        self._size = _MAX_BATCH

    def store(self, exchanges: Sequence[Exchange], seconds: float) -> BatchResult:
        """Store a batch. Start the first transaction immediately, and no further transaction after `seconds`."""
        result = BatchResult()
        deadline = self._clock() + seconds
        refused: list[tuple[Exchange, Exception]] = []
        parts = deque([list(exchanges)] if exchanges else [])
        has_tried = False
        while parts:
            part = parts.popleft()
            if len(part) > self._size:
                parts.extendleft([part[self._size :], part[: self._size]])
                continue
            if has_tried and self._clock() > deadline:
                result.waiting += part
                continue
            has_tried = True
            started = self._clock()
            try:
                stored = self._archive.store(part)
            except StoreBusy:
                if len(part) == 1:
                    result.waiting += part
                else:
                    self._size = max(1, len(part) // _SLOW_BATCH_PARTS)
                    parts.append(part)
            except (StatementRefused, InvalidRecord) as error:
                _split_refused(part, error, parts, refused)
            except StoreUnavailable:
                # PostgreSQL is down, and each other part would only wait for its timeout.
                result.waiting += [*part, *(exchange for remaining in parts for exchange in remaining)]
                break
            except Exception as error:  # noqa: BLE001 - an error of one record must not block the others
                _split_refused(part, error, parts, refused)
            else:
                result.stored.append(stored)
                self._grow(len(part), self._clock() - started)
        self._retry_refused(refused, result, deadline)
        return result

    def _grow(self, size: int, seconds: float) -> None:
        if seconds < _FAST_SECONDS and 2 * size > self._size:
            self._size = min(_MAX_BATCH, 2 * self._size)

    def _retry_refused(
        self, refused: Sequence[tuple[Exchange, Exception]], result: BatchResult, deadline: float
    ) -> None:
        """Store refused records again if PostgreSQL accepts a test exchange. Otherwise let them wait.

        PostgreSQL refuses the test exchange too if a table or a privilege is missing or a trigger fails. A record that
        is refused although the test exchange is accepted is itself the cause.
        """
        if not refused:
            return
        is_test_accepted = self._accepts_test_exchange()
        has_stored_others = any(each.stored for each in result.stored)
        for exchange, error in refused:
            is_record_cause = is_test_accepted or (has_stored_others and _is_about_a_row(error))
            if is_record_cause and self._clock() <= deadline + _RETRY_SECONDS:
                self._store_again(exchange, result)
            else:
                result.waiting.append(exchange)

    def _store_again(self, exchange: Exchange, result: BatchResult) -> None:
        try:
            result.stored.append(self._archive.store([exchange]))
        except (StatementRefused, InvalidRecord) as error:
            result.refused.append((exchange, _reason(error)))
        except StoreUnavailable:
            result.waiting.append(exchange)
        except Exception as error:  # noqa: BLE001 - an error of one record must not block the others
            result.refused.append((exchange, unexpected_error(error)))

    def _accepts_test_exchange(self) -> bool:
        try:
            self._archive.try_store()
        except Exception as error:  # noqa: BLE001 - after any error, the records are not the cause
            _logger.error("postgres refuses every exchange", extra={"error": str(error)[:200]})  # noqa: TRY400
            return False
        return True


def _split_refused(
    part: list[Exchange],
    error: Exception,
    parts: deque[list[Exchange]],
    refused: list[tuple[Exchange, Exception]],
) -> None:
    if len(part) == 1:
        refused.append((part[0], error))
    else:
        middle = len(part) // 2
        parts.extend([part[:middle], part[middle:]])


def _is_about_a_row(error: Exception) -> bool:
    return isinstance(error, InvalidRecord) or (isinstance(error, StatementRefused) and error.is_about_a_row)


def _reason(error: Exception) -> InvalidRecord:
    if isinstance(error, InvalidRecord):
        return error
    if isinstance(error, StatementRefused):
        return InvalidRecord("refused_by_postgres", error.detail)
    return unexpected_error(error)


def unexpected_error(error: Exception) -> InvalidRecord:
    """Return an unexpected error as `InvalidRecord`, without its text, which may quote the record."""
    return InvalidRecord("unforeseen", type(error).__name__)


def read_exchange(body: str) -> Exchange:
    """Parse a body.

    Raises:
        InvalidRecord: The body can never be stored.
    """
    try:
        return Exchange.from_wire(body)
    except InvalidRecord:
        raise
    except Exception as error:  # noqa: BLE001 - a parser's own limits, e.g. on depth or a number's size
        raise unexpected_error(error) from None
