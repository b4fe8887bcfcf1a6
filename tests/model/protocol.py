"""An explicit-state model of one thread's list in Redis. It visits every interleaving of readers, writers and losses.

A command of Redis is atomic, and a pipeline is not. In PostgreSQL, reading the window is one statement, and a deletion
is one statement. An exchange is a number, which is also its order key. Exchanges may arrive late and in any order. The
list has the newest exchanges.

Texts, users, revisions and clocks are not part of this model. The model-based test on real servers covers them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

_NO_READER: Final = -1
Exchanges = frozenset[int]
NONE: Final[Exchanges] = frozenset()


@dataclass(frozen=True, slots=True)
class CachedList:
    """A list: its exchanges, and the seal or token of its first entry.

    A reader adds its token to a list without a valid seal. It refills the list only if the list still has this token.

    Attributes:
        seal: The generation of the seal; 0 without a seal.
        is_first: Whether the list has the whole thread, according to the seal.
        token: The reader that set the token; `_NO_READER` without a token.
    """

    entries: Exchanges = NONE
    seal: int = 0
    is_first: bool = False
    token: int = _NO_READER


@dataclass(frozen=True, slots=True)
class Redis:
    """Redis' data of the thread, and the current generation.

    Attributes:
        server: The number of the server. A flush and a restored snapshot are a new server.
        generation_server: The server on which the generation started.
    """

    cached: CachedList | None = None
    undrained: Exchanges = NONE
    cutoff: int = 0
    generation: int = 1
    server: int = 1
    generation_server: int = 1


@dataclass(frozen=True, slots=True)
class World:
    """The stores, the accepted and deleted exchanges, and the numbers of faults that may still happen.

    Attributes:
        accepted: Accepted exchanges that were not deleted since.
        refused: Exchanges whose append Redis refused. Redis lacks them until the process' next call or the drain.
        deleted: Exchanges that a finished deletion has removed.
        may_have_lost: Whether Redis may have lost exchanges that are still in the queue.
        queued_at_loss: The messages that were in the queue at the time of that loss.
        saved: The saved state that a restored server will have.
    """

    redis: Redis = Redis()
    stored: Exchanges = NONE
    cutoff: int = 0
    queue: Exchanges = NONE
    accepted: Exchanges = NONE
    refused: Exchanges = NONE
    deleted: Exchanges = NONE
    may_have_lost: bool = False
    queued_at_loss: Exchanges = NONE
    saved: Redis | None = None
    generations: int = 1
    evictions: int = 0
    flushes: int = 0
    snapshots: int = 0
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its next step and the data that it has read.

    Attributes:
        exchange: The exchange that a turn stores.
        is_all: Whether `window` has all stored exchanges of the thread.
        required: The exchanges that the result must contain.
        forbidden: The deleted exchanges, which the result must not contain.
    """

    kind: str
    name: int
    step: str
    exchange: int = 0
    known_generation: int = 1
    cached: CachedList | None = None
    undrained: Exchanges = NONE
    cutoff: int = 0
    window: Exchanges = NONE
    is_all: bool = False
    stored_cutoff: int = 0
    is_degraded: bool = False
    required: Exchanges = NONE
    forbidden: Exchanges = NONE


@dataclass(frozen=True, slots=True)
class Protocol:
    """The rules of the protocol. A test turns each rule off and checks that the model finds a violation.

    Attributes:
        window: Maximum number of exchanges in the list.
    """

    window: int = 2
    refill_needs_token: bool = True
    deletion_removes_token: bool = True
    deletion_uses_cutoff: bool = True
    append_adds_undrained: bool = True
    only_readers_create_lists: bool = True
    seals_name_a_generation: bool = True
    failed_appends_are_retried: bool = True
    new_server_starts_generation: bool = True
    loss_lasts_until_drained: bool = True


class ViolationError(AssertionError):
    """A reader's result lacks an exchange or has a deleted exchange."""


def newest(exchanges: Exchanges, maximum: int) -> Exchanges:
    """Return the newest exchanges, at most `maximum`."""
    return frozenset(sorted(exchanges)[-maximum:])


