"""The log of all requests and responses of a run. The final checks use only this log and the stores' contents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.chaos.plan import PlannedTurn

Route = Literal["invoking", "invoked", "run", "delete"]
_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422
_SERVER_ERROR: Final = 500


@dataclass(slots=True)
class Request:
    """One request and its response.

    Attributes:
        sent: Monotonic seconds, like `ended`.
        status: None if there was no response.
        error: The name of the exception if there was no response.
        answer: The response's JSON; {} if there was none.
        exchange_ids: The exchanges in the response of `/invoking`, oldest first.
    """

    caller: int
    route: Route
    thread_id: str
    sent: float
    ended: float = 0.0
    status: int | None = None
    error: str = ""
    is_replayed: bool = False
    answer: dict[str, Any] = field(default_factory=dict)
    exchange_ids: list[str] = field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        """Return whether the request succeeded."""
        return self.status in {200, 202}

    @property
    def is_unknown(self) -> bool:
        """Return whether the request's effect is unknown: no response, or a server error."""
        return self.status is None or self.status >= _SERVER_ERROR

    @property
    def is_conflict(self) -> bool:
        """Return whether the first request with the same key was still running."""
        return self.status == _CONFLICT

    @property
    def is_body_mismatch(self) -> bool:
        """Return whether an earlier request used the key with another body, or the answer of the key was deleted."""
        return self.status == _UNPROCESSABLE

    @property
    def exchange_id(self) -> str:
        """Return the exchange's id in the response."""
        return str(self.answer["exchange_id"])

    @property
    def durability(self) -> str:
        """Return the store that has the exchange according to the response."""
        return str(self.answer.get("memory", self.answer)["durability"])

    @property
    def is_cached(self) -> bool:
        """Return whether L1 has the exchange according to the response."""
        return bool(self.answer.get("memory", self.answer)["cached"])

    @property
    def degraded(self) -> list[str]:
        """Return the layers that did not respond. `/invoked` does not report them."""
        return list(self.answer.get("memory", self.answer).get("degraded", []))

    @property
    def seconds(self) -> float:
        """Return the request's duration."""
        return self.ended - self.sent


@dataclass(slots=True)
class Turn:
    """A caller's turn with all its requests.

    Attributes:
        recall: The `/invoking` request before the turn, if any.
        requests: The requests that carry the exchange, in the order they were sent.
        repeated: The same requests, repeated after all faults.
    """

    caller: int
    planned: PlannedTurn
    recall: Request | None = None
    requests: list[Request] = field(default_factory=list)
    repeated: list[Request] = field(default_factory=list)

    @property
    def answered(self) -> list[Request]:
        """Return the requests whose response names the store of the exchange."""
        return [request for request in [*self.requests, *self.repeated] if request.is_answered]

    @property
    def is_unknown(self) -> bool:
        """Return whether no response named the store, so that it is unknown whether the exchange exists."""
        return not self.answered and any(request.is_unknown for request in self.requests)

    @property
    def sent(self) -> float:
        """Return the time of the first request."""
        return min(request.sent for request in self.requests)

    @property
    def accepted_at(self) -> float | None:
        """Return the time at which the caller first knew that the exchange was stored."""
        return min((request.ended for request in self.requests if request.is_answered), default=None)


@dataclass(slots=True)
class LoggedDeletion:
    """The deletion of a thread or a user.

    It must remove each exchange whose response came before the deletion began. It may remove each exchange that was
    sent before the deletion succeeded.

    Attributes:
        user_id: The user, if all threads of the user were deleted.
        began: The time of the first request, in monotonic seconds.
        ended: The time of the successful response; infinity until then.
        attempts: The number of requests.
        last_response: The last response's status, or the error if there was no response.
    """

    thread_id: str
    began: float
    ended: float = float("inf")
    attempts: int = 0
    user_id: str | None = None
    last_response: str = ""


@dataclass(slots=True)
class ForgottenMemory:
    """The deletion of a memory.

    Attributes:
        label: The label of the exchange that the memory was learned from.
        is_confirmed: Whether a response has said that the memory is deleted.
    """

    user_id: str
    label: str
    is_confirmed: bool = False


@dataclass(slots=True)
class FaultPeriod:
    """A fault and the time in which it had an effect, in monotonic seconds."""

    kind: str
    began: float
    ended: float = float("inf")
    detail: str = ""


@dataclass(slots=True)
class Journal:
    """The log of a run. Appending to a list is atomic, so callers need no lock."""

    turns: list[Turn] = field(default_factory=list)
    faults: list[FaultPeriod] = field(default_factory=list)
    deletions: list[LoggedDeletion] = field(default_factory=list)
    forgotten: list[ForgottenMemory] = field(default_factory=list)
    returned_memories: list[str] = field(default_factory=list)
    final_reads: list[Request] = field(default_factory=list)
    copies_delivered: int = 0
    deliveries_delayed: int = 0
    began: float = 0.0

    @property
    def accepted(self) -> int:
        """Return the number of accepted exchanges."""
        return sum(1 for turn in self.turns if turn.accepted_at is not None)

    def requests(self) -> Iterable[Request]:
        """Yield every request that was sent during the faults."""
        for turn in self.turns:
            if turn.recall is not None:
                yield turn.recall
            yield from turn.requests

    def is_during_fault(self, request: Request) -> bool:
        """Return whether a fault had an effect at any time during the request."""
        return any(fault.began <= request.ended and request.sent <= fault.ended for fault in self.faults)
