"""The rules: everything that callers, servers, networks and sandboxes do, in any order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from shared.errors import StoreUnavailable, ThreadNotFound
from shared.ids import ExchangeIds, is_time_ordered, milliseconds_of
from shared.memory.threads import Threads
from shared.memory.turn import Memory, Turn
from shared.memory.users import Users
from tests.model.checks import (
    Before,
    Shown,
    check_durable,
    check_erased,
    check_recall,
    check_same,
    check_stored,
    violated,
)
from tests.model.faults import Fault, Store
from tests.model.ledger import Entry, Ledger
from tests.model.queue import Letter
from tests.model.world import SKEWS, WINDOW, World

STORES: tuple[Store, ...] = ("redis", "postgres", "queue")
THREADS = 3
places = st.integers(0, len(SKEWS) - 1)
threads = st.sampled_from([0, 0, 0, 1, 2])
a_fault = st.builds(
    Fault,
    st.sampled_from(STORES),
    st.sampled_from([0, 0, 0, 1, 1, 2, 3]),
    st.sampled_from(["before", "after", "part", "twice", "refused"]),
    st.integers(1, 6),
)
faults = st.one_of(st.none(), a_fault)
# What another process does in between: before which call of the operation, and what.
meanwhile = st.one_of(
    st.none(),
    st.none(),
    st.tuples(
        st.integers(0, 6),
        st.lists(
            st.sampled_from(["drain", "say", "recall", "evict", "restart", "delete", "sweep"]), min_size=1, max_size=2
        ),
    ),
)
# None: the product names it. Else a name from a small pool, so that it comes again.
names = st.one_of(st.none(), st.none(), st.tuples(st.sampled_from(["4", "7 past", "7", "7 ahead"]), st.integers(0, 1)))
Meanwhile = tuple[int, list[str]] | None


@dataclass(eq=False)
class Begun:
    """A turn that was told the history and has not answered yet."""

    turn: Turn
    thread: str
    memory: Memory
    shown: list[Shown]


class MemoryMachine(RuleBasedStateMachine):
    """Runs the product beside what its callers know."""

    turns = Bundle("turns")
    steps = 0

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.ledger = Ledger()
        self.keeping: Entry | None = None
        world.begin()
        self.names: dict[tuple[str, int], UUID] = {}

    # --- words ---

    def thread(self, number: int) -> str:
        """Return a thread's name; the first two are one user's, the third is nobody's."""
        return f"{self.world.prefix}-t{number}"

    def user(self, thread: str) -> str | None:
        """Return whose a thread is."""
        return None if thread.endswith("t2") else f"{self.world.prefix}-u"

    @property
    def all_threads(self) -> list[str]:
        """Every thread."""
        return [self.thread(number) for number in range(THREADS)]

    def name(self, kind: tuple[str, int] | None) -> UUID | None:
        """Return the caller's name for an exchange: the same for the same kind."""
        if kind is None:
            return None
        if kind not in self.names:
            shift = {"7 past": -3600, "7 ahead": 600}.get(kind[0], 0)
            made = ExchangeIds().new(now=time.time() + shift)
            self.names[kind] = made if kind[0] != "4" else UUID(int=made.int & ~(0xF << 76) | 4 << 76)
        return self.names[kind]

    @contextmanager
    def during(self, place: int, thread: str, fault: Fault | None, meanwhile: Meanwhile) -> Iterator[None]:
        """Let a fault and another process's doing happen in what follows."""
        self.world.faults.struck.clear()
        act: tuple[int, Callable[[], None]] | None = None
        if meanwhile is not None:
            other, doings = (place + 1) % len(SKEWS), meanwhile[1]
            act = meanwhile[0], lambda: [self.do(doing, other, thread) for doing in doings].clear()
        with self.world.faults.during(fault, act):
            yield

    def do(self, doing: str, place: int, thread: str) -> None:
        """Do one thing as another process, without a fault."""
        note(f"   meanwhile: {doing} by {place}")
        if doing == "drain":
            self.deliver(list(self.world.queue.waiting), is_killed=False)
        elif doing == "say":
            self.keep(self.recalled(place, thread), None)
        elif doing == "recall":
            self.recalled(place, thread)
        elif doing == "evict":
            self.world.client.delete(f"thread:{thread}:messages")
        elif doing == "restart":
            self.restart(really=False)
        elif doing == "delete":
            self.delete(place, thread)
        elif doing == "sweep":
            self.world.sweep.run()

    # --- the doings, for rules and for what happens meanwhile ---

    def recalled(self, place: int, thread: str) -> Begun:
        """Have a turn told the history, and check it."""
        memory = self.world.sandboxes[place]
        before = Before.now(self.ledger, thread, memory)
        turn = memory.turn(thread, self.user(thread))
        recall = turn.recall()
        note(f"   {thread} by {place}: {[m.content for m in recall.messages[::2]]} {recall.source} {recall.degraded}")
        shown = check_recall(self.world, self.ledger, thread, recall, memory, before)
        return Begun(turn, thread, memory, shown)

    def keep(self, begun: Begun, name: UUID | None) -> None:
        """Keep a turn's exchange, and check its place."""
        was_named = any(entry.name == name for entry in self.ledger.of(begun.thread)) if name else False
        entry, text = self.ledger.say(begun.thread, name, begun.memory)
        outer, self.keeping = self.keeping, entry
        try:
            receipt = begun.turn.keep(f"u {text}", f"a {text}", exchange_id=name)
        finally:
            self.keeping = outer
        note(f"   {text} {receipt}")
        entry.answered(receipt)
        if receipt.durability != "none":
            self.doubt_deletion(entry, begun, text, is_dated_by_caller=bool(name and is_time_ordered(name)))
        if was_named or receipt.durability == "none" or (name and is_time_ordered(name)):
            return
        order = self.world.order_of(text)
        late = [one for one in begun.shown if one.order >= order]
        if late:
            violated("Causal", f"{text} at {order} was told {late}")

    def doubt_deletion(self, entry: Entry, begun: Begun, text: str, *, is_dated_by_caller: bool) -> None:
        """Take note of an exchange that an earlier deletion may swallow, and whose keeper could not know.

        By the caller's own id it belongs to what was deleted; or neither layer answered, and this clock is behind.
        """
        is_blind = {"redis", "postgres"} <= self.world.faults.struck
        if entry.fate == "live" and (is_dated_by_caller or is_blind):
            cutoffs = self.world.cutoffs([begun.thread], [self.user(begun.thread) or ""])
            if str(self.world.order_of(text)) <= max(cutoffs.values(), default=""):
                entry.fate = "unsure"

    def deliver(self, letters: list[Letter], *, is_killed: bool) -> None:
        """Have the sync function drain messages; a killed one has no time to say which it did."""
        event = self.world.queue.receive(letters)
        if not event:
            return
        outcome = self.world.drain.run(event)
        note(f"   drained {outcome}")
        if not is_killed:
            self.world.queue.delete(letters, outcome.failed)
        bodies = [letter.body for letter in letters if letter.name not in outcome.failed]
        if not outcome.is_cache_behind:
            for entry in self.ledger.entries:
                if any(f'"u {text}"' in body for body in bodies for text in entry.texts):
                    entry.is_unheard = False

    def is_ahead(self, entry: Entry) -> bool:
        """Return whether the entry sorts after now."""
        orders = [e.order for e in self.world.sent if e.user_message[2:] in entry.texts and e.thread_id == entry.thread]
        return any(milliseconds_of(order) > time.time() * 1000 for order in orders)

    def restart(self, *, really: bool) -> None:
        """Empty Redis."""
        in_outbox = "".join(self.world.client.lrange("outbox:exchanges", 0, -1))
        self.world.restart_valkey(really=really)
        waiting = "".join(letter.body for letter in self.world.queue.waiting)
        stored = {row.content[2:] for row in self.world.rows(self.all_threads)}
        for entry in self.ledger.entries:
            entry.was_flushed = not entry.texts & stored
            is_waiting = any(f'"u {text}"' in waiting for text in entry.texts)
            if entry.was_flushed and not is_waiting:
                entry.is_unheard = entry.is_forgotten = True
                entry.is_lost = any(f'"u {text}"' in in_outbox for text in entry.texts)

    def delete(self, place: int, thread: str) -> None:
        """Delete a thread."""
        self._deleting([thread], lambda: Threads(self.world.sandboxes[place]).delete(thread))

    def _deleting(self, wanted: list[str], act: Callable[[], None]) -> None:
        beside = self.keeping
        for entry in self.ledger.entries:
            # A deletion reaches as far as the clock and as what it is shown: not to an id from the future, named by
            # the caller or made after such a one, that is on the queue only.
            is_hidden = entry.is_unheard or entry.was_flushed
            if entry.thread in wanted and entry.fate == "live" and is_hidden and self.is_ahead(entry):
                entry.fate, entry.is_beyond = "unsure", True
        try:
            act()
        except ThreadNotFound:
            note("   not found")
            self.ledger.delete(wanted, is_complete=True, beside=beside)
        except StoreUnavailable as error:
            note(f"   {error}")
            self.ledger.delete(wanted, is_complete=False, beside=beside)
        else:
            self.ledger.delete(wanted, is_complete=True, beside=beside)

    # --- rules ---

    @rule(place=places, number=threads, kind=names, fault=faults, meanwhile=meanwhile)
    def converse(
        self, place: int, number: int, kind: tuple[str, int] | None, fault: Fault | None, meanwhile: Meanwhile
    ) -> None:
        """A whole turn."""
        with self.during(place, self.thread(number), fault, meanwhile):
            self.keep(self.recalled(place, self.thread(number)), self.name(kind))

    @rule(target=turns, place=places, number=threads, fault=faults, meanwhile=meanwhile)
    def ask(self, place: int, number: int, fault: Fault | None, meanwhile: Meanwhile) -> Begun:
        """The first half of a turn."""
        with self.during(place, self.thread(number), fault, meanwhile):
            return self.recalled(place, self.thread(number))

    @rule(begun=consumes(turns), kind=names, fault=faults, meanwhile=meanwhile)
    def answer(self, begun: Begun, kind: tuple[str, int] | None, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """The second half, whatever happened since."""
        with self.during(0, begun.thread, fault, meanwhile):
            self.keep(begun, self.name(kind))

    @rule(place=places, number=threads, kind=names, fault=faults, meanwhile=meanwhile)
    def tell(
        self, place: int, number: int, kind: tuple[str, int] | None, fault: Fault | None, meanwhile: Meanwhile
    ) -> None:
        """An exchange kept by a caller that was told nothing in this turn."""
        memory, thread = self.world.sandboxes[place], self.thread(number)
        with self.during(place, thread, fault, meanwhile):
            self.keep(Begun(memory.turn(thread, self.user(thread)), thread, memory, []), self.name(kind))

    @rule(
        chosen=st.lists(st.integers(0, 9), max_size=5, unique=True),
        fault=faults,
        meanwhile=meanwhile,
        is_killed=st.booleans(),
    )
    def drain(self, chosen: list[int], fault: Fault | None, meanwhile: Meanwhile, is_killed: bool) -> None:
        """Some of the queue, in any order; none chosen is all."""
        waiting = self.world.queue.waiting
        letters = [waiting[at] for at in chosen if at < len(waiting)] or list(waiting)
        with self.during(0, self.thread(0), fault, meanwhile):
            self.deliver(letters, is_killed=is_killed)

    @rule(chosen=st.lists(st.integers(0, 20), min_size=1, max_size=3), fault=faults)
    def redeliver(self, chosen: list[int], fault: Fault | None) -> None:
        """Messages that were drained and deleted before come again."""
        history = self.world.queue.history
        letters = [Letter(history[-1 - at].body, "again") for at in chosen if at < len(history)]
        with self.during(0, self.thread(0), fault, None):
            self.deliver(letters, is_killed=True)

    @rule(fault=faults, meanwhile=meanwhile)
    def sweep(self, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """The schedule."""
        with self.during(0, self.thread(0), fault, meanwhile):
            note(f"   {self.world.sweep.run()}")

    @rule(number=threads, everything=st.booleans())
    def evict(self, number: int, everything: bool) -> None:
        """A list's end of life, or that of everything that Redis has of a thread."""
        thread = self.thread(number)
        self.world.client.delete(f"thread:{thread}:messages")
        if everything:
            self.world.client.delete(*(f"thread:{thread}:{kind}" for kind in ("pending", "claim", "tombstone")))
            stored = {row.content[2:] for row in self.world.rows([thread])}
            for entry in self.ledger.of(thread):
                if not entry.texts & stored:
                    entry.is_unheard = entry.is_forgotten = True

    @rule(how=st.integers(0, 99))
    def restart_redis(self, how: int) -> None:
        """Redis comes back empty; now and then it really is another process, or PostgreSQL ends all connections too."""
        self.restart(really=how == 99)
        if how % 10 == 9:
            self.world.cut_postgres()

    @rule(place=places, number=threads, fault=faults, meanwhile=meanwhile)
    def delete_thread(self, place: int, number: int, fault: Fault | None, meanwhile: Meanwhile) -> None:
        """A deletion, maybe half of it."""
        if meanwhile is not None:
            meanwhile = meanwhile[0], [doing for doing in meanwhile[1] if doing not in {"say", "delete"}]
        with self.during(place, self.thread(number), fault, meanwhile):
            self.delete(place, self.thread(number))

    @rule(place=places, fault=faults)
    def delete_user(self, place: int, fault: Fault | None) -> None:
        """Everything of a user's."""
        user = f"{self.world.prefix}-u"
        with self.during(place, self.thread(0), fault, None):
            self._deleting(self.all_threads[:2], lambda: Users(self.world.sandboxes[place]).forget(user))

    @rule(store=st.sampled_from(STORES))
    def outage(self, store: Store) -> None:
        """A store goes away until further notice."""
        self.world.faults.down.add(store)

    @rule()
    def time_passes(self) -> None:
        """Redis was emptied longer ago: long enough for an empty queue to be believed."""
        if self.world.client.hexists("memory:epoch", "began"):
            self.world.client.hset("memory:epoch", "began", str(time.time() - 100))

    @rule()
    def recovery(self) -> None:
        """All stores are back."""
        self.world.faults.down.clear()

    @rule(at=st.integers(0, 5))
    def bury(self, at: int) -> None:
        """A message ends in the dead-letter queue."""
        waiting = self.world.queue.waiting
        if at >= len(waiting):
            return
        letter = waiting[at]
        self.world.queue.kill(letter)
        for entry in self.ledger.entries:
            if entry.was_flushed and any(f'"u {text}"' in letter.body for text in entry.texts):
                entry.is_unheard = entry.is_forgotten = True

    @rule()
    def redrive(self) -> None:
        """The operator sends everything back."""
        for letter in list(self.world.queue.dead):
            self.world.queue.redrive(letter)

    @rule(place=st.integers(0, len(SKEWS)))
    def replace(self, place: int) -> None:
        """A sandbox ends, and another begins."""
        if place == len(SKEWS):
            self.world.replace_sync()
        else:
            self.world.replace_sandbox(place)

    @rule()
    def quiet(self) -> None:
        """All stores are up, everything is drained and swept: every guarantee holds without an exception."""
        self.world.faults.down.clear()
        with self.world.faults.during(None):
            for _ in range(20):
                self.redrive()
                if self.world.queue.waiting:
                    self.deliver(list(self.world.queue.waiting), is_killed=False)
                swept = self.world.sweep.run()
                if not self.world.queue.waiting and not self.world.client.llen("outbox:exchanges"):
                    break
            else:
                violated("Durable", "the queue or the outbox does not become empty")
            if swept.skipped:
                violated("Durable", f"the sweep skipped {swept.skipped}")
            self.check_quiet()

    def check_quiet(self) -> None:
        """Check what holds once nothing is on its way."""
        rows = self.world.rows(self.all_threads)
        stored = {(row.thread_id, row.content[2:]) for row in rows}
        for entry in self.ledger.entries:
            entry.is_unheard = entry.is_forgotten = entry.was_flushed = False
            if entry.fate == "unsure":
                entry.is_beyond = False
                entry.fate = "live" if any((entry.thread, text) in stored for text in entry.texts) else "erased"
        check_stored(self.ledger, rows)
        check_durable(self.ledger, rows)
        check_same(self.world, self.all_threads, rows)
        check_erased(self.ledger, self.world.everything_cached())
        for place in range(len(SKEWS)):
            for thread in self.all_threads:
                begun = self.recalled(place, thread)
                window = [row.content[2:] for row in rows if row.thread_id == thread][::2][-WINDOW:]
                if begun.turn.recall().degraded or [one.text for one in begun.shown] != window:
                    violated("Whole", f"{begun.turn.recall()} after quiet; PostgreSQL has {window}")
        check_same(self.world, self.all_threads, rows)

    # --- invariants ---

    @invariant()
    def holds(self) -> None:
        """After every step, for whoever was told nothing yet and looks without touching."""
        type(self).steps += 1
        check_stored(self.ledger, self.world.rows(self.all_threads))
        if self.world.queue.worn:
            violated("Isolated failure", f"{self.world.queue.worn} was given up")
        for thread in sorted({entry.thread for entry in self.ledger.entries}):
            before = Before.now(self.ledger, thread, None)
            recall = self.world.observer.turn(thread, None).recall()
            check_recall(self.world, self.ledger, thread, recall, None, before)

    def teardown(self) -> None:
        """End every example in quiet."""
        self.quiet()
