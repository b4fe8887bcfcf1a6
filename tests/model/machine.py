"""The state machine runs all actions of callers, servers, networks and processes in any order."""

from __future__ import annotations

import time

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from shared.memory.turn import Turn
from tests.model.actions import POISON, Actions, Meanwhile, StartedTurn
from tests.model.checks import Before, check_recall, check_stored, violated
from tests.model.faults import Demoted, Fault, Store
from tests.model.queue import SqsMessage
from tests.model.world import SKEWS, World

STORES: tuple[Store, ...] = ("redis", "postgres", "queue")
places = st.integers(0, len(SKEWS) - 1)
threads = st.sampled_from([0, 0, 0, 1, 2])
faults = st.none() | st.builds(
    Fault,
    st.sampled_from(STORES),
    st.sampled_from([0, 0, 0, 1, 1, 2, 3]),
    st.sampled_from(["before", "after", "part", "twice", "refused"]),
    st.integers(1, 6),
)
actions = st.sampled_from(["drain", "say", "recall", "evict", "restart", "delete", "replace", "remove", "sweep"])
interruptions = st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 6), st.lists(actions, min_size=1, max_size=2)))
# With None, the product creates the id. Otherwise the caller chooses one of few ids, so that ids repeat.
names = st.one_of(st.none(), st.none(), st.tuples(st.sampled_from(["4", "7 past", "7", "7 ahead"]), st.integers(0, 1)))
Name = tuple[str, int] | None


