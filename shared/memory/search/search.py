"""Searches the exchanges of one user: those in PostgreSQL, and those that it does not have yet."""

from __future__ import annotations

import heapq
import logging
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from shared.embeddings import Embedders
from shared.embeddings.compact import to_bits
from shared.errors import StoreUnavailable
from shared.memory.backlog import is_drained
from shared.memory.losses import may_lack_undrained
from shared.memory.memory import Memory
from shared.memory.messages import add_layer
from shared.memory.search.fusion import best_of_threads, fuse, with_thread_share
from shared.memory.search.ranking import Matched, Ranking, match_scores
from shared.memory.search.related import MAX_RELATED, Related
from shared.memory.search.results import SEARCH, Arm, SearchAnswer, SearchItem
from shared.memory.search.undrained import Undrained, certainly_undeleted, read_undrained
from shared.models import Exchange, title_of
from shared.redelivery import MAX_DRAIN_AGE
from shared.search_keys import QueryTerms, document_terms, matched_keys, query_terms
from shared.stores.search import FoundExchange, Matches, QueryVector, SearchScope
from shared.stores.vectors import VectorModel

_logger = logging.getLogger(__name__)
# Exchanges may be deleted between the statements of a search, so some more than requested are read.
_SPARE: Final = 20
# The number of nearest exchanges that are scored by their meaning, besides twice the limit.
_NEAREST: Final = 200
# The minimum time between two reads of the name of the model whose vectors are complete.
_MODEL_SECONDS: Final = 60.0
# After a failure, the model is not asked for this long.
_PAUSE_SECONDS: Final = 5.0
# Searches repeat until the drain, so the terms of undrained exchanges are remembered.
_undrained_terms = lru_cache(64)(document_terms)
# PostgreSQL's id of a stored exchange; the thread id and the exchange id of an undrained one.
_Name = UUID | tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class _Query:
    terms: QueryTerms
    vector: QueryVector | None


@dataclass(slots=True)
class _Candidates:
    """What a search compares.

    Attributes:
        matches: PostgreSQL's exchanges; None if it did not respond.
        undrained: Exchanges that PostgreSQL does not have.
        is_complete: Whether these are all exchanges that were accepted before the search.
    """

    matches: Matches | None
    undrained: list[FoundExchange] = field(default_factory=list)
    is_complete: bool = False


