"""An explicit-state model of one thread's list in Redis. It visits every interleaving of readers, writers and losses.

A command of Redis is atomic, and a pipeline is not. PostgreSQL's window is one statement, and so is a deletion. An
exchange is a number, which is also its order key. Exchanges may arrive late and in any order. The list has the newest
exchanges.

Texts, users, revisions and clocks are not part of this model. The model-based test on real servers covers them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

_NOBODY: Final = -1
Exchanges = frozenset[int]
NONE: Final[Exchanges] = frozenset()


@dataclass(frozen=True, slots=True)
class Listed:
    """A list: its exchanges, and the seal or token of its first entry.

    Attributes:
        seal: The generation of the seal; 0 without a seal.
        is_first: Whether the list has the whole thread, according to the seal.
        token: The reader who set the token; `_NOBODY` without a token.
    """

    held: Exchanges = NONE
    seal: int = 0
    is_first: bool = False
    token: int = _NOBODY


@dataclass(frozen=True, slots=True)
class Redis:
    """Redis' data of the thread, and its generation."""

    listed: Listed | None = None
    undrained: Exchanges = NONE
    cutoff: int = 0
    generation: int = 1
    server: int = 1
    generation_of: int = 1


@dataclass(frozen=True, slots=True)
class World:
    """The stores, what the callers know, and the faults that may still happen.

    Attributes:
        accepted: Accepted exchanges that were not deleted since.
        refused: Exchanges whose append Redis refused. Redis lacks them until the process' next call or the drain.
        gone: Exchanges that a finished deletion has removed.
        may_lack: Whether Redis may have lost exchanges that are still in the queue.
        waiting: The messages that were in the queue at the time of that loss.
        saved: The saved state that a restored server will have.
    """

    redis: Redis = Redis()
    stored: Exchanges = NONE
    cutoff: int = 0
    queue: Exchanges = NONE
    accepted: Exchanges = NONE
    refused: Exchanges = NONE
    gone: Exchanges = NONE
    may_lack: bool = False
    waiting: Exchanges = NONE
    saved: Redis | None = None
    generations: int = 1
    evictions: int = 0
    emptyings: int = 0
    snapshots: int = 0
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its next step and the data that it has read."""

    kind: str
    name: int
    at: str
    exchange: int = 0
    known: int = 1
    listed: Listed | None = None
    undrained: Exchanges = NONE
    cutoff: int = 0
    window: Exchanges = NONE
    is_all: bool = False
    deleted_to: int = 0
    is_degraded: bool = False
    must: Exchanges = NONE
    never: Exchanges = NONE


@dataclass(frozen=True, slots=True)
class Protocol:
    """The rules of the protocol. A test turns each rule off and checks that the model finds a violation.

    Attributes:
        window: Maximum number of exchanges in the list.
    """

    window: int = 2
    refill_needs_token: bool = True
    deletion_takes_token: bool = True
    deletion_goes_by_cutoff: bool = True
    append_adds_undrained: bool = True
    only_readers_make_lists: bool = True
    seals_name_a_generation: bool = True
    failure_is_made_up_for: bool = True
    server_ends_generation: bool = True
    loss_lasts_until_drained: bool = True


class ViolationError(AssertionError):
    """A reader's result lacks an exchange or has a deleted exchange."""


def newest(exchanges: Exchanges, most: int) -> Exchanges:
    """Return the newest exchanges."""
    return frozenset(sorted(exchanges)[-most:])


