"""Vectors in L2: which exchanges lack one, and how they are stored. Vectors are made after the drain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class UnembeddedExchange:
    """A stored exchange without a valid vector of a model.

    Attributes:
        row_id: L2's id of the exchange.
        revision: The revision of the texts.
        accepted_at: When these texts were accepted. A vector is valid only for the same revision and acceptance.
    """

    row_id: UUID
    user_message: str
    assistant_message: str
    revision: int
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A thread's exchanges without a vector.

    Attributes:
        exchanges: The oldest ones, oldest first.
        due_at: When the thread became due; None if it is not.
    """

    exchanges: list[UnembeddedExchange] = field(default_factory=list)
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewVector:
    """The vector of an exchange, to be stored.

    Attributes:
        vector: One signed byte for each dimension.
        signs: One character, `0` or `1`, for each dimension.
    """

    exchange: UnembeddedExchange
    vector: bytes
    signs: str


@dataclass(frozen=True, slots=True)
class VectorModel:
    """The model whose vectors a search compares.

    Attributes:
        model: Its name.
        is_complete: Whether it is the configured model and all threads have its vectors.
    """

    model: str
    is_complete: bool


class VectorArchive(Protocol):
    """Vectors and due threads in L2. Every method raises `StoreUnavailable` if PostgreSQL does not respond."""

    def vector_model(self, model: str) -> VectorModel:
        """Return the model whose vectors a search compares.

        It is the configured `model` once all threads have its vectors. After a change of the model, it is the last one
        until then.
        """
        ...

    def unembedded(self, thread_id: str, model: str, limit: int) -> Unembedded:
        """Return exchanges of a thread that have no valid vector of the model."""
        ...

    def store_vectors(self, model: str, vectors: Sequence[NewVector]) -> None:
        """Store vectors, except those of exchanges that were replaced or deleted meanwhile."""
        ...

    def clear_due(self, thread_id: str, kind: str, due_at: datetime) -> None:
        """Record that nothing is to be derived from a thread, unless it became due again after `due_at`."""
        ...

    def due_threads(self, kind: str, age: float, sent_age: float, limit: int) -> list[str]:
        """Return threads that have been due for more than `age` seconds, and record that they are sent.

        A thread that was sent before is returned only if that is more than `sent_age` seconds ago.
        """
        ...

    def mark_old_threads(self, kind: str, model: str) -> int:
        """Mark some threads that lack vectors of the model as due; return how many were looked at, 0 if none is left.

        It starts again after a change of the model, in case a process of an earlier release stored exchanges: for
        vectors each day, and for memories once after 20 minutes and after each pause of the sweeps.
        """
        ...

    def remove_other_vectors(self, model: str) -> int:
        """Remove some vectors of other models, once all threads have vectors of this one; return their number."""
        ...

    def convert_vectors(self) -> int:
        """Prepare some stored vectors for L2's own comparison, if it has one; return their number, 0 if none is left.

        These are vectors that were stored before L2 could compare vectors.
        """
        ...

    def forget_progress(self, kind: str) -> None:
        """Record that nothing is derived now, so that a later start looks at all threads again."""
        ...
