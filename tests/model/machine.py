"""The state machine runs all actions of callers, servers, networks and processes in any order."""

from __future__ import annotations

import time

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from shared.memory.turn import Turn
from tests.model.actions import INVALID_BODY, Actions, Meanwhile, StartedTurn
from tests.model.checks import Expectation, check_context, check_stored, report_violation
from tests.model.faults import DemotedSessions, Fault, Store
from tests.model.learning import Learning
from tests.model.queue import SqsMessage
from tests.model.searches import search
from tests.model.world import CLOCK_OFFSETS, World

STORES: tuple[Store, ...] = ("redis", "postgres", "queue")
processes = st.integers(0, len(CLOCK_OFFSETS) - 1)
threads = st.sampled_from([0, 0, 0, 1, 2])
faults = st.none() | st.builds(
    Fault,
    st.sampled_from(STORES),
    st.sampled_from([0, 0, 0, 1, 1, 2, 3]),
    st.sampled_from(["before", "after", "part", "twice", "refused"]),
    st.integers(1, 6),
)
actions = st.sampled_from(
    ["drain", "turn", "recall", "evict", "restart", "delete", "replace", "remove", "sweep", "import"]
)
interruptions = st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 6), st.lists(actions, min_size=1, max_size=2)))
# With None, the product creates the id. Otherwise the caller chooses one of few ids, so that ids repeat.
id_kinds = st.one_of(
    st.none(), st.none(), st.tuples(st.sampled_from(["4", "7 past", "7", "7 ahead"]), st.integers(0, 1))
)
IdKind = tuple[str, int] | None


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
        self.learning = Learning(self.actions)
        self.has_run_step = False

    @rule(process=processes, number=threads, kind=id_kinds, fault=faults, meanwhile=interruptions)
    def take_turn(self, process: int, number: int, kind: IdKind, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Run a complete turn."""
        with self.actions.during(process, self.actions.thread(number), fault, meanwhile):
            self.actions.store(
                self.actions.load_context(process, self.actions.thread(number)), self.actions.chosen_id(kind)
            )

    @rule(target=turns, process=processes, number=threads, fault=faults, meanwhile=interruptions)
    def start_turn(self, process: int, number: int, fault: Fault | None, meanwhile: Meanwhile) -> StartedTurn:
        """Load the context of a turn."""
        with self.actions.during(process, self.actions.thread(number), fault, meanwhile):
            return self.actions.load_context(process, self.actions.thread(number))

    @rule(started=consumes(turns), kind=id_kinds, fault=faults, meanwhile=interruptions)
    def finish_turn(self, started: StartedTurn, kind: IdKind, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Store the exchange of a turn whose context an earlier step has loaded."""
        with self.actions.during(0, started.thread, fault, meanwhile):
            self.actions.store(started, self.actions.chosen_id(kind))

    @rule(process=processes, number=threads, kind=id_kinds, fault=faults, meanwhile=interruptions)
    def store_exchange(
        self, process: int, number: int, kind: IdKind, fault: Fault | None, meanwhile: Meanwhile
    ) -> None:
        """Store a caller's exchange without loading a context."""
        memory, thread = self.world.memories[process], self.actions.thread(number)
        with self.actions.during(process, thread, fault, meanwhile):
            self.actions.store(
                StartedTurn(
                    Turn(memory, thread, self.actions.user(thread)), thread, memory, [], self.actions.deletion_losses
                ),
                self.actions.chosen_id(kind),
            )

    @rule(
        process=processes,
        number=threads,
        kind=id_kinds,
        hours=st.sampled_from([-3, -2, -1, -1, 0]),
        fault=faults,
        meanwhile=interruptions,
    )
    def import_exchange(
        self, process: int, number: int, kind: IdKind, hours: int, fault: Fault | None, meanwhile: Meanwhile
    ) -> None:
        """Import an exchange."""
        thread = self.actions.thread(number)
        with self.actions.during(process, thread, fault, meanwhile):
            self.actions.import_exchange(process, thread, self.actions.chosen_id(kind), hours)

    @rule(
        chosen=st.lists(st.integers(0, 9), max_size=5, unique=True),
        fault=faults,
        meanwhile=interruptions,
        is_killed=st.booleans(),
    )
    def drain(self, chosen: list[int], fault: Fault | None, meanwhile: Meanwhile, *, is_killed: bool) -> None:
        """Drain the chosen messages in any order. An empty choice drains all messages."""
        waiting = self.world.queue.waiting
        sqs_messages = [waiting[index] for index in chosen if index < len(waiting)] or list(waiting)
        with self.actions.during(0, self.actions.thread(0), fault, meanwhile):
            self.actions.deliver(sqs_messages, is_killed=is_killed)

    @rule(chosen=st.lists(st.integers(0, 20), min_size=1, max_size=3), fault=faults)
    def redeliver(self, chosen: list[int], fault: Fault | None) -> None:
        """Deliver messages that were already drained and deleted from the queue."""
        history = self.world.queue.history
        sqs_messages = [SqsMessage(history[-1 - index].body, "again") for index in chosen if index < len(history)]
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
            # After an eviction, Redis' counter differs from the recorded value. Here the recorded value is lowered.
            if not self.world.is_refusing:
                self.world.client.hincrby("memory:epoch", "evictions", -1)
            self.actions.deletion_losses += 1
            self.actions.record_loss([thread], self.actions.outbox())

    @rule(how=st.integers(0, 99))
    def restart_redis(self, how: int) -> None:
        """Empty Redis. Some examples start a new Redis process, and some also end all connections to PostgreSQL."""
        self.actions.restart(starts_process=how == 99)
        if how % 10 == 9:
            self.world.end_postgres_sessions()

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

    @rule(process=processes, number=threads, key=st.integers(0, 1), fault=faults, meanwhile=interruptions)
    def send_keyed_request(
        self, process: int, number: int, key: int, fault: Fault | None, meanwhile: Meanwhile
    ) -> None:
        """Send a request with an `Idempotency-Key`, possibly a repeated one."""
        with self.actions.during(process, self.actions.thread(number), fault, meanwhile):
            self.actions.send_keyed_request(process, self.actions.thread(number), key)

    @rule(process=processes, number=threads, fault=faults, meanwhile=interruptions, is_user=st.booleans())
    def delete(self, process: int, number: int, fault: Fault | None, meanwhile: Meanwhile, *, is_user: bool) -> None:
        """Delete a thread or a user. A fault may interrupt the deletion."""
        with self.actions.during(process, self.actions.thread(number), fault, meanwhile):
            if is_user:
                self.actions.delete_user(process)
            else:
                self.actions.delete(process, self.actions.thread(number))

    @rule(process=processes, number=threads, which=st.integers(-4, -1), fault=faults, meanwhile=interruptions)
    def replace_exchange(
        self, process: int, number: int, which: int, fault: Fault | None, meanwhile: Meanwhile
    ) -> None:
        """Replace an exchange. A fault may interrupt the replacement."""
        thread = self.actions.thread(number)
        with self.actions.during(process, thread, fault, meanwhile):
            self.actions.replace(process, self.actions.entry(thread, which))

    @rule(process=processes, number=threads, which=st.integers(-4, -1), fault=faults, meanwhile=interruptions)
    def remove_exchange(self, process: int, number: int, which: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Delete an exchange. A fault may interrupt the deletion."""
        thread = self.actions.thread(number)
        with self.actions.during(process, thread, fault, meanwhile):
            self.actions.remove(process, self.actions.entry(thread, which))

    @rule(process=processes, number=threads, which=st.integers(-4, -1), fault=faults, meanwhile=interruptions)
    def search(self, process: int, number: int, which: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Search an exchange by its words. A fault may interrupt the search."""
        thread = self.actions.thread(number)
        with self.actions.during(process, thread, fault, meanwhile):
            search(self.actions, self.world.memories[process], self.actions.entry(thread, which))

    @rule(number=threads, fault=faults, meanwhile=interruptions)
    def learn(self, number: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Learn from a thread, perhaps beside other processes. A fault may interrupt it."""
        thread = self.actions.thread(number)
        with self.actions.during(0, thread, fault, meanwhile):
            self.learning.derive(thread)

    @rule(process=processes, which=st.integers(0, 3), fault=faults, meanwhile=interruptions)
    def forget_memory(self, process: int, which: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Delete a memory. A fault may interrupt the deletion."""
        with self.actions.during(process, self.actions.thread(0), fault, meanwhile):
            self.learning.forget(self.world.memories[process], which)

    @rule(process=processes, number=st.integers(0, 1), fault=faults, meanwhile=interruptions)
    def know(self, process: int, number: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """Load what is known about the user, and refill Redis with it."""
        thread = self.actions.thread(number)
        with self.actions.during(process, thread, fault, meanwhile):
            self.learning.check_turn(self.world.memories[process], thread)

    @rule(down=st.sampled_from([(), (), *((store,) for store in STORES), ("queue", "postgres"), STORES]))
    def set_outages(self, down: tuple[Store, ...]) -> None:
        """Take some stores down until the next change of the outages. The other stores are up."""
        self.world.faults.down.clear()
        self.world.faults.down.update(down)

    @rule(how=st.sampled_from(["ended", "standby", "read only"]))
    def fail_over(self, how: DemotedSessions) -> None:
        """Promote a standby of PostgreSQL behind the same address. `how` is the state of sessions on the old server."""
        self.world.faults.primary += 1
        self.world.faults.demoted_sessions = how

    @rule(
        whose=st.sampled_from([None, None, "redis", "postgres", *range(len(CLOCK_OFFSETS))]),
        days=st.sampled_from([-2, 2]),
    )
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

    @rule(index=st.integers(0, 5))
    def dead_letter_message(self, index: int) -> None:
        """Move a message to the dead-letter queue."""
        waiting = self.world.queue.waiting
        if index >= len(waiting):
            return
        sqs_message = waiting[index]
        self.world.queue.move_to_dead_letters(sqs_message)
        for entry in self.ledger.entries:
            texts = entry.texts if entry.queued_text is None else {entry.queued_text}
            if entry.was_lost_undrained and any(f'"u {text}"' in sqs_message.body for text in texts):
                entry.is_missing_in_cache = entry.is_lost_by_cache = True

    @rule()
    def redrive(self) -> None:
        """Move all dead letters back to the queue."""
        self.actions.redrive()

    @rule()
    def send_invalid_message(self) -> None:
        """Send an invalid message."""
        self.world.queue.put(INVALID_BODY)
        self.actions.invalid_messages += 1

    @rule(process=st.integers(0, len(CLOCK_OFFSETS)))
    def replace(self, process: int) -> None:
        """Replace a process by a new process."""
        if process == len(CLOCK_OFFSETS):
            self.world.replace_sync()
        else:
            self.world.replace_process(process)

    @rule()
    def check_at_rest(self) -> None:
        """Drain and sweep everything with all stores up. Check that every guarantee then holds without exceptions."""
        self.world.refuse_writes(is_refusing=False)
        self.world.faults.down.clear()
        self.world.faults.clocks.clear()
        with self.world.faults.during(None):
            self.actions.drain_everything()
            for entry in self.ledger.entries:
                search(self.actions, self.world.observer, entry)
            self.learning.check_at_rest()

    # --- invariants ---

    @invariant()
    def check_guarantees(self) -> None:
        """Check the guarantees after every step with a new process that only reads."""
        if self.has_run_step:
            type(self).steps += 1
        self.has_run_step = True
        with self.actions.recording_failure():
            self.check_contents()

    def check_contents(self) -> None:
        """Check L2's contents and the context that a new process loads for each thread."""
        check_stored(self.ledger, self.world.rows(self.actions.all_threads))
        if self.world.queue.over_received:
            report_violation("Isolated failure", f"{self.world.queue.over_received} was delivered too often")
        for thread in sorted({entry.thread for entry in self.ledger.entries}):
            expected = Expectation.record(self.ledger, thread, None)
            recall = Turn(self.world.observer, thread, None).recall()
            check_context(self.world, self.ledger, thread, recall, None, expected)
        self.learning.check(self.world.observer)

    def teardown(self) -> None:
        """Check every example at rest at its end, unless the example has failed."""
        if self.actions.has_passed:
            self.check_at_rest()