class Model:
    """The steps of each kind of process."""

    def __init__(self, rules: Protocol) -> None:
        self.rules = rules

    # --- the scripts ---

    def merged(self, listed: Listed | None, exchanges: Exchanges) -> Listed | None:
        """Return the list after a writer's merge, as `merge.lua` makes it."""
        if listed is None:
            if self.rules.only_readers_make_lists:
                return None
            listed = Listed(seal=1, is_first=True)
        union = listed.held | exchanges
        kept = newest(union, self.rules.window)
        if listed.seal and not listed.is_first and min(kept, default=0) < min(listed.held, default=0):
            return Listed(kept)
        return replace(listed, held=kept, is_first=listed.is_first and kept == union)

    def cut(self, listed: Listed | None, cutoff: int) -> Listed | None:
        """Return the list after a deletion, as `merge.lua` makes it."""
        if listed is None:
            return None
        if not self.rules.deletion_goes_by_cutoff:
            return None
        held = frozenset(each for each in listed.held if each > cutoff)
        if not held:
            return None if self.rules.deletion_takes_token else replace(listed, held=held)
        token = _NOBODY if self.rules.deletion_takes_token else listed.token
        return replace(listed, held=held, token=token)

    def is_sealed(self, listed: Listed, generation: int) -> bool:
        """Return whether a reader accepts the list as complete."""
        if self.rules.seals_name_a_generation and listed.seal != generation:
            return False
        return bool(listed.seal) and (listed.is_first or len(listed.held) >= self.rules.window)

    # --- processes ---

    def read(self, world: World, process: Process, then: str) -> Iterator[tuple[World, Process]]:
        """Run a step of a reader, which reads the list first and then the rest of Redis' data."""
        redis = world.redis
        match process.at:
            case "list":
                must, never = world.accepted - world.refused, world.gone
                listed = redis.listed
                if listed is None:
                    listed = Listed(token=process.name)
                elif not self.is_sealed(listed, process.known) and listed.token == _NOBODY:
                    listed = replace(listed, seal=0, is_first=False, token=process.name)
                yield (
                    replace(world, redis=replace(redis, listed=listed)),
                    replace(process, at="rest", listed=listed, must=must, never=never),
                )
            case "rest":
                is_other = self.rules.server_ends_generation and redis.generation_of != redis.server
                if is_other:
                    made = world.generations + 1
                    stepped = replace(redis, generation=made, generation_of=redis.server)
                    yield (
                        replace(world, redis=stepped, generations=made, may_lack=True, waiting=world.queue),
                        replace(process, at="list", known=made),
                    )
                elif redis.generation != process.known:
                    yield world, replace(process, at="list", known=redis.generation)
                else:
                    at = "show" if process.listed and self.is_sealed(process.listed, process.known) else "queue"
                    yield world, replace(process, at=at, undrained=redis.undrained, cutoff=redis.cutoff)
            case _:
                yield from self.ask(world, process, then)

    def ask(self, world: World, process: Process, then: str) -> Iterator[tuple[World, Process]]:
        """Run a step of a reader without a sealed list: read PostgreSQL's window, refill the list, check the result."""
        match process.at:
            case "queue":
                yield world, replace(process, at="window", is_degraded=world.may_lack and bool(world.queue))
            case "window":
                window = newest(world.stored, self.rules.window)
                yield (
                    world,
                    replace(
                        process, at="refill", window=window, is_all=window == world.stored, deleted_to=world.cutoff
                    ),
                )
            case "refill":
                yield self.refill(world, process), replace(process, at="show")
            case _:
                self.check(world, process)
                yield world, Process(process.kind, process.name, then, process.exchange, process.known)

    def refill(self, world: World, process: Process) -> World:
        """Refill the list, if the reader's token is still in it."""
        redis, seen = world.redis, process.listed
        cutoff = max(process.cutoff, process.deleted_to)
        waiting = frozenset(each for each in process.undrained if each > cutoff)
        listed = redis.listed
        after = replace(redis, cutoff=max(redis.cutoff, process.deleted_to))
        has_token = listed is not None and seen is not None and listed.token != _NOBODY and listed.token == seen.token
        if process.is_degraded or (self.rules.refill_needs_token and not has_token):
            return replace(world, redis=after)
        held = NONE if listed is None else listed.held
        union = frozenset(each for each in held | process.window | waiting if each > cutoff)
        kept = newest(union, self.rules.window)
        sealed = Listed(kept, process.known, is_first=process.is_all and kept == union)
        return replace(world, redis=replace(after, listed=sealed))

    def check(self, world: World, process: Process) -> None:
        """Compare a reader's result with the guarantees.

        Raises:
            ViolationError: The result lacks an exchange or has a deleted exchange.
        """
        listed = process.listed or Listed()
        cutoff = max(process.cutoff, process.deleted_to)
        beside = NONE if self.is_sealed(listed, process.known) else process.window | process.undrained
        found = listed.held | beside
        shown = newest(frozenset(each for each in found if each > cutoff), self.rules.window)
        deleted_since = max(world.cutoff, world.redis.cutoff)
        must = frozenset(each for each in process.must if each > deleted_since)
        reaches = len(shown) < self.rules.window
        lacking = {each for each in must - shown if reaches or each > min(shown)}
        if lacking and not process.is_degraded:
            raise ViolationError(f"{process.name} is shown {sorted(shown)}, and not {sorted(lacking)}")
        if shown & process.never:
            raise ViolationError(f"{process.name} is shown {sorted(shown & process.never)}, which was deleted")

    def keep(self, world: World, process: Process) -> Iterator[tuple[World, Process]]:
        """Run a step of a turn that stores its exchange."""
        redis, exchange = world.redis, process.exchange
        one = frozenset({exchange})
        match process.at:
            case "send":
                yield replace(world, queue=world.queue | one), replace(process, at="undrained")
            case "undrained":
                undrained = redis.undrained | one if self.rules.append_adds_undrained else redis.undrained
                yield replace(world, redis=replace(redis, undrained=undrained)), replace(process, at="merge")
                if world.refusals:
                    refused = world.refused | one
                    yield (
                        replace(world, refusals=world.refusals - 1, accepted=world.accepted | one, refused=refused),
                        Process(process.kind, process.name, "make up", known=process.known),
                    )
            case "merge":
                after = replace(redis, listed=self.merged(redis.listed, one))
                yield replace(world, redis=after), replace(process, at="tombstone")
            case "tombstone":
                if exchange <= redis.cutoff:
                    left = None if redis.listed is None else self.cut(redis.listed, redis.cutoff)
                    after = replace(redis, listed=left, undrained=redis.undrained - one)
                    yield replace(world, redis=after), replace(process, at="end")
                else:
                    yield replace(world, accepted=world.accepted | one), replace(process, at="end")
            case _:
                # Redis refused the process' append. This step is the process' next call.
                made = world.generations + 1
                after = replace(
                    redis,
                    generation=made,
                    undrained=redis.undrained | world.refused,
                    listed=self.merged(redis.listed, world.refused),
                )
                if not self.rules.failure_is_made_up_for:
                    after, made = redis, world.generations
                yield (
                    replace(world, redis=after, generations=made, refused=NONE),
                    replace(process, at="end"),
                )

    def drain(self, world: World, process: Process) -> Iterator[tuple[World, Process]]:
        """Run a step of the drain. It updates PostgreSQL, then the list and the undrained exchanges, then the queue."""
        redis = world.redis
        match process.at:
            case "store":
                for batch in {world.queue, *(frozenset({each}) for each in world.queue)} - {NONE}:
                    alive = frozenset(each for each in batch if each > world.cutoff)
                    yield (
                        replace(world, stored=world.stored | alive),
                        replace(process, at="list", window=batch, undrained=alive),
                    )
            case "list":
                after = replace(
                    redis, listed=self.merged(redis.listed, process.undrained) if process.undrained else redis.listed
                )
                yield replace(world, redis=after), replace(process, at="cut")
            case "cut":
                is_late = any(each <= redis.cutoff for each in process.undrained)
                listed = self.cut(redis.listed, redis.cutoff) if is_late else redis.listed
                after = replace(redis, listed=listed, undrained=redis.undrained - process.window)
                yield replace(world, redis=after), replace(process, at="delete")
            case _:
                refused = world.refused - process.window
                yield replace(world, queue=world.queue - process.window, refused=refused), replace(process, at="end")

    def delete(self, world: World, process: Process) -> Iterator[tuple[World, Process]]:
        """Run a step of a deletion. It updates PostgreSQL, the tombstone, the list, and the undrained exchanges."""
        redis = world.redis
        match process.at:
            case "store":
                held = redis.listed.held if redis.listed else NONE
                cutoff = max([0, *world.stored, *held, *redis.undrained])
                stored = frozenset(each for each in world.stored if each > cutoff)
                yield (
                    replace(world, stored=stored, cutoff=max(world.cutoff, cutoff)),
                    replace(process, at="tombstone", cutoff=cutoff),
                )
            case "tombstone":
                after = replace(redis, cutoff=max(redis.cutoff, process.cutoff))
                yield replace(world, redis=after), replace(process, at="list")
            case "list":
                after = replace(redis, listed=self.cut(redis.listed, process.cutoff))
                yield replace(world, redis=after), replace(process, at="undrained")
            case _:
                is_exact = self.rules.deletion_goes_by_cutoff
                undrained = frozenset(each for each in redis.undrained if is_exact and each > process.cutoff)
                reached = frozenset(range(1, process.cutoff + 1))
                yield (
                    replace(
                        world,
                        redis=replace(redis, undrained=undrained),
                        accepted=world.accepted - reached,
                        gone=world.gone | reached,
                    ),
                    replace(process, at="end"),
                )

    def steps(self, world: World, process: Process) -> Iterator[tuple[World, Process]]:
        """Return the possible results of the process' next step."""
        if process.at == "end":
            return iter(())
        if process.kind == "drain":
            return self.drain(world, process)
        if process.kind == "deletion":
            return self.delete(world, process)
        if process.kind != "drain" and process.at in {"list", "rest", "queue", "window", "refill", "show"}:
            return self.read(world, process, "send" if process.kind == "turn" else "end")
        return self.keep(world, process)

    def losses(self, world: World) -> Iterator[World]:
        """Return the states after each loss that Redis may have now."""
        redis = world.redis
        if world.evictions and redis.listed is not None:
            left = replace(world, evictions=world.evictions - 1)
            yield replace(left, redis=replace(redis, listed=None))
            # Redis counts this eviction, and a reader detects it by the counter.
            evicted = replace(redis, listed=None, undrained=NONE)
            yield replace(left, redis=evicted, may_lack=True, waiting=world.queue)
        if world.emptyings:
            server = redis.server + 1
            empty = Redis(generation=0, server=server, generation_of=0)
            yield replace(world, redis=empty, emptyings=world.emptyings - 1, may_lack=True, waiting=world.queue)
        if world.snapshots and world.saved is None:
            yield replace(world, saved=redis)
        if world.snapshots and world.saved is not None:
            back = replace(world.saved, server=redis.server + 1)
            yield replace(world, redis=back, saved=None, snapshots=world.snapshots - 1)

    def time_passes(self, world: World) -> Iterator[World]:
        """Return the state after all stores were up long enough for the drain of the messages of a loss."""
        is_drained = not world.waiting & world.queue
        if world.may_lack and (is_drained or not self.rules.loss_lasts_until_drained):
            yield replace(world, may_lack=False, waiting=NONE)