class Search:
    """Searches a user's exchanges by the words of a query, and by its meaning.

    Args:
        memory: The stores and the process' state.
        embedders: The models of embeddings; None to search by words only.
    """

    def __init__(self, memory: Memory, embedders: Embedders | None = None) -> None:
        self._memory = memory
        self._embedders = embedders
        self._model: VectorModel | None = None
        self._model_read_at = -math.inf
        self._pauses_until = -math.inf

    def search(self, scope: SearchScope, query: str, limit: int) -> SearchAnswer:
        """Return the exchanges of the scope that match the query best, at most `limit`.

        A layer or a model that does not respond is no error: `degraded` names it.
        """
        degraded: list[str] = []
        asked = _Query(query_terms(query), self._vector_of(query, degraded))
        candidates = self._candidates(scope, asked.terms, degraded)
        items = self._items(scope, asked, candidates, limit, degraded)
        searched_up_to = self._searched_up_to(candidates, degraded)
        arms: list[Arm] = ["text"] if asked.vector is None or candidates.matches is None else ["text", "vector"]
        return SearchAnswer(items, arms, searched_up_to, degraded, asked.terms.terms)

    def _vector_of(self, query: str, degraded: list[str]) -> QueryVector | None:
        """Return the query's vector; None without a model, or if the model or PostgreSQL did not answer."""
        if self._embedders is None or self._embedders.configured is None:
            return None
        if time.monotonic() < self._pauses_until:
            add_layer(degraded, SEARCH)
            return None
        try:
            in_use = self._model_in_use(self._embedders.configured.model)
            if not in_use.is_complete:
                add_layer(degraded, SEARCH)
            embedder = self._embedders.get(in_use.model)
            if embedder is None:
                add_layer(degraded, SEARCH)
                return None
            values = embedder.embed_query(query)
        except StoreUnavailable as error:
            # A model that hangs delays one search, and not every search.
            self._pauses_until = time.monotonic() + _PAUSE_SECONDS
            _logger.warning("the search compares words only", extra={"error": str(error)})
            add_layer(degraded, SEARCH)
            return None
        return QueryVector(embedder.model, values, to_bits(values))

    def _model_in_use(self, configured: str) -> VectorModel:
        """Return the model whose vectors are complete, read at most once a minute."""
        if self._model is None or time.monotonic() - self._model_read_at > _MODEL_SECONDS:
            self._model = self._memory.archive.vector_model(configured)
            self._model_read_at = time.monotonic()
        return self._model

    def conversations(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> SearchAnswer:
        """Return the user's exchanges that match best, none from `exclude_thread`, as the agents' search tool does."""
        return self.search(SearchScope(user_id, exclude_thread_id=exclude_thread), query, limit)

    def related(
        self,
        user_id: str | None,
        query: str | None,
        thread_id: str | None,
        window: int,
        exclude_thread_id: str | None = None,
    ) -> Related:
        """Return the user's exchanges that are related to a turn's query. Without a user or a query there are none.

        Args:
            user_id: The turn's user.
            query: The turn's query.
            thread_id: The turn's thread.
            window: The number of exchanges in the turn's window. They may be the best ones, but may be shown already.
            exclude_thread_id: A thread that is not searched.
        """
        if user_id is None or not query or not query.strip():
            return Related()
        scope = SearchScope(user_id, exclude_thread_id=exclude_thread_id)
        answer = self.search(scope, query, MAX_RELATED + window)
        return Related(answer.items, answer.terms, answer.degraded, thread_id)

    def _candidates(self, scope: SearchScope, terms: QueryTerms, degraded: list[str]) -> _Candidates:
        # Undrained exchanges are read and checked first. One that is drained in between is then found twice, and is not
        # missed.
        undrained = read_undrained(self._memory, scope, degraded)
        try:
            unstored = self._memory.archive.unstored(undrained.exchanges)
            matches = self._matches(scope, terms, undrained, degraded)
            if not matches.is_indexed:
                add_layer(degraded, SEARCH)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            add_layer(degraded, SEARCH)
            return _Candidates(None, [FoundExchange(each, None) for each in certainly_undeleted(undrained)])
        return _Candidates(matches, unstored, is_complete=SEARCH not in degraded)

    def _matches(self, scope: SearchScope, terms: QueryTerms, undrained: Undrained, degraded: list[str]) -> Matches:
        """Return PostgreSQL's matches; add the search to `degraded` if others may be neither there nor in Redis."""
        # Matches that are read after the queue is empty contain what Redis has lost. Reading them takes most of a
        # search's time, so they are read twice only if their uptime shows that the queue matters.
        needs_empty_queue = _may_lack(undrained, math.inf)
        is_queue_empty = needs_empty_queue and self._is_queue_empty(undrained, degraded)
        matches = self._memory.archive.matches(scope, terms.keys)
        if not needs_empty_queue and _may_lack(undrained, matches.uptime):
            needs_empty_queue, is_queue_empty = True, self._is_queue_empty(undrained, degraded)
            if is_queue_empty:
                matches = self._memory.archive.matches(scope, terms.keys)
        if needs_empty_queue and not is_queue_empty:
            add_layer(degraded, SEARCH)
        return matches

    def _is_queue_empty(self, undrained: Undrained, degraded: list[str]) -> bool:
        """Return whether the queue and the outbox are empty, so that PostgreSQL has all that Redis may have lost."""
        if undrained.cached is not None and undrained.cached.state.has_outbox:
            return False
        try:
            return is_drained(self._memory.queue)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            return False

    def _items(
        self, scope: SearchScope, query: _Query, candidates: _Candidates, limit: int, degraded: list[str]
    ) -> list[SearchItem]:
        undrained = {each.exchange.key: each for each in candidates.undrained}
        found: dict[_Name, FoundExchange] = {}
        scores: dict[_Name, float] = {}
        try:
            scores = self._scores(scope, query, candidates, limit)
            # An undrained exchange may replace a stored one, so more are read than requested.
            best = heapq.nlargest(limit + len(undrained) + _SPARE, scores, key=lambda name: scores[name])
            stored = [name for name in best if isinstance(name, UUID)]
            if stored:
                found.update(self._memory.archive.found(scope.user_id, stored).items())
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            add_layer(degraded, SEARCH)
            candidates.is_complete = False
            scores = self._scores(scope, query, _Candidates(None, candidates.undrained), limit)
        found = {name: each for name, each in found.items() if each.exchange.key not in undrained}
        for key, each in undrained.items():
            found[key] = each if each.title else FoundExchange(each.exchange, title_of(each.exchange.user_message))
        items = [
            # An exchange with a score of zero has no word of the query, and the farthest meaning.
            (scores[name], each)
            for name, each in found.items()
            if scores.get(name) and scope.includes(each.exchange)
        ]
        items.sort(key=lambda item: (item[0], item[1].exchange.order), reverse=True)
        highest = items[0][0] if items else 1.0
        return [SearchItem(each.exchange, each.title, score / highest) for score, each in items[:limit]]

    def _scores(self, scope: SearchScope, query: _Query, candidates: _Candidates, limit: int) -> dict[_Name, float]:
        """Return the scores of the best exchanges, and of the exchanges next to them.

        A stored exchange's name is PostgreSQL's id, and an undrained one's name is its key.
        """
        matches, undrained = candidates.matches, [each.exchange for each in candidates.undrained]
        documents = [_undrained_terms(each.user_message, each.assistant_message) for each in undrained]
        stored = matches or Matches()
        matched = Matched(
            [*stored.keys, *(matched_keys(query.terms.keys, each) for each in documents)],
            [*stored.user_terms, *(each.user_length for each in documents)],
            [*stored.assistant_terms, *(each.assistant_length for each in documents)],
        )
        scores = match_scores(matched, stored.total + len(undrained))
        ranking = Ranking[_Name]()
        cosines: dict[_Name, float] = {}
        if matches is not None:
            self._add_stored(ranking, scope, matches, scores[: len(matches.keys)], limit)
            if query.vector is not None:
                cosines = self._add_vectors(ranking, scope, query.vector, limit)
        _add_undrained(ranking, undrained, scores[len(stored.keys) :])
        return fuse(ranking.scores, cosines, ranking.threads)

    def _add_stored(
        self, ranking: Ranking[_Name], scope: SearchScope, matches: Matches, scores: Sequence[float], limit: int
    ) -> None:
        best = best_of_threads(matches.threads, scores)
        shared = [with_thread_share(score, best[thread]) for thread, score in zip(matches.threads, scores, strict=True)]
        # A neighbour of a worse exchange than these cannot be among the best.
        numbers = heapq.nlargest(2 * limit + _SPARE, range(len(scores)), key=shared.__getitem__)
        if not numbers:
            return
        score_of = matches.by_row_id(scores)
        beside = self._memory.archive.beside(scope, [matches.row_id(number) for number in numbers])
        for number, neighbours in zip(numbers, beside, strict=True):
            before, after = [*neighbours.before, None, None][:2], [*neighbours.after, None, None][:2]
            names = [*reversed(before), matches.row_id(number), *after]
            run = [(name, 0.0 if name is None else score_of.get(name.bytes, 0.0)) for name in names]
            ranking.add(run, matches.threads[number])

    def _add_vectors(
        self, ranking: Ranking[_Name], scope: SearchScope, vector: QueryVector, limit: int
    ) -> dict[_Name, float]:
        """Return the cosines of the nearest exchanges and of those that have scores, and add the threads of all."""
        named = [name for name in ranking.scores if isinstance(name, UUID)]
        stored = self._memory.archive.vectors(scope, vector, 2 * limit + _NEAREST, named)
        ranking.threads.update(zip(stored.row_ids, stored.threads, strict=True))
        return dict(zip(stored.row_ids, stored.cosines, strict=True))

    def _searched_up_to(self, candidates: _Candidates, degraded: Sequence[str]) -> datetime | None:
        """Return the time up to which every accepted exchange was looked at."""
        now = datetime.fromtimestamp(self._memory.now(), UTC)
        if candidates.is_complete:
            return now
        matches = candidates.matches
        if matches is None or not matches.is_indexed or matches.uptime <= MAX_DRAIN_AGE or "postgres" in degraded:
            return None
        # Every exchange that was accepted earlier is drained by now.
        return now - timedelta(seconds=MAX_DRAIN_AGE)


def _may_lack(undrained: Undrained, uptime: float) -> bool:
    """Return whether Redis responded, and may have lost undrained exchanges."""
    return undrained.cached is not None and may_lack_undrained(undrained.cached.state, uptime)


def _add_undrained(ranking: Ranking[_Name], undrained: Sequence[Exchange], scores: Sequence[float]) -> None:
    """Add undrained exchanges. Their neighbours are the undrained ones of the same thread."""
    threads: defaultdict[str, list[tuple[Exchange, float]]] = defaultdict(list)
    for exchange, score in zip(undrained, scores, strict=True):
        threads[exchange.thread_id].append((exchange, score))
    for thread_id, exchanges in threads.items():
        exchanges.sort(key=lambda each: each[0].order)
        run: list[tuple[_Name | None, float]] = [(exchange.key, score) for exchange, score in exchanges]
        ranking.add([(None, 0.0), *run, (None, 0.0)], thread_id)
