"""Vectors and due threads of the in-memory L2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from shared.cosines import cosines
from shared.models import Exchange
from shared.stores.derivations import MEMORIES, VECTORS
from shared.stores.search import QueryVector, SearchScope, StoredVectors
from shared.stores.vectors import NewVector, Unembedded, UnembeddedExchange, VectorModel
from shared.testing.search import InMemorySearch


class InMemoryVectors(InMemorySearch):
    """Vectors of the conversations of the in-memory L2.

    Attributes:
        due: When each thread became due.
        from_orders: The lowest order key of each due thread that is due; None for all exchanges.
        derives: The kinds of data that are derived from stored exchanges.
    """

    def __init__(self) -> None:
        super().__init__()
        self.derives: Sequence[str] = ()
        self.due: dict[tuple[str, str], datetime] = {}
        self.from_orders: dict[tuple[str, str], UUID | None] = {}
        self._vectors: dict[tuple[UUID, str], NewVector] = {}
        self._progress: dict[str, str] = {}
        self._sent: dict[tuple[str, str], datetime] = {}
        self._old: set[tuple[str, str]] = set()

    def _mark_due(self, from_orders: Mapping[str, UUID]) -> None:
        for kind in self.derives:
            for thread_id, order in from_orders.items():
                if self._conversations[thread_id].user_id is None:
                    continue
                is_due = (kind, thread_id) in self.due
                before = self.from_orders.get((kind, thread_id)) if is_due else order
                self.from_orders[kind, thread_id] = None if before is None else min(before, order)
                self.due[kind, thread_id] = datetime.now(UTC)
                self._sent.pop((kind, thread_id), None)

    def vectors(self, scope: SearchScope, query: QueryVector, limit: int, row_ids: Sequence[UUID]) -> StoredVectors:
        """Return the vectors nearest to a query, and those of `row_ids`."""
        self.record_call("vectors")
        rows = [
            (cosines(query.values, vector.vector)[0], self._row_id(exchange), conversation.row_id.int)
            for conversation, exchange in self._conversations.in_scope(scope)
            if (vector := self._valid(exchange, query.model)) is not None and len(vector.vector) == len(query.values)
        ]
        rows.sort(key=lambda row: row[0], reverse=True)
        chosen = [row for number, row in enumerate(rows) if number < limit or row[1] in row_ids]
        return StoredVectors([row[1] for row in chosen], [row[2] for row in chosen], [row[0] for row in chosen])

    def _valid(self, exchange: Exchange, model: str) -> NewVector | None:
        vector = self._vectors.get((self._row_id(exchange), model))
        is_valid = vector is not None and (vector.exchange.revision, vector.exchange.accepted_at) == (
            exchange.revision,
            exchange.acceptance_time,
        )
        return vector if is_valid else None

    def vector_model(self, model: str) -> VectorModel:
        """Return the configured model once all threads have its vectors, otherwise the last one."""
        self.record_call("vector_model")
        others = [each for _, each in self._vectors if each != model]
        is_complete = self._is_complete(model)
        if others and not (is_complete and VECTORS in self._progress):
            return VectorModel(others[0], is_complete=False)
        return VectorModel(model, is_complete)

    def _is_complete(self, model: str) -> bool:
        return self._progress.get(VECTORS, model) == model and not self._old

    def unembedded(self, thread_id: str, model: str, limit: int) -> Unembedded:
        """Return exchanges of a thread that have no valid vector of the model."""
        self.record_call("unembedded")
        conversation = self._conversations.get(thread_id)
        exchanges = conversation.in_order() if conversation and conversation.user_id is not None else []
        missing = [
            UnembeddedExchange(
                self._row_id(each), each.user_message, each.assistant_message, each.revision, each.acceptance_time
            )
            for each in exchanges
            if self._valid(each, model) is None
        ]
        return Unembedded(missing[:limit], self.due.get((VECTORS, thread_id)))

    def store_vectors(self, model: str, vectors: Sequence[NewVector]) -> None:
        """Store vectors."""
        self.record_call("store_vectors")
        self._vectors |= {(each.exchange.row_id, model): each for each in vectors}

    def clear_due(self, thread_id: str, kind: str, due_at: datetime) -> None:
        """Record that nothing is to be derived from a thread, unless it became due again."""
        self.record_call("clear_due")
        if self.due.get((kind, thread_id)) == due_at:
            del self.due[kind, thread_id]
            self._old.discard((kind, thread_id))

    def due_threads(self, kind: str, age: float, sent_age: float, limit: int) -> list[str]:
        """Return threads that have been due for more than `age` seconds, and record that they are sent."""
        self.record_call("due_threads")
        now = datetime.now(UTC)
        due = sorted((moment, thread_id) for (each, thread_id), moment in self.due.items() if each == kind)
        chosen = [
            thread_id
            for moment, thread_id in due
            if (now - moment).total_seconds() > age
            and (now - self._sent.get((kind, thread_id), datetime.min.replace(tzinfo=UTC))).total_seconds() > sent_age
        ][:limit]
        self._sent |= {(kind, thread_id): now for thread_id in chosen}
        return chosen

    def mark_old_threads(self, kind: str, model: str) -> int:
        """Mark the threads that lack vectors of the model once after a change of the model; return their number."""
        self.record_call("mark_old_threads")
        if self._progress.get(kind) == model:
            return 0
        self._progress[kind] = model
        if kind == MEMORIES:
            threads = [name for name, each in self._conversations.items() if each.user_id is not None]
            self._mark_all(kind, threads)
            return len(threads)
        lacking = [
            name
            for name, each in self._conversations.items()
            if each.user_id is not None and any(self._valid(exchange, model) is None for exchange in each.in_order())
        ]
        self._mark_all(kind, lacking)
        return len(lacking)

    def _mark_all(self, kind: str, thread_ids: Sequence[str]) -> None:
        for thread_id in thread_ids:
            self.due.setdefault((kind, thread_id), datetime.now(UTC))
            self.from_orders[kind, thread_id] = None
            self._old.add((kind, thread_id))

    def remove_other_vectors(self, model: str) -> int:
        """Remove vectors of other models, once all threads have vectors of this one; return their number."""
        self.record_call("remove_other_vectors")
        if VECTORS not in self._progress or not self._is_complete(model):
            return 0
        others = [name for name in self._vectors if name[1] != model]
        for name in others:
            del self._vectors[name]
        return len(others)

    def convert_vectors(self) -> int:
        """Return 0, because the caller computes the cosines."""
        self.record_call("convert_vectors")
        return 0

    def forget_progress(self, kind: str) -> None:
        """Record that nothing is derived now."""
        self.record_call("forget_progress")
        self._progress.pop(kind, None)