def explore(world: World, processes: tuple[Process, ...], rules: Protocol, limit: int) -> int:
    """Visit every reachable state, up to a limit. Return the number of visited states.

    Raises:
        ViolationError: A guarantee does not hold in a state. The error's notes have the steps to this state.
    """
    model = Model(rules)
    start = world, processes
    came_from: dict[object, object] = {start: None}
    waiting: deque[tuple[World, tuple[Process, ...]]] = deque([start])
    while waiting and len(came_from) < limit:
        state = waiting.pop()
        world, processes = state
        found: list[tuple[World, tuple[Process, ...]]] = [(lost, processes) for lost in model.losses(world)]
        found += [(later, processes) for later in model.time_passes(world)]
        for place, process in enumerate(processes):
            try:
                reached = list(model.steps(world, process))
            except ViolationError as violation:
                _explain(violation, came_from, state)
                raise
            found += [(after, (*processes[:place], moved, *processes[place + 1 :])) for after, moved in reached]
        if not found and world.redis.server == 1:
            _check_rest(world, came_from, state)
        for each in found:
            if each not in came_from:
                came_from[each] = state
                waiting.append(each)
    return len(came_from)


def _check_rest(world: World, came_from: dict[object, object], state: object) -> None:
    held = world.redis.undrained | (world.redis.listed.held if world.redis.listed else NONE)
    if left := held & world.gone:
        violation = ViolationError(f"{sorted(left)} was deleted, and stays in Redis")
        _explain(violation, came_from, state)
        raise violation


def _explain(violation: ViolationError, came_from: dict[object, object], state: object) -> None:
    way = []
    at: object = state
    while at is not None:
        way.append(at)
        at = came_from[at]
    for each in reversed(way):
        violation.add_note(repr(each))


def turn(name: int, exchange: int) -> Process:
    """Return a process that reads and then stores an exchange."""
    return Process("turn", name, "list", exchange)


def reader(name: int) -> Process:
    """Return a process that reads."""
    return Process("reader", name, "list")


def drain(name: int) -> Process:
    """Return a process that drains once."""
    return Process("drain", name, "store")


def deletion(name: int) -> Process:
    """Return a process that deletes the thread."""
    return Process("deletion", name, "store")