class MemoryMachine(RuleBasedStateMachine):
    """Runs the product and compares it with the ledger of the callers' knowledge.

    Attributes:
        steps: The number of steps of all examples in this process.
    """

    turns = Bundle("turns")
    steps = 0

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.actions = Actions(world)
        self.ledger = self.actions.ledger
        self.has_begun = False

    @rule(place=places, number=threads, kind=names, fault=faults, meanwhile=interruptions)
    def converse(self, place: int, number: int, kind: Name, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Run a complete turn."""
        with self.actions.during(place, self.actions.thread(number), fault, meanwhile):
            self.actions.keep(self.actions.load_context(place, self.actions.thread(number)), self.actions.name(kind))

    @rule(target=turns, place=places, number=threads, fault=faults, meanwhile=interruptions)
    def ask(self, place: int, number: int, fault: Fault | None, meanwhile: Meanwhile) -> StartedTurn:
        """Load the context of a turn."""
        with self.actions.during(place, self.actions.thread(number), fault, meanwhile):
            return self.actions.load_context(place, self.actions.thread(number))

    @rule(started=consumes(turns), kind=names, fault=faults, meanwhile=interruptions)
    def answer(self, started: StartedTurn, kind: Name, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Store the exchange of a turn whose context an earlier step has loaded."""
        with self.actions.during(0, started.thread, fault, meanwhile):
            self.actions.keep(started, self.actions.name(kind))

    @rule(place=places, number=threads, kind=names, fault=faults, meanwhile=interruptions)
    def tell(self, place: int, number: int, kind: Name, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Store a caller's exchange without loading a context."""
        memory, thread = self.world.sandboxes[place], self.actions.thread(number)
        with self.actions.during(place, thread, fault, meanwhile):
            self.actions.keep(
                StartedTurn(Turn(memory, thread, self.actions.user(thread)), thread, memory, [], self.actions.losses),
                self.actions.name(kind),
            )

    @rule(
        chosen=st.lists(st.integers(0, 9), max_size=5, unique=True),
        fault=faults,
        meanwhile=interruptions,
        is_killed=st.booleans(),
    )
    def drain(self, chosen: list[int], fault: Fault | None, meanwhile: Meanwhile, *, is_killed: bool) -> None:
        """Drain the chosen messages in any order. An empty choice drains all messages."""
        waiting = self.world.queue.waiting
        sqs_messages = [waiting[at] for at in chosen if at < len(waiting)] or list(waiting)
        with self.actions.during(0, self.actions.thread(0), fault, meanwhile):
            self.actions.deliver(sqs_messages, is_killed=is_killed)

    @rule(chosen=st.lists(st.integers(0, 20), min_size=1, max_size=3), fault=faults)
    def redeliver(self, chosen: list[int], fault: Fault | None) -> None:
        """Deliver messages that were already drained and deleted from the queue."""
        history = self.world.queue.history
        sqs_messages = [SqsMessage(history[-1 - at].body, "again") for at in chosen if at < len(history)]
        with self.actions.during(0, self.actions.thread(0), fault, None):
            self.actions.deliver(sqs_messages, is_killed=True)

    @rule(fault=faults, meanwhile=interruptions)
    def sweep(self, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Run the scheduled sweep."""
        with self.actions.during(0, self.actions.thread(0), fault, meanwhile):
            note(f"   {self.world.sweep.run()}")

    @rule(number=threads, everything=st.booleans())
    def evict(self, number: int, *, everything: bool) -> None:
        """Expire a thread's list, or evict all of the thread's keys."""
        thread = self.actions.thread(number)
        self.world.client.delete(f"thread:{thread}:messages")
        if everything:
            self.world.client.delete(
                *(f"thread:{thread}:{kind}" for kind in ("pending", "claim", "tombstone", "deleted"))
            )
            # After an eviction, Redis' counter differs from the recorded value.
            if not self.world.is_refusing:
                self.world.client.hincrby("memory:epoch", "evictions", -1)
            self.actions.losses += 1
            self.actions.lose([thread], self.actions.outbox())

    @rule(how=st.integers(0, 99))
    def restart_redis(self, how: int) -> None:
        """Empty Redis. Some examples start a new Redis process, and some also end all connections to PostgreSQL."""
        self.actions.restart(really=how == 99)
        if how % 10 == 9:
            self.world.cut_postgres()

    @rule()
    def snapshot(self) -> None:
        """Save Redis' data. A dump or a replica that lags has this state later."""
        self.world.take_snapshot()

    @rule()
    def restore_older_data(self) -> None:
        """Restart Redis with its dump, or promote the replica."""
        self.actions.restore()

    @rule(is_refusing=st.booleans())
    def refuse_writes(self, *, is_refusing: bool) -> None:
        """Make Redis refuse writes, or accept them again."""
        self.world.refuse_writes(is_refusing=is_refusing)

    @rule(place=places, number=threads, key=st.integers(0, 1), fault=faults, meanwhile=interruptions)
    def run_once(self, place: int, number: int, key: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Send a request with an `Idempotency-Key`, possibly a repeated one."""
        with self.actions.during(place, self.actions.thread(number), fault, meanwhile):
            self.actions.run_once(place, self.actions.thread(number), key)

    @rule(place=places, number=threads, fault=faults, meanwhile=interruptions, is_user=st.booleans())
    def delete(self, place: int, number: int, fault: Fault | None, meanwhile: Meanwhile, *, is_user: bool) -> None:
        """Delete a thread or a user. A fault may interrupt the deletion."""
        with self.actions.during(place, self.actions.thread(number), fault, meanwhile):
            if is_user:
                self.actions.delete_user(place)
            else:
                self.actions.delete(place, self.actions.thread(number))

    @rule(place=places, number=threads, which=st.integers(-4, -1), fault=faults, meanwhile=interruptions)
    def replace_exchange(self, place: int, number: int, which: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Replace an exchange. A fault may interrupt the replacement."""
        thread = self.actions.thread(number)
        with self.actions.during(place, thread, fault, meanwhile):
            self.actions.replace(place, self.actions.entry(thread, which))

    @rule(place=places, number=threads, which=st.integers(-4, -1), fault=faults, meanwhile=interruptions)
    def remove_exchange(self, place: int, number: int, which: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Delete an exchange. A fault may interrupt the deletion."""
        thread = self.actions.thread(number)
        with self.actions.during(place, thread, fault, meanwhile):
            self.actions.remove(place, self.actions.entry(thread, which))

    @rule(down=st.sampled_from([(), (), *((store,) for store in STORES), ("queue", "postgres"), STORES]))
    def set_outages(self, down: tuple[Store, ...]) -> None:
        """Take some stores down until the next change of the outages. The other stores are up."""
        self.world.faults.down.clear()
        self.world.faults.down.update(down)

    @rule(how=st.sampled_from(["ended", "standby", "read only"]))
    def fail_over(self, how: Demoted) -> None:
        """Promote a standby of PostgreSQL behind the same address. `how` is the state of sessions on the old server."""
        self.world.faults.primary += 1
        self.world.faults.demoted = how

    @rule(whose=st.sampled_from([None, None, "redis", "postgres", *range(len(SKEWS))]), days=st.sampled_from([-2, 2]))
    def set_clock(self, whose: Store | int | None, days: int) -> None:
        """Set the clock of one process or store wrong by days. The other clocks are right."""
        self.world.faults.clocks = {} if whose is None else {whose: days * 86_400.0}

    @rule()
    def time_passes(self) -> None:
        """If everything is drained, simulate that all stores were up for 200 seconds since Redis lost data."""
        world = self.world
        is_quiet = not world.queue.waiting and not world.client.exists("outbox:exchanges")
        if is_quiet and world.client.hexists("memory:epoch", "began") and not world.is_refusing:
            world.client.hset("memory:epoch", "began", str(time.time() - 200))
            world.database.execute(
                "insert into drain_health values (1, now() - interval '200 s', now())"
                " on conflict (id) do update set healthy_since = excluded.healthy_since, beat_at = excluded.beat_at"
            )

    @rule(at=st.integers(0, 5))
    def dead_letter_body(self, at: int) -> None:
        """Move a message to the dead-letter queue."""
        waiting = self.world.queue.waiting
        if at >= len(waiting):
            return
        sqs_message = waiting[at]
        self.world.queue.kill(sqs_message)
        for entry in self.ledger.entries:
            texts = entry.texts if entry.awaited is None else {entry.awaited}
            if entry.was_flushed and any(f'"u {text}"' in sqs_message.body for text in texts):
                entry.is_missing_in_cache = entry.is_forgotten = True

    @rule()
    def redrive(self) -> None:
        """Move all dead letters back to the queue."""
        self.actions.redrive()

    @rule()
    def poison(self) -> None:
        """Send an invalid message."""
        self.world.queue.put(POISON)
        self.actions.poison += 1

    @rule(place=st.integers(0, len(SKEWS)))
    def replace(self, place: int) -> None:
        """Replace a process by a new process."""
        if place == len(SKEWS):
            self.world.replace_sync()
        else:
            self.world.replace_sandbox(place)

    @rule()
    def check_at_rest(self) -> None:
        """Drain and sweep everything with all stores up. Check that every guarantee then holds without exceptions."""
        self.world.refuse_writes(is_refusing=False)
        self.world.faults.down.clear()
        self.world.faults.clocks.clear()
        with self.world.faults.during(None):
            self.actions.come_to_rest()

    # --- invariants ---

    @invariant()
    def holds(self) -> None:
        """Check the guarantees after every step with a new process that only reads."""
        if self.has_begun:
            type(self).steps += 1
        self.has_begun = True
        with self.actions.recording_failure():
            self.check_contents()

    def check_contents(self) -> None:
        """Check L2's contents and the context that a new process loads for each thread."""
        check_stored(self.ledger, self.world.rows(self.actions.all_threads))
        if self.world.queue.near_max_receives:
            violated("Isolated failure", f"{self.world.queue.near_max_receives} was given up")
        for thread in sorted({entry.thread for entry in self.ledger.entries}):
            before = Before.now(self.ledger, thread, None)
            recall = Turn(self.world.observer, thread, None).recall()
            check_recall(self.world, self.ledger, thread, recall, None, before)

    def teardown(self) -> None:
        """Check every example at rest at its end, unless the example has failed."""
        if self.actions.is_sound:
            self.check_at_rest()