class Model:
    """The steps of each kind of process."""

    def __init__(self, rules: Protocol) -> None:
        self.rules = rules

    # --- the scripts ---

    def with_merged(self, cached: CachedList | None, exchanges: Exchanges) -> CachedList | None:
        """Return the list after a writer's merge, as `merge.lua` makes it."""
        if cached is None:
            if self.rules.only_readers_create_lists:
                return None
            cached = CachedList(seal=1, is_first=True)
        union = cached.entries | exchanges
        newest_entries = newest(union, self.rules.window)
        if cached.seal and not cached.is_first and min(newest_entries, default=0) < min(cached.entries, default=0):
            return CachedList(newest_entries)
        return replace(cached, entries=newest_entries, is_first=cached.is_first and newest_entries == union)

    def without_deleted(self, cached: CachedList | None, cutoff: int) -> CachedList | None:
        """Return the list after a deletion, as `merge.lua` makes it."""
        if cached is None:
            return None
        if not self.rules.deletion_uses_cutoff:
            return None
        entries = frozenset(each for each in cached.entries if each > cutoff)
        if not entries:
            return None if self.rules.deletion_removes_token else replace(cached, entries=entries)
        token = _NO_READER if self.rules.deletion_removes_token else cached.token
        return replace(cached, entries=entries, token=token)

    def is_complete(self, cached: CachedList, generation: int) -> bool:
        """Return whether a reader accepts the list as complete."""
        if self.rules.seals_name_a_generation and cached.seal != generation:
            return False
        return bool(cached.seal) and (cached.is_first or len(cached.entries) >= self.rules.window)

    # --- processes ---

    def read(self, world: World, process: Process, next_step: str) -> Iterator[tuple[World, Process]]:
        """Run a step of a reader, which reads the list first and then the rest of Redis' data."""
        redis = world.redis
        match process.step:
            case "list":
                required, forbidden = world.accepted - world.refused, world.deleted
                cached = redis.cached
                if cached is None:
                    cached = CachedList(token=process.name)
                elif not self.is_complete(cached, process.known_generation) and cached.token == _NO_READER:
                    cached = replace(cached, seal=0, is_first=False, token=process.name)
                yield (
                    replace(world, redis=replace(redis, cached=cached)),
                    replace(process, step="rest", cached=cached, required=required, forbidden=forbidden),
                )
            case "rest":
                is_new_server = self.rules.new_server_starts_generation and redis.generation_server != redis.server
                if is_new_server:
                    new_generation = world.generations + 1
                    after = replace(redis, generation=new_generation, generation_server=redis.server)
                    yield (
                        replace(
                            world,
                            redis=after,
                            generations=new_generation,
                            may_have_lost=True,
                            queued_at_loss=world.queue,
                        ),
                        replace(process, step="list", known_generation=new_generation),
                    )
                elif redis.generation != process.known_generation:
                    yield world, replace(process, step="list", known_generation=redis.generation)
                else:
                    step = (
                        "show"
                        if process.cached and self.is_complete(process.cached, process.known_generation)
                        else "queue"
                    )
                    yield world, replace(process, step=step, undrained=redis.undrained, cutoff=redis.cutoff)
            case _:
                yield from self.read_window(world, process, next_step)

    def read_window(self, world: World, process: Process, next_step: str) -> Iterator[tuple[World, Process]]:
        """Run a step of a reader without a sealed list: read PostgreSQL's window, refill the list, check the result."""
        match process.step:
            case "queue":
                yield world, replace(process, step="window", is_degraded=world.may_have_lost and bool(world.queue))
            case "window":
                window = newest(world.stored, self.rules.window)
                yield (
                    world,
                    replace(
                        process, step="refill", window=window, is_all=window == world.stored, stored_cutoff=world.cutoff
                    ),
                )
            case "refill":
                yield self.refill(world, process), replace(process, step="show")
            case _:
                self.check(world, process)
                yield world, Process(process.kind, process.name, next_step, process.exchange, process.known_generation)

    def refill(self, world: World, process: Process) -> World:
        """Refill the list, if the reader's token is still in it."""
        redis, seen = world.redis, process.cached
        cutoff = max(process.cutoff, process.stored_cutoff)
        undrained = frozenset(each for each in process.undrained if each > cutoff)
        cached = redis.cached
        after = replace(redis, cutoff=max(redis.cutoff, process.stored_cutoff))
        has_token = (
            cached is not None and seen is not None and cached.token != _NO_READER and cached.token == seen.token
        )
        if process.is_degraded or (self.rules.refill_needs_token and not has_token):
            return replace(world, redis=after)
        entries = NONE if cached is None else cached.entries
        union = frozenset(each for each in entries | process.window | undrained if each > cutoff)
        newest_entries = newest(union, self.rules.window)
        sealed = CachedList(
            newest_entries, process.known_generation, is_first=process.is_all and newest_entries == union
        )
        return replace(world, redis=replace(after, cached=sealed))

    def check(self, world: World, process: Process) -> None:
        """Compare a reader's result with the guarantees.

        Raises:
            ViolationError: The result lacks an exchange or has a deleted exchange.
        """
        cached = process.cached or CachedList()
        cutoff = max(process.cutoff, process.stored_cutoff)
        uncached = NONE if self.is_complete(cached, process.known_generation) else process.window | process.undrained
        known_exchanges = cached.entries | uncached
        result = newest(frozenset(each for each in known_exchanges if each > cutoff), self.rules.window)
        deleted_since = max(world.cutoff, world.redis.cutoff)
        required = frozenset(each for each in process.required if each > deleted_since)
        has_whole_thread = len(result) < self.rules.window
        lacking = {each for each in required - result if has_whole_thread or each > min(result)}
        if lacking and not process.is_degraded:
            raise ViolationError(f"{process.name} gets {sorted(result)} without {sorted(lacking)}")
        if result & process.forbidden:
            raise ViolationError(f"{process.name} gets the deleted {sorted(result & process.forbidden)}")

    def append_exchange(self, world: World, process: Process) -> Iterator[tuple[World, Process]]:
        """Run a step of a turn that stores its exchange."""
        redis, exchange = world.redis, process.exchange
        appended = frozenset({exchange})
        match process.step:
            case "send":
                yield replace(world, queue=world.queue | appended), replace(process, step="undrained")
            case "undrained":
                undrained = redis.undrained | appended if self.rules.append_adds_undrained else redis.undrained
                yield replace(world, redis=replace(redis, undrained=undrained)), replace(process, step="merge")
                if world.refusals:
                    refused = world.refused | appended
                    yield (
                        replace(
                            world, refusals=world.refusals - 1, accepted=world.accepted | appended, refused=refused
                        ),
                        Process(process.kind, process.name, "retry", known_generation=process.known_generation),
                    )
            case "merge":
                after = replace(redis, cached=self.with_merged(redis.cached, appended))
                yield replace(world, redis=after), replace(process, step="tombstone")
            case "tombstone":
                if exchange <= redis.cutoff:
                    cached = None if redis.cached is None else self.without_deleted(redis.cached, redis.cutoff)
                    after = replace(redis, cached=cached, undrained=redis.undrained - appended)
                    yield replace(world, redis=after), replace(process, step="end")
                else:
                    yield replace(world, accepted=world.accepted | appended), replace(process, step="end")
            case _:
                # Redis refused the process' append. This step is the process' next call, which repeats the append.
                new_generation = world.generations + 1
                after = replace(
                    redis,
                    generation=new_generation,
                    undrained=redis.undrained | world.refused,
                    cached=self.with_merged(redis.cached, world.refused),
                )
                if not self.rules.failed_appends_are_retried:
                    after, new_generation = redis, world.generations
                yield (
                    replace(world, redis=after, generations=new_generation, refused=NONE),
                    replace(process, step="end"),
                )

    def drain(self, world: World, process: Process) -> Iterator[tuple[World, Process]]:
        """Run a step of the drain. It updates PostgreSQL, then the list and the undrained exchanges, then the queue."""
        redis = world.redis
        match process.step:
            case "store":
                for batch in {world.queue, *(frozenset({each}) for each in world.queue)} - {NONE}:
                    alive = frozenset(each for each in batch if each > world.cutoff)
                    yield (
                        replace(world, stored=world.stored | alive),
                        replace(process, step="list", window=batch, undrained=alive),
                    )
            case "list":
                after = replace(
                    redis,
                    cached=self.with_merged(redis.cached, process.undrained) if process.undrained else redis.cached,
                )
                yield replace(world, redis=after), replace(process, step="cut")
            case "cut":
                is_late = any(each <= redis.cutoff for each in process.undrained)
                cached = self.without_deleted(redis.cached, redis.cutoff) if is_late else redis.cached
                after = replace(redis, cached=cached, undrained=redis.undrained - process.window)
                yield replace(world, redis=after), replace(process, step="delete")
            case _:
                refused = world.refused - process.window
                yield replace(world, queue=world.queue - process.window, refused=refused), replace(process, step="end")

    def delete(self, world: World, process: Process) -> Iterator[tuple[World, Process]]:
        """Run a step of a deletion. It updates PostgreSQL, the tombstone, the list, and the undrained exchanges."""
        redis = world.redis
        match process.step:
            case "store":
                entries = redis.cached.entries if redis.cached else NONE
                cutoff = max([0, *world.stored, *entries, *redis.undrained])
                stored = frozenset(each for each in world.stored if each > cutoff)
                yield (
                    replace(world, stored=stored, cutoff=max(world.cutoff, cutoff)),
                    replace(process, step="tombstone", cutoff=cutoff),
                )
            case "tombstone":
                after = replace(redis, cutoff=max(redis.cutoff, process.cutoff))
                yield replace(world, redis=after), replace(process, step="list")
            case "list":
                after = replace(redis, cached=self.without_deleted(redis.cached, process.cutoff))
                yield replace(world, redis=after), replace(process, step="undrained")
            case _:
                is_exact = self.rules.deletion_uses_cutoff
                undrained = frozenset(each for each in redis.undrained if is_exact and each > process.cutoff)
                deleted_range = frozenset(range(1, process.cutoff + 1))
                yield (
                    replace(
                        world,
                        redis=replace(redis, undrained=undrained),
                        accepted=world.accepted - deleted_range,
                        deleted=world.deleted | deleted_range,
                    ),
                    replace(process, step="end"),
                )

    def steps(self, world: World, process: Process) -> Iterator[tuple[World, Process]]:
        """Return the possible results of the process' next step."""
        if process.step == "end":
            return iter(())
        if process.kind == "drain":
            return self.drain(world, process)
        if process.kind == "deletion":
            return self.delete(world, process)
        if process.kind != "drain" and process.step in {"list", "rest", "queue", "window", "refill", "show"}:
            return self.read(world, process, "send" if process.kind == "turn" else "end")
        return self.append_exchange(world, process)

    def losses(self, world: World) -> Iterator[World]:
        """Yield the state after each loss of data that can happen in Redis now."""
        redis = world.redis
        if world.evictions and redis.cached is not None:
            after = replace(world, evictions=world.evictions - 1)
            yield replace(after, redis=replace(redis, cached=None))
            # Redis counts this eviction, and a reader detects it by the counter.
            evicted = replace(redis, cached=None, undrained=NONE)
            yield replace(after, redis=evicted, may_have_lost=True, queued_at_loss=world.queue)
        if world.flushes:
            server = redis.server + 1
            empty = Redis(generation=0, server=server, generation_server=0)
            yield replace(world, redis=empty, flushes=world.flushes - 1, may_have_lost=True, queued_at_loss=world.queue)
        if world.snapshots and world.saved is None:
            yield replace(world, saved=redis)
        if world.snapshots and world.saved is not None:
            restored = replace(world.saved, server=redis.server + 1)
            yield replace(world, redis=restored, saved=None, snapshots=world.snapshots - 1)

    def time_passes(self, world: World) -> Iterator[World]:
        """Yield the state in which a loss is over: all messages that were queued at its time are drained."""
        is_drained = not world.queued_at_loss & world.queue
        if world.may_have_lost and (is_drained or not self.rules.loss_lasts_until_drained):
            yield replace(world, may_have_lost=False, queued_at_loss=NONE)


