"""Learns from the exchanges of a thread: derives statements, and the sentences of the thread's summary."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from shared.errors import StoreUnavailable
from shared.learning.gates import kept, refusal
from shared.learning.statements import SUMMARY_SLOT, Deriver, Kind, SourceExchange, Statement, statement_id
from shared.stores.archive import Archive
from shared.stores.derivations import MEMORIES
from shared.stores.learning import NewStatement, Unread, UnreadExchange

_logger = logging.getLogger(__name__)
# Shows that a summary needs no sentence of an exchange.
_NO_SENTENCE: Final = Statement("summary", SUMMARY_SLOT, "", "", "")
# If a deriver fails for one exchange and responds to this one, the exchange is the cause.
_TEST_EXCHANGE: Final = SourceExchange("What is two plus two?", "Four.", datetime(2026, 1, 1, tzinfo=UTC))

# How often a deriver may fail for one exchange, although it responds to another one.
_MAX_FAILURES: Final = 3
_MAX_COUNTED: Final = 1_000

_MEMORIES: Final[frozenset[Kind]] = frozenset({"preference", "fact"})
_SUMMARIES: Final[frozenset[Kind]] = frozenset({"summary"})

Ask = Callable[[Sequence[SourceExchange]], list[list[Statement]]]


@dataclass(frozen=True, slots=True)
class LearningLimits:
    """The limits of a deriver.

    Attributes:
        exchanges: The number of exchanges that are read at once.
        text_characters: The number of characters of a text that the deriver reads; 0 for all.
        daily_characters: The number of characters that it reads for a user on a day; 0 for no limit.
    """

    exchanges: int = 20
    text_characters: int = 0
    daily_characters: int = 0


@dataclass(slots=True)
class LearningCounts:
    """What a batch of threads has taught.

    Attributes:
        statements: The number of statements that were stored.
        refused: The number of statements that the gates refused, by reason.
        skipped: The number of exchanges that the deriver cannot read.
        postponed: The number of threads whose user has no budget left today.
        lags: The seconds from the acceptance of each new exchange until its statements were stored.
    """

    statements: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    postponed: int = 0
    lags: list[float] = field(default_factory=list)


class LearningDerivation:
    """Learns from threads. Two workers on one thread store each statement once, and one of them reads again.

    One instance per process remembers how many exchanges the deriver can read at once, and for which it has failed.

    Args:
        archive: L2.
        deriver: Finds statements.
        window: The number of exchanges of a thread that its summary does not need.
        forget_memories: Deletes the memories of users from L1; raises `StoreUnavailable`.
        limits: The deriver's limits.
    """

    def __init__(
        self,
        archive: Archive,
        deriver: Deriver,
        window: int,
        forget_memories: Callable[[Sequence[str]], None],
        limits: LearningLimits = LearningLimits(),
    ) -> None:
        self._archive = archive
        self._deriver = deriver
        self._window = window
        self._forget_memories = forget_memories
        self._limits = limits
        self._size = limits.exchanges
        self._counts = LearningCounts()
        self._failures: Counter[tuple[UUID, int]] = Counter()

    def take_counts(self) -> LearningCounts:
        """Return the counts since the last call."""
        counts, self._counts = self._counts, LearningCounts()
        return counts

    def derive(self, thread_id: str, seconds: float) -> bool:
        """Learn from the exchanges of a thread that are due; return whether nothing is left.

        Args:
            thread_id: The thread.
            seconds: After this time, the deriver is not asked again.

        Raises:
            StoreUnavailable: PostgreSQL or the model did not respond.
        """
        deadline = time.monotonic() + seconds
        changed_users: set[str] = set()
        try:
            is_done = self._learn(thread_id, deadline, changed_users)
            return is_done and self._summarize(thread_id, deadline, changed_users)
        finally:
            self._update_cache(changed_users)

    def _learn(self, thread_id: str, deadline: float, changed_users: set[str]) -> bool:
        while True:
            unread = self._archive.unread(thread_id, self._size)
            if unread.due_at is None:
                return True
            if unread.user_id is None:
                self._archive.clear_due(thread_id, MEMORIES, unread.due_at)
                return True
            if time.monotonic() > deadline:
                return False
            unread = self._within_budget(unread)
            if not self._take_budget(unread.user_id or "", unread.exchanges):
                self._counts.postponed += 1
                today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
                self._archive.postpone(thread_id, today + timedelta(days=1))
                return True
            found = self._ask(self._deriver.derive, unread.exchanges)
            if found is None:
                continue
            new = self._new_statements(thread_id, unread.exchanges, found, _MEMORIES)
            result = self._archive.store_statements(thread_id, unread, self._deriver.name, new)
            if result == "changed":
                changed_users.add(unread.user_id or "")
            if result != "stale":
                self._count(unread, new)

    def _summarize(self, thread_id: str, deadline: float, changed_users: set[str]) -> bool:
        while True:
            unread = self._archive.unsummarized(thread_id, self._window, self._size)
            if unread.user_id is None or not unread.exchanges:
                return True
            if time.monotonic() > deadline:
                return False
            found = self._ask(self._deriver.summarize, unread.exchanges)
            if found is None:
                continue
            new = self._new_statements(thread_id, unread.exchanges, found, _SUMMARIES)
            summarized = {each.exchange.row_id for each in new}
            others = [each for each in unread.exchanges if each.row_id not in summarized]
            new += [_new_statement(thread_id, each, _NO_SENTENCE) for each in others]
            if self._archive.store_sentences(thread_id, unread, self._deriver.name, new) == "changed":
                changed_users.add(unread.user_id)

    def _within_budget(self, unread: Unread) -> Unread:
        """Return the first exchanges that the budget of a day suffices for, but at least one."""
        limit = self._limits.daily_characters
        count = len(unread.exchanges)
        while count > 1 and 0 < limit < self._characters(unread.exchanges[:count]):
            count -= 1
        has_more = unread.has_more or count < len(unread.exchanges)
        return replace(unread, exchanges=unread.exchanges[:count], has_more=has_more)

    def _characters(self, exchanges: Sequence[UnreadExchange]) -> int:
        sources = [self._source(each) for each in exchanges]
        return sum(len(each.user_message) + len(each.assistant_message) for each in sources)

    def _source(self, exchange: UnreadExchange) -> SourceExchange:
        length = self._limits.text_characters or None
        return SourceExchange(exchange.user_message[:length], exchange.assistant_message[:length], exchange.said_at)

    def _take_budget(self, user_id: str, exchanges: Sequence[UnreadExchange]) -> bool:
        limit = self._limits.daily_characters
        # An exchange that exceeds the budget of a day takes all of it.
        characters = min(limit, self._characters(exchanges))
        return not characters or self._archive.take_budget(user_id, datetime.now(UTC).date(), characters, limit)

    def _ask(self, ask: Ask, exchanges: Sequence[UnreadExchange]) -> list[list[Statement]] | None:
        """Return the deriver's statements of each exchange; None if it is to be asked again, maybe for fewer exchanges.

        A deriver may refuse one text. An exchange that fails alone several times, while the deriver responds to another
        one, has no statements, so that it does not block its thread. One failure may have another cause.
        """
        if not exchanges:
            return []
        try:
            found = ask([self._source(each) for each in exchanges])
            if len(found) != len(exchanges):
                raise StoreUnavailable("model", "the answer has another number of exchanges")  # noqa: TRY301 - a failure as any other
        except Exception as error:  # noqa: BLE001 - a text that the deriver cannot read must not block its thread
            if len(exchanges) > 1:
                self._size = len(exchanges) // 2
                return None
            self._require_response(ask, error)
            if isinstance(error, StoreUnavailable) and self._count_failure(exchanges[0]) < _MAX_FAILURES:
                return None
            self._counts.skipped += 1
            fields = {"exchange_id": str(exchanges[0].exchange_id), "error": type(error).__name__}
            _logger.warning("nothing is learned from an exchange, because the deriver refuses it", extra=fields)
            return [[]]
        self._size = min(self._limits.exchanges, 2 * self._size)
        return found

    def _count_failure(self, exchange: UnreadExchange) -> int:
        """Return how often this process has seen the deriver fail for an exchange alone."""
        if len(self._failures) >= _MAX_COUNTED:
            self._failures.clear()
        key = exchange.row_id, exchange.revision
        self._failures[key] += 1
        return self._failures[key]

    def _require_response(self, ask: Ask, error: Exception) -> None:
        """Raise `StoreUnavailable` if the deriver does not respond to another exchange either."""
        try:
            ask([_TEST_EXCHANGE])
        except Exception as another:
            if isinstance(another, StoreUnavailable):
                raise
            raise StoreUnavailable("model", type(another).__name__) from error

    def _new_statements(
        self,
        thread_id: str,
        exchanges: Sequence[UnreadExchange],
        found: Sequence[Sequence[Statement]],
        kinds: frozenset[Kind],
    ) -> list[NewStatement]:
        """Return the statements of these kinds that the gates keep."""
        new: list[NewStatement] = []
        for exchange, statements in zip(exchanges, found, strict=True):
            source = self._source(exchange)
            good = kept([each for each in statements if each.kind in kinds], source)
            self._counts.refused.update(refusal(each, source) or "repeated" for each in statements if each not in good)
            new += [_new_statement(thread_id, exchange, each) for each in good]
        return new

    def _count(self, unread: Unread, new: Sequence[NewStatement]) -> None:
        self._counts.statements += len(new)
        now = datetime.now(UTC)
        if not unread.is_old:
            self._counts.lags += [max(0.0, (now - each.accepted_at).total_seconds()) for each in unread.exchanges]

    def _update_cache(self, user_ids: set[str]) -> None:
        if not user_ids:
            return
        try:
            self._forget_memories(sorted(user_ids))
        except StoreUnavailable as error:
            # The transaction has recorded that L1 is stale, and the sweep deletes the memories.
            _logger.warning("the sweep deletes stale memories from redis later", extra={"error": str(error)})


def _new_statement(thread_id: str, exchange: UnreadExchange, statement: Statement) -> NewStatement:
    new_id = statement_id(thread_id, exchange.exchange_id, exchange.revision, statement)
    return NewStatement(new_id, exchange, statement)
