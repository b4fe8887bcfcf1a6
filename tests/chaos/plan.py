"""The plan of callers' moves and faults is random, and reproducible by its seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

Naming = Literal["service", "uuid4", "uuid7", "key", "run"]
FaultKind = Literal[
    "valkey killed",
    "valkey frozen",
    "valkey restarted",
    "valkey comes back older",
    "valkey fails over",
    "valkey full",
    "valkey without replicas",
    "valkey cannot save",
    "postgres killed",
    "postgres frozen",
    "postgres restarted",
    "postgres backend killed",
    "postgres fails over",
    "workers' clocks days off",
    "valkey fails over to another day",
    "workers killed",
    "workers frozen",
    "both stores killed",
    "both stores frozen",
    "postgres frozen, valkey killed",
    "queue refuses",
    "queue refuses, postgres frozen",
    "emulator frozen",
]

# These percentages decide who creates an exchange's id, and whether the agent answers.
_NAMINGS: Final[dict[Naming, int]] = {"service": 70, "uuid4": 12, "uuid7": 12, "key": 4, "run": 2}
_RECALLS: Final = 0.25
_REPEATS: Final = 0.4
_FAULTS: Final[dict[FaultKind, int]] = {
    "valkey killed": 10,
    "valkey frozen": 10,
    "valkey restarted": 5,
    "valkey comes back older": 6,
    "valkey fails over": 6,
    "valkey full": 5,
    "valkey without replicas": 3,
    "valkey cannot save": 3,
    "postgres killed": 8,
    "postgres frozen": 10,
    "postgres restarted": 4,
    "postgres backend killed": 5,
    "postgres fails over": 5,
    "workers' clocks days off": 5,
    "valkey fails over to another day": 3,
    "workers killed": 10,
    "workers frozen": 10,
    "both stores killed": 6,
    "both stores frozen": 6,
    "postgres frozen, valkey killed": 5,
    "queue refuses": 6,
    "queue refuses, postgres frozen": 4,
    "emulator frozen": 1,
}
FAULT_KINDS: Final = tuple(_FAULTS)
_REFUSALS: Final[tuple[FaultKind, ...]] = ("valkey full", "valkey without replicas", "valkey cannot save")
_HANGS: Final[tuple[FaultKind, ...]] = ("valkey frozen", "workers frozen", "postgres frozen")
_OLDER: Final[tuple[FaultKind, ...]] = ("valkey comes back older", "valkey fails over")
_BY_CHANCE: Final = 10
_GAP: Final = (1.0, 7.0)
# If the queue is never empty, Redis is trusted again only after this time: see `MAX_DRAIN_AGE`.
_CALM_SECONDS: Final = 180.0
_FROZEN: Final = (0.5, 8.0)
# The range of seconds between two deletions.
_DELETION_GAP: Final = (1.0, 6.0)
# Of this many threads, one is deleted repeatedly.
_ONE_DELETED_OF: Final = 5
# Of this many deletions, one deletes a user with all threads.
_ONE_USER_OF: Final = 4
_USERS: Final = 20
_DELETED_USER: Final = 7
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz     éß漢😀"


@dataclass(frozen=True, slots=True)
class Move:
    """One turn of a caller.

    Attributes:
        marker: A text in the exchange that is unique in the run.
        recalls: Whether `/invoking` is called first.
        copies: How many equal requests are sent concurrently.
        randomness: Random bits of the id, if the caller creates it.
    """

    marker: str
    thread_id: str
    user_id: str | None
    naming: Naming
    recalls: bool
    copies: int
    user_message: str
    assistant_message: str
    randomness: int

    @property
    def key(self) -> str:
        """Return the `Idempotency-Key`, if the requests have one."""
        return f"key-{self.marker}"

    def exchange_id(self, now: float) -> UUID | None:
        """Return the caller's id for the exchange, created at `now` in Unix seconds.

        It is None if the service creates the id.
        """
        if self.naming == "uuid4":
            return UUID(int=self.randomness, version=4)
        if self.naming == "uuid7":
            rest = UUID(int=self.randomness, version=4).int & ((1 << 80) - 1) & ~(0xF << 76)
            return UUID(int=int(now * 1000) << 80 | 7 << 76 | rest)
        return None


@dataclass(frozen=True, slots=True)
class Deletion:
    """A thread or user to delete, and the exchanges before, during and after the deletion.

    Attributes:
        gap: Seconds of pause before the deletion.
        user_id: The user, if all threads of a user are deleted.
        thread_ids: The thread, or all threads of the user.
        delays: Seconds from the start of the deletion until each exchange of `meanwhile` is sent.
    """

    gap: float
    user_id: str | None
    thread_ids: tuple[str, ...]
    before: Move
    meanwhile: tuple[Move, ...]
    delays: tuple[float, ...]
    after: Move


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to inject.

    Attributes:
        gap: Seconds of pause before the fault.
        seconds: The duration of a freeze.
        share: The fraction of the workers that is affected.
        picks: Random bits that choose the affected workers and the variant of the fault.
    """

    gap: float
    kind: FaultKind
    seconds: float
    share: float
    picks: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run. Runs with the same seed differ only by the machine's speed.

    Attributes:
        seed: The seed of all random draws.
        threads: The number of conversations.
    """

    seed: int
    threads: int

    def random(self, *purpose: object) -> random.Random:
        """Return a random generator for one purpose, equal in every run with this seed."""
        return random.Random(f"{self.seed}:{purpose}")  # noqa: S311 - reproducible, not for security

    def moves(self, caller: int) -> Iterator[Move]:
        """Yield a caller's turns endlessly."""
        draw = self.random("caller", caller)
        number = 0
        while True:
            number += 1
            naming = draw.choices(list(_NAMINGS), list(_NAMINGS.values()))[0]
            thread = draw.randrange(self.threads)
            marker = f"c{caller}n{number}"
            is_repeated = naming == "key" or (naming in {"uuid4", "uuid7"} and draw.random() < _REPEATS)
            recalls = draw.random() < _RECALLS
            yield _move(draw, marker, thread, naming, recalls=recalls, copies=2 if is_repeated else 1)

    def deletions(self) -> Iterator[Deletion]:
        """Yield deletions endlessly."""
        draw = self.random("deletions")
        number = 0
        while True:
            number += 1
            thread = _ONE_DELETED_OF * draw.randrange(max(1, self.threads // _ONE_DELETED_OF))
            # Every fifth thread has no user, and the next thread has a user. Deletions alternate between both.
            thread = min(thread + number % 2, self.threads - 1)
            owned = range(_DELETED_USER, self.threads, _USERS)
            is_user = number % _ONE_USER_OF == 0 and len(owned) > 0
            places = [draw.choice(owned) if is_user else thread for _ in range(5)]
            before, *meanwhile, after = (
                _move(draw, f"d{number}n{place}", at, "service", recalls=True) for place, at in enumerate(places)
            )
            yield Deletion(
                gap=draw.uniform(*_DELETION_GAP),
                user_id=f"user-{_DELETED_USER}" if is_user else None,
                thread_ids=tuple(f"chaos-{at}" for at in owned) if is_user else (before.thread_id,),
                before=before,
                meanwhile=tuple(meanwhile),
                delays=tuple(draw.uniform(0, 0.05) for _ in meanwhile),
                after=after,
            )

    def faults(self) -> Iterator[Fault]:
        """Yield faults endlessly, in groups (storms) with pauses (calms) between them."""
        draw = self.random("faults")
        for storm in itertools.count():
            for place, kind in enumerate(_storm(draw)):
                yield Fault(
                    gap=_CALM_SECONDS if storm and not place else draw.uniform(*_GAP),
                    kind=kind,
                    seconds=draw.uniform(*_FROZEN),
                    share=draw.choice([0.01, 0.3, 1.0]),
                    picks=draw.getrandbits(32),
                )


def _storm(draw: random.Random) -> list[FaultKind]:
    """Return a storm's faults in order.

    The third fault makes Redis stale. Before the third fault, an exchange that Redis lacks counts as a violation. Each
    kind occurs once before any kind is drawn at random, so that a short run contains all kinds.
    """
    first = [draw.choice(_REFUSALS), draw.choice(_HANGS), draw.choice(_OLDER)]
    rest = [kind for kind in draw.sample(FAULT_KINDS, len(FAULT_KINDS)) if kind not in first]
    return first + rest + draw.choices(FAULT_KINDS, list(_FAULTS.values()), k=_BY_CHANCE)


def _move(draw: random.Random, marker: str, thread: int, naming: Naming, *, recalls: bool, copies: int = 1) -> Move:
    return Move(
        marker=marker,
        thread_id=f"chaos-{thread}",
        user_id=None if thread % 5 == 0 else f"user-{thread % _USERS}",
        naming=naming,
        recalls=recalls,
        copies=copies,
        user_message=f"[{marker}] {_text(draw, 40, 400)}",
        assistant_message=f"[{marker}] {_text(draw, 1_000, 2_000)}",
        randomness=draw.getrandbits(128),
    )


def _text(draw: random.Random, least: int, most: int) -> str:
    return "".join(draw.choices(_LETTERS, k=draw.randint(least, most)))
