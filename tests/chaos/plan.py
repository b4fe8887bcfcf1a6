"""What callers do and what is broken when: drawn from a seed, so that a run can be repeated."""

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

# Who makes an exchange's id, or that it is the agent which answers: how many of a hundred.
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
# Until what Redis holds is trusted again on a queue that is never empty: see `MAX_DRAIN_AGE`.
_CALM_SECONDS: Final = 180.0
_FROZEN: Final = (0.5, 8.0)
# Between two deletions, in seconds; of the threads, one of this many is deleted now and then.
_DELETION_GAP: Final = (1.0, 6.0)
_ONE_DELETED_OF: Final = 5
# Of the deletions, one of this many is that of a user with all threads.
_ONE_USER_OF: Final = 4
_USERS: Final = 20
_DELETED_USER: Final = 7
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz     éß漢😀"


@dataclass(frozen=True, slots=True)
class Move:
    """One turn of a caller.

    Attributes:
        marker: Names the exchange in its text, once in the whole run.
        recalls: Whether `/invoking` is asked first.
        copies: How often the same request is sent at the same time.
        randomness: Bits for the id, where the caller makes it.
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
        """The `Idempotency-Key` of the requests that have one."""
        return f"key-{self.marker}"

    def exchange_id(self, now: float) -> UUID | None:
        """Return the caller's name for the exchange, made at `now` in Unix seconds; None if the service names it."""
        if self.naming == "uuid4":
            return UUID(int=self.randomness, version=4)
        if self.naming == "uuid7":
            rest = UUID(int=self.randomness, version=4).int & ((1 << 80) - 1) & ~(0xF << 76)
            return UUID(int=int(now * 1000) << 80 | 7 << 76 | rest)
        return None


@dataclass(frozen=True, slots=True)
class Deletion:
    """A thread to delete, or a user, and what is said there before, meanwhile and after.

    Attributes:
        gap: Seconds of peace before it.
        user_id: The user, where it is not a thread.
        thread_ids: The thread, or all threads of the user's.
        delays: How long after the deletion's beginning each exchange of `meanwhile` is said, in seconds.
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
    """Something to break.

    Attributes:
        gap: Seconds of peace before it.
        seconds: How long what is frozen stays so.
        share: How many of the workers, as a fraction, where it is those.
        picks: Draws which ones.
    """

    gap: float
    kind: FaultKind
    seconds: float
    share: float
    picks: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's whole course, as far as the machine's speed does not decide it.

    Attributes:
        seed: Everything is drawn from it.
        threads: How many conversations there are.
    """

    seed: int
    threads: int

    def random(self, *purpose: object) -> random.Random:
        """Return a generator of its own for a purpose, the same in every run with this seed."""
        return random.Random(f"{self.seed}:{purpose}")  # noqa: S311 - to be repeatable, not to be secret

    def moves(self, caller: int) -> Iterator[Move]:
        """Yield a caller's turns, without end."""
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
        """Yield what to delete, without end."""
        draw = self.random("deletions")
        number = 0
        while True:
            number += 1
            thread = _ONE_DELETED_OF * draw.randrange(max(1, self.threads // _ONE_DELETED_OF))
            # Of threads with a user, too: every fifth one has none.
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
        """Yield what to break, without end: storms with calms between them."""
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
    """Return faults in their order.

    Those after which Redis is asked about all that it holds come last of the first three: until then nobody doubts it,
    and what it fails to show is not excused. Each kind comes once before chance decides, so that a short run does not
    leave one out by bad luck.
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
