"""The search in L2: its protocol and results."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import iter_unpack
from typing import Protocol, TypeVar
from uuid import UUID

from shared.models import Exchange

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class SearchScope:
    """The exchanges that a search looks at: those of one user's threads.

    Attributes:
        thread_id: Only this thread; None for all.
        exclude_thread_id: Not this thread.
        since: Only exchanges whose `created_at` is this time or later.
        until: Only exchanges whose `created_at` is before this time.
    """

    user_id: str
    thread_id: str | None = None
    exclude_thread_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def includes(self, exchange: Exchange) -> bool:
        """Return whether the scope includes an exchange, if its thread belongs to the user."""
        return (
            self.thread_id in {None, exchange.thread_id}
            and self.exclude_thread_id != exchange.thread_id
            and (self.since is None or exchange.created_at >= self.since)
            and (self.until is None or exchange.created_at < self.until)
        )


def split_ids(joined: bytes) -> list[bytes]:
    """Return ids of 16 bytes each that were joined. Few of thousands of ids become `UUID` objects."""
    return [each for (each,) in iter_unpack("16s", joined)]


@dataclass(frozen=True, slots=True)
class Matches:
    """L2's exchanges that have any of a query's keys, as parallel sequences.

    Attributes:
        row_ids: L2's ids of the exchanges, 16 bytes each. There may be thousands, and only a few become `UUID` objects.
        threads: L2's id of each exchange's thread.
        keys: The keys that each exchange has: bit n is set if it has the query's n-th key.
        user_terms: The number of different terms in each user's message.
        assistant_terms: The number of different terms in each assistant's message.
        total: The number of the scope's exchanges, also without any of the keys.
        is_indexed: Whether all of the user's exchanges are indexed. If not, matches may be missing.
        uptime: See `Archive.uptime_seconds`.
    """

    row_ids: bytes = b""
    threads: Sequence[Hashable] = ()
    keys: Sequence[int] = ()
    user_terms: Sequence[int] = ()
    assistant_terms: Sequence[int] = ()
    total: int = 0
    is_indexed: bool = True
    uptime: float = 0.0

    def row_id(self, index: int) -> UUID:
        """Return L2's id of an exchange, for `SearchArchive.found`."""
        return UUID(bytes=self.row_ids[16 * index : 16 * index + 16])

    def by_row_id(self, values: Sequence[_Value]) -> dict[bytes, _Value]:
        """Return a value for each exchange, by the bytes of L2's id."""
        return dict(zip(split_ids(self.row_ids), values, strict=True))


@dataclass(frozen=True, slots=True)
class QueryVector:
    """The vector of a query.

    Attributes:
        model: The name of the model. Only vectors of the same model are compared.
        values: The vector, of length 1.
        signs: The signs of the values; see `shared.embeddings.compact.to_bits`.
    """

    model: str
    values: Sequence[float]
    signs: str


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """Vectors of a user's exchanges, as parallel sequences.

    Attributes:
        row_ids: L2's ids of the exchanges.
        threads: L2's id of each exchange's thread, as in `Matches`.
        cosines: The cosine of each vector with the query's.
    """

    row_ids: Sequence[UUID] = ()
    threads: Sequence[Hashable] = ()
    cosines: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """The exchanges next to an exchange in its thread.

    Attributes:
        before: L2's ids of the two exchanges before it, nearest first; fewer at the thread's beginning. None stands for
            an exchange outside of the scope's time.
        after: L2's ids of the two exchanges after it, nearest first.
    """

    before: Sequence[UUID | None] = ()
    after: Sequence[UUID | None] = ()


@dataclass(frozen=True, slots=True)
class FoundExchange:
    """A stored exchange with its thread's title."""

    exchange: Exchange
    title: str | None


class SearchArchive(Protocol):
    """The search in L2. Every method raises `StoreUnavailable` if PostgreSQL does not respond."""

    def matches(self, scope: SearchScope, keys: Sequence[int]) -> Matches:
        """Return the exchanges that have any of the keys."""
        ...

    def vectors(self, scope: SearchScope, query: QueryVector, limit: int, row_ids: Sequence[UUID]) -> StoredVectors:
        """Return the vectors of the exchanges that are nearest to a query, and those of `row_ids`.

        Args:
            scope: The exchanges to look at.
            query: The query's vector.
            limit: The number of nearest exchanges.
            row_ids: Exchanges whose vectors are needed anyway.
        """
        ...

    def beside(self, scope: SearchScope, row_ids: Sequence[UUID]) -> list[Beside]:
        """Return the exchanges next to each of these exchanges in its thread."""
        ...

    def found(self, user_id: str, row_ids: Sequence[UUID]) -> dict[UUID, FoundExchange]:
        """Return these exchanges of the user, without those that were deleted meanwhile."""
        ...

    def unstored(self, exchanges: Sequence[Exchange]) -> list[FoundExchange]:
        """Return the exchanges that L2 neither stores in this or a later revision nor has deleted.

        Their title is None if L2 does not have their thread.
        """
        ...

    def index_exchanges(self) -> int:
        """Index some exchanges that are not indexed; return their number, 0 if none is left."""
        ...

    def unindexed(self, limit: int) -> int:
        """Return the number of exchanges that are not indexed, at most `limit`."""
        ...
