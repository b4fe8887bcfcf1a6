"""What was sent and what was answered: the only thing that the checks at the end believe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.chaos.plan import Move

Route = Literal["invoking", "invoked", "run", "delete"]
_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422
_SERVER_FAULT: Final = 500


@dataclass(slots=True)
class Request:
    """One request and what came back.

    Attributes:
        sent: Monotonic seconds, as is `ended`.
        status: None when there was no answer.
        error: The name of what happened instead of an answer.
        answer: The JSON, {} without one.
        shown: The exchanges that `/invoking` answered with, oldest first.
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
    shown: list[str] = field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        """Whether it did what it was for."""
        return self.status in {200, 202}

    @property
    def is_unknown(self) -> bool:
        """Whether it may have been done or not: no answer, or one that says that something broke."""
        return self.status is None or self.status >= _SERVER_FAULT

    @property
    def is_conflict(self) -> bool:
        """Whether the first request with its key was still running."""
        return self.status == _CONFLICT

    @property
    def is_of_other_body(self) -> bool:
        """Whether its key came with another body before, or with what was deleted."""
        return self.status == _UNPROCESSABLE

    @property
    def exchange_id(self) -> str:
        """The exchange's id in the answer."""
        return str(self.answer["exchange_id"])

    @property
    def durability(self) -> str:
        """The store that holds the exchange, by the answer."""
        return str(self.answer.get("memory", self.answer)["durability"])

    @property
    def is_cached(self) -> bool:
        """Whether L1 has it, by the answer."""
        return bool(self.answer.get("memory", self.answer)["cached"])

    @property
    def degraded(self) -> list[str]:
        """The layers that did not answer, by the answer; `/invoked` does not say."""
        return list(self.answer.get("memory", self.answer).get("degraded", []))

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.sent


@dataclass(slots=True)
class Turn:
    """A caller's move and every request made for it.

    Attributes:
        recall: The `/invoking` before it.
        requests: Those that carry the exchange, in the order they were sent.
        late: The same, sent once more when everything was quiet again.
    """

    caller: int
    move: Move
    recall: Request | None = None
    requests: list[Request] = field(default_factory=list)
    late: list[Request] = field(default_factory=list)

    @property
    def answered(self) -> list[Request]:
        """The requests that were told where the exchange is."""
        return [request for request in [*self.requests, *self.late] if request.is_answered]

    @property
    def is_unknown(self) -> bool:
        """Whether nobody was told, so that the exchange may be there or not."""
        return not self.answered and any(request.is_unknown for request in self.requests)

    @property
    def sent(self) -> float:
        """When it was sent first."""
        return min(request.sent for request in self.requests)

    @property
    def known_at(self) -> float | None:
        """When its caller first knew that it was kept."""
        return min((request.ended for request in self.requests if request.is_answered), default=None)


@dataclass(slots=True)
class Deleted:
    """The deletion of a thread, alone or with its user, with everything that was sent until it was done.

    Attributes:
        user_id: The user, where all threads of the user were deleted.
        began: When it was asked for first, in monotonic seconds.
        ended: When it was answered as done; never, as long as it was not.
        tries: How often it was asked for.
    """

    thread_id: str
    began: float
    ended: float = float("inf")
    tries: int = 0
    user_id: str | None = None


@dataclass(slots=True)
class Window:
    """A fault and how long it was felt, in monotonic seconds."""

    kind: str
    began: float
    ended: float = float("inf")
    detail: str = ""


@dataclass(slots=True)
class Journal:
    """Everything of a run. Appending to a list is atomic, so callers need no lock."""

    turns: list[Turn] = field(default_factory=list)
    faults: list[Window] = field(default_factory=list)
    deletions: list[Deleted] = field(default_factory=list)
    last_looks: list[Request] = field(default_factory=list)
    copies_delivered: int = 0
    deliveries_delayed: int = 0
    began: float = 0.0

    @property
    def accepted(self) -> int:
        """How many exchanges were answered."""
        return sum(1 for turn in self.turns if turn.known_at is not None)

    def requests(self) -> Iterable[Request]:
        """Yield every request that was sent while things broke."""
        for turn in self.turns:
            if turn.recall is not None:
                yield turn.recall
            yield from turn.requests

    def is_during_fault(self, request: Request) -> bool:
        """Return whether a fault was felt at any time while the request was under way."""
        return any(fault.began <= request.ended and request.sent <= fault.ended for fault in self.faults)