def explore(world: World, processes: tuple[Process, ...], rules: Protocol, limit: int) -> int:
    """Visit every reachable state, up to a limit. Return the number of visited states.

    Raises:
        ViolationError: A guarantee does not hold in a state. The error's notes have the steps to this state.
    """
    model = Model(rules)
    start = world, processes
    previous_states: dict[object, object] = {start: None}
    pending_states: deque[tuple[World, tuple[Process, ...]]] = deque([start])
    while pending_states and len(previous_states) < limit:
        state = pending_states.pop()
        world, processes = state
        next_states: list[tuple[World, tuple[Process, ...]]] = [(lost, processes) for lost in model.losses(world)]
        next_states += [(later, processes) for later in model.time_passes(world)]
        for index, process in enumerate(processes):
            try:
                results = list(model.steps(world, process))
            except ViolationError as violation:
                _add_path(violation, previous_states, state)
                raise
            next_states += [
                (after, (*processes[:index], next_process, *processes[index + 1 :])) for after, next_process in results
            ]
        if not next_states and world.redis.server == 1:
            _check_rest(world, previous_states, state)
        for each in next_states:
            if each not in previous_states:
                previous_states[each] = state
                pending_states.append(each)
    return len(previous_states)


def _check_rest(world: World, previous_states: dict[object, object], state: object) -> None:
    entries = world.redis.undrained | (world.redis.cached.entries if world.redis.cached else NONE)
    if remaining := entries & world.deleted:
        violation = ViolationError(f"{sorted(remaining)} was deleted but is still in Redis")
        _add_path(violation, previous_states, state)
        raise violation


def _add_path(violation: ViolationError, previous_states: dict[object, object], state: object) -> None:
    path = []
    current: object = state
    while current is not None:
        path.append(current)
        current = previous_states[current]
    for each in reversed(path):
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
