"""Stores a batch: no record blocks another, and PostgreSQL's own errors are not blamed on records."""

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
_MOST: Final = 10_000
# A slow part is cut into this many parts. Halving a thousand records down to one would take ten timeouts, and an
# invocation has time for three.
_PARTS_OF_A_SLOW_ONE: Final = 10
# After a transaction that took less time, the next one may be twice as large and still end before the drain's timeout.
_QUICK_SECONDS: Final = 1.0
# A rejected record may be retried for this time after the last transaction of the batch.
_SECONDS_TO_JUDGE: Final = 1.0


@dataclass(slots=True)
class BatchResult:
    """The result of storing a batch.

    Attributes:
        stored: The result of each transaction.
        waiting: Exchanges that PostgreSQL could not store for reasons of its own.
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
        )


class BatchStore:
    """Stores batches. One instance per process remembers the size that PostgreSQL can store at once.

    A part that PostgreSQL refuses for any reason is halved until the refused record is alone. A part that takes too
    long is cut into tenths, and later parts start with that size; the size doubles again while PostgreSQL is fast.
    Valid parts come first: the rest of a refused part is tried after all others.
    """

    def __init__(self, archive: Archive, clock: Callable[[], float] = time.monotonic) -> None:
        self._archive = archive
        self._clock = clock
        self._size = _MOST

    def store(self, exchanges: Sequence[Exchange], seconds: float) -> BatchResult:
        """Store a batch. Start at least one transaction, and start none after `seconds`."""
        result = BatchResult()
        latest = self._clock() + seconds
        refused: list[tuple[Exchange, Exception]] = []
        parts = deque([list(exchanges)] if exchanges else [])
        has_tried = False
        while parts:
            part = parts.popleft()
            if len(part) > self._size:
                parts.extendleft([part[self._size :], part[: self._size]])
                continue
            if has_tried and self._clock() > latest:
                result.waiting += part
                continue
            has_tried = True
            began = self._clock()
            try:
                stored = self._archive.store(part)
            except StoreBusy:
                if len(part) == 1:
                    result.waiting += part
                else:
                    self._size = max(1, len(part) // _PARTS_OF_A_SLOW_ONE)
                    parts.append(part)
            except (StatementRefused, InvalidRecord) as error:
                _split_unreadable(part, error, parts, refused)
            except StoreUnavailable:
                # PostgreSQL is down, so do not wait for a timeout for each part.
                result.waiting += [*part, *(exchange for remaining in parts for exchange in remaining)]
                break
            except Exception as error:  # noqa: BLE001 - an error of one record must not block the others
                _split_unreadable(part, error, parts, refused)
            else:
                result.stored.append(stored)
                self._grow(len(part), self._clock() - began)
        self._judge(refused, result, latest)
        return result

    def _grow(self, size: int, seconds: float) -> None:
        if seconds < _QUICK_SECONDS and 2 * size > self._size:
            self._size = min(_MOST, 2 * self._size)

    def _judge(self, refused: Sequence[tuple[Exchange, Exception]], result: BatchResult, latest: float) -> None:
        """Decide whether the records or PostgreSQL caused the rejections.

        A record that caused its rejection is rejected again after PostgreSQL has accepted a test exchange. If a missing
        table, a missing privilege or a trigger rejects the test exchange too, all records wait.
        """
        if not refused:
            return
        takes_others = self._accepts_other_rows()
        has_taken_others = any(each.stored for each in result.stored)
        for exchange, error in refused:
            is_to_blame = takes_others or (has_taken_others and _is_about_a_row(error))
            if is_to_blame and self._clock() <= latest + _SECONDS_TO_JUDGE:
                self._try_again(exchange, result)
            else:
                result.waiting.append(exchange)

    def _try_again(self, exchange: Exchange, result: BatchResult) -> None:
        try:
            result.stored.append(self._archive.store([exchange]))
        except (StatementRefused, InvalidRecord) as error:
            result.refused.append((exchange, _reason(error)))
        except StoreUnavailable:
            result.waiting.append(exchange)
        except Exception as error:  # noqa: BLE001 - as above
            result.refused.append((exchange, unexpected(error)))

    def _accepts_other_rows(self) -> bool:
        try:
            self._archive.try_store()
        except Exception as error:  # noqa: BLE001 - any error shows that the records are not the cause
            _logger.error("postgres refuses every exchange", extra={"error": str(error)[:200]})  # noqa: TRY400
            return False
        return True


def _split_unreadable(
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
    return unexpected(error)


def unexpected(error: Exception) -> InvalidRecord:
    """Convert an unexpected error. Only its type is used, because its text may quote the record."""
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
        raise unexpected(error) from None
