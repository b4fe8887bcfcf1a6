"""The results of turns: the response, its durations, its exchange, and the counts of outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from functions.agent.turn_json import selection_json
from shared.ids import is_time_ordered
from shared.memory.budget import Selection
from shared.memory.idempotency import KeyLease
from shared.memory.recall import Recall
from shared.memory.sizes import fits
from shared.memory.turn import AppendResult


class TurnMetrics(Protocol):
    """Counts the outcomes of turns."""

    def count_recall(self, recall: Recall) -> None:
        """Count the layer that served a context."""
        ...

    def count_append(self, appended: AppendResult) -> None:
        """Count the store that accepted an exchange."""
        ...


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a turn, or of storing an exchange.

    Attributes:
        is_replayed: Whether it is the stored response of an earlier request with the same key.
        seconds: The durations of the turn's parts: `recall`, `claim` (acquiring the idempotency key), `agent`, `keep`
            (storing the exchange), and `record` (storing the response for repeated requests). Within `keep`: `queue`
            (acceptance by the queue, otherwise by PostgreSQL) and `cache` (the write to Redis). Within all of them:
            `postgres` (waiting for PostgreSQL), if it was called.
    """

    answer: dict[str, Any]
    is_replayed: bool = False
    seconds: dict[str, float] = field(default_factory=dict)


def with_selection(
    answer: dict[str, Any], recall: Recall, selection: Selection, include: Sequence[str]
) -> dict[str, Any]:
    """Return a response that also says what the agent got; only the numbers if the content does not fit."""
    for parts in (include, ()):
        memory = {**answer["memory"], "selection": selection_json(recall, selection, parts)}
        complete = {**answer, "memory": memory}
        if fits(complete):
            return complete
    return answer


def without_selection(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a response as it is stored for repeated requests, which is small."""
    memory = {name: value for name, value in answer["memory"].items() if name != "selection"}
    return {**answer, "memory": memory}


def exchange_id_of(lease: KeyLease, answer: dict[str, Any]) -> UUID:
    """Return the exchange of a response."""
    return UUID(answer["exchange_id"] or str(lease.exchange_id))


def order_of(lease: KeyLease, answer: dict[str, Any]) -> UUID:
    """Return the order key that decides whether a response is older than a deletion."""
    exchange_id = exchange_id_of(lease, answer)
    # If the exchange's id contains no time, its order key contains the time of the response. Then the lease's id is
    # returned, whose time is earlier, because the key was acquired before the response.
    return exchange_id if is_time_ordered(exchange_id) else lease.exchange_id
