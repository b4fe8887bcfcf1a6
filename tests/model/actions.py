"""The actions of callers, servers and other processes. Each action has its own checks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from hypothesis import note

from shared.errors import ExchangeNotFound, IdempotencyConflict, StoreUnavailable, ThreadNotFound
from shared.idempotency import serving_key
from shared.ids import ExchangeIds, is_time_ordered, milliseconds_of
from shared.memory.exchanges import Exchanges
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.models import ExchangeTexts
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
from tests.model.faults import Fault
from tests.model.ledger import Entry, Ledger
from tests.model.queue import SqsMessage
from tests.model.world import SKEWS, WINDOW, World

THREADS = 3
# Callers create ids up to ten minutes ahead of the clock, and later ids follow them. This is the limit in seconds.
_MAX_NAMED_AHEAD = 700
POISON = '{"version":1,"exchange_id":"no id"}'
# The actions of another process during an operation, and the number of the call before which they happen.
Meanwhile = tuple[int, list[str]] | None


@dataclass(eq=False)
class StartedTurn:
    """A turn whose context is loaded and whose exchange is not stored yet.

    Attributes:
        losses: How often Redis had lost deletions when the context was loaded.
        is_deletion_unknown: Whether the turn could not know a deletion of the thread: Redis did not have the deletion,
            and PostgreSQL did not respond.
    """

    turn: Turn
    thread: str
    memory: Memory
    shown: list[Shown]
    losses: int = 0
    is_deletion_unknown: bool = False


class Actions:
    """Runs actions on the system under test, and records in the ledger what the callers know."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = Ledger()
        self.storing: Entry | None = None
        self.poison = 0
        # How often Redis has lost deletions.
        self.losses = 0
        self.is_sound = True
        # The exchange and the text of the answered request, for each key.
        self.answered: dict[str, tuple[Entry, str]] = {}
        self._names: dict[tuple[str, int], UUID] = {}
        world.begin()

    # - names ---

    def thread(self, number: int) -> str:
        """Return a thread's name. The first two threads belong to one user. The third thread is anonymous."""
        return f"{self.world.prefix}-t{number}"

    def user(self, thread: str) -> str | None:
        """Return the owner of a thread."""
        return None if thread.endswith("t2") else f"{self.world.prefix}-u"

    @property
    def all_threads(self) -> list[str]:
        """Return every thread."""
        return [self.thread(number) for number in range(THREADS)]

    def name(self, kind: tuple[str, int] | None) -> UUID | None:
        """Return an id that a caller chooses for an exchange. Equal kinds have equal ids."""
        if kind is None:
            return None
        if kind not in self._names:
            shift = {"7 past": -3600, "7 ahead": 600}.get(kind[0], 0)
            made = ExchangeIds().new(now=time.time() + shift)
            self._names[kind] = made if kind[0] != "4" else UUID(int=made.int & ~(0xF << 76) | 4 << 76)
        return self._names[kind]

    @contextmanager
    def during(self, place: int, thread: str, fault: Fault | None, meanwhile: Meanwhile) -> Iterator[None]:
        """Inject a fault and run another process' actions during the block."""
        self.world.faults.struck.clear()
        act: tuple[int, Callable[[], None]] | None = None
        if meanwhile is not None:
            other, actions = (place + 1) % len(SKEWS), meanwhile[1]
            act = meanwhile[0], lambda: self.do_all(actions, other, thread)
        with self.recording_failure(), self.world.faults.during(fault, act):
            yield

    @contextmanager
    def recording_failure(self) -> Iterator[None]:
        """Set `is_sound` to false if the block raises an exception, because a check has then failed."""
        self.is_sound, was_sound = False, self.is_sound
        yield
        self.is_sound = was_sound

    def do_all(self, actions: list[str], place: int, thread: str) -> None:
        """Run several actions of another process."""
        for action in actions:
            self.do(action, place, thread)

    def do(self, action: str, place: int, thread: str) -> None:
        """Run one action of another process, without a fault."""
        note(f"   meanwhile: {action} by {place}")
        if action == "drain":
            self.deliver(list(self.world.queue.waiting), is_killed=False)
        elif action == "say":
            self.keep(self.load_context(place, thread), None)
        elif action == "recall":
            self.load_context(place, thread)
        elif action == "evict":
            self.world.client.delete(f"thread:{thread}:messages")
        elif action == "restart":
            self.restart(really=False)
        elif action == "delete":
            self.delete(place, thread)
        elif action == "replace":
            self.replace(place, self.entry(thread, -1))
        elif action == "remove":
            self.remove(place, self.entry(thread, -1))
        elif action == "sweep":
            self.world.sweep.run()

    # - actions, for rules and for other processes ---

    def load_context(self, place: int, thread: str) -> StartedTurn:
        """Load a turn's context and check it."""
        memory = self.world.sandboxes[place]
        before = Before.now(self.ledger, thread, memory)
        turn = Turn(memory, thread, self.user(thread))
        is_deletion_cached = self.world.is_deletion_cached(thread, self.user(thread))
        recall = turn.recall()
        note(f"   {thread} by {place}: {[m.content for m in recall.messages[::2]]} {recall.source} {recall.degraded}")
        shown = check_recall(self.world, self.ledger, thread, recall, memory, before)
        is_deletion_unknown = "postgres" in recall.degraded and not is_deletion_cached
        return StartedTurn(turn, thread, memory, shown, self.losses, is_deletion_unknown)

    def keep(self, started: StartedTurn, name: UUID | None) -> tuple[Entry, str]:
        """Store a turn's exchange, check its position, and return its entry and text."""
        was_named = any(entry.name == name for entry in self.ledger.of(started.thread)) if name else False
        entry, text = self.ledger.say(started.thread, name, started.memory)
        outer, self.storing = self.storing, entry
        try:
            receipt = started.turn.keep(f"u {text}", f"a {text}", exchange_id=name)
        finally:
            self.storing = outer
        note(f"   {text} {receipt}")
        entry.answered(receipt)
        if receipt.durability != "none":
            self.allow_loss_by_deletion(entry, started, text, is_dated_by_caller=bool(name and is_time_ordered(name)))
        if was_named or receipt.durability == "none" or (name and is_time_ordered(name)):
            return entry, text
        order = self.world.order_of(text)
        if not self.world.faults.struck and not self.world.faults.down:
            self.check_date(order, text)
        late = [one for one in started.shown if one.order >= order]
        if late:
            violated("Causal", f"{text} at {order} was told {late}")
        return entry, text

    def check_date(self, order: UUID, text: str) -> None:
        """Check the time of an id that was created while all stores responded.

        The time must be the current time, even if one of the three clocks is wrong.
        """
        ahead = milliseconds_of(order) / 1000 - time.time()
        if not -60 < ahead < _MAX_NAMED_AHEAD:
            violated("Causal", f"{text} is dated {ahead:.0f} s ahead, and two of three clocks are right")

    def allow_loss_by_deletion(
        self, entry: Entry, started: StartedTurn, text: str, *, is_dated_by_caller: bool
    ) -> None:
        """Record that an earlier deletion may remove this exchange.

        Either the caller's id has a time before the deletion, or the process could not know the deletion and its clock
        was behind.
        """
        is_blind = "redis" in self.world.faults.struck or started.is_deletion_unknown or started.losses != self.losses
        if entry.fate == "live" and (is_dated_by_caller or is_blind):
            cutoffs = self.world.cutoffs([started.thread], [self.user(started.thread) or ""])
            if str(self.world.order_of(text)) <= max(cutoffs.values(), default=""):
                entry.fate = "unsure"
        if entry.fate == "live" and self.world.is_removed(started.thread, entry.exchange_id):
            entry.fate = "unsure"

    def deliver(self, sqs_messages: list[SqsMessage], *, is_killed: bool) -> None:
        """Let the sync function drain messages. A killed function reports no result."""
        event = self.world.queue.receive(sqs_messages)
        if not event:
            return
        outcome = self.world.drain.run(event)
        note(f"   drained {outcome}")
        if not is_killed:
            self.world.queue.delete(sqs_messages, outcome.failed)
        bodies = [sqs_message.body for sqs_message in sqs_messages if sqs_message.name not in outcome.failed]
        if not outcome.is_cache_behind:
            for entry in self.ledger.entries:
                texts = entry.texts if entry.awaited is None else {entry.awaited}
                if any(f'"u {text}"' in body for body in bodies for text in texts):
                    entry.is_missing_in_cache, entry.awaited = False, None

    def is_ahead(self, entry: Entry) -> bool:
        """Return whether the entry's order key is after the current time."""
        orders = [e.order for e in self.world.sent if e.user_message[2:] in entry.texts and e.thread_id == entry.thread]
        return any(milliseconds_of(order) > time.time() * 1000 for order in orders)

    def outbox(self) -> str:
        """Return the contents of L1's outbox."""
        return "".join(str(body) for body in self.world.client.lrange("outbox:exchanges", 0, -1))

    def restart(self, *, really: bool) -> None:
        """Empty Redis and record the losses."""
        self.losses += 1
        in_outbox = self.outbox()
        self.world.restart_valkey(really=really)
        for entry in self.lose(self.all_threads):
            entry.is_lost = entry.is_lost or any(f'"u {text}"' in in_outbox for text in entry.texts)
            entry.was_lost = True

    def restore(self) -> None:
        """Replace Redis by another server with an older state, and record the losses."""
        in_outbox = self.outbox()
        self.world.restore_snapshot()
        self.losses += 1
        restored = self.outbox()
        for entry in self.lose(self.all_threads, restored):
            entry.is_lost = entry.is_lost or any(f'"u {text}"' in in_outbox for text in entry.texts)
            entry.was_lost = True
        for entry in self.ledger.entries:
            if any(f'"u {text}"' in restored for text in entry.texts):
                # The restored outbox has this exchange again.
                entry.is_lost = False

    def run_once(self, place: int, thread: str, number: int) -> None:
        """Send a request with an `Idempotency-Key`, possibly a repeated one."""
        name = hashlib.sha256(f"{thread} {number}".encode()).hexdigest()
        keys = self.world.keys(place)
        try:
            claim = keys.claim_hashed(name, b"{}", ExchangeIds().new())
        except (IdempotencyConflict, StoreUnavailable) as error:
            note(f"   {error}")
            return
        if claim.replayed is not None:
            note(f"   replayed {claim.replayed}")
            return
        if name in self.answered and not self.is_gone(*self.answered[name]):
            violated("Idempotent", f"a key ran again whose request had said {self.answered[name][1]}")
        started = self.load_context(place, thread)
        with serving_key(claim.keyed):
            self.answered[name] = self.keep(started, claim.exchange_id)
        claim.complete({"response": "done", "thread_id": thread, "exchange_id": str(claim.exchange_id)})

    def is_gone(self, entry: Entry, text: str) -> bool:
        """Return whether no store needs to have an exchange and its key.

        This is so if no store accepted the exchange, if only a lost outbox had it, or if it is a dead letter.
        """
        if entry.durability == "none" or (entry.durability == "redis" and entry.was_lost):
            return True
        return any(f'"u {text}"' in sqs_message.body for sqs_message in self.world.queue.dead)

    def lose(self, threads: list[str], in_outbox: str = "") -> list[Entry]:
        """Record that L1 has lost these threads. Return the exchanges that neither L2, the queue nor the outbox has."""
        waiting = in_outbox + "".join(sqs_message.body for sqs_message in self.world.queue.waiting)
        stored = {row.content[2:] for row in self.world.rows(threads)}
        nowhere = []
        for entry in self.ledger.entries:
            if entry.thread not in threads:
                continue
            current = entry.texts if entry.awaited is None else {entry.awaited}
            entry.was_flushed = not current & stored
            if entry.was_flushed and not any(f'"u {text}"' in waiting for text in current):
                entry.is_missing_in_cache = entry.is_forgotten = True
                nowhere.append(entry)
        return nowhere

    def delete(self, place: int, thread: str) -> None:
        """Delete a thread."""
        self._deleting([thread], lambda: Threads(self.world.sandboxes[place]).delete(thread))

    def delete_user(self, place: int) -> None:
        """Delete all data of a user."""
        users, user = Users(self.world.sandboxes[place]), self.user(self.thread(0))
        self._deleting(self.all_threads[:2], lambda: users.forget(str(user)))

    def _deleting(self, wanted: list[str], act: Callable[[], None]) -> None:
        beside = self.storing
        for entry in self.ledger.entries:
            # A deletion includes exchanges up to the current time and exchanges that it reads. It does not include an
            # exchange with an id from the future that is only in the queue.
            is_hidden = entry.is_missing_in_cache or entry.was_flushed
            if entry.thread in wanted and entry.fate != "erased" and is_hidden and self.is_ahead(entry):
                entry.fate, entry.is_beyond = "unsure", True
        said_before = list(self.ledger.entries)
        # While the deletion runs, a reader may see the exchanges or not.
        self.ledger.delete(said_before, wanted, is_complete=False, beside=beside)
        is_complete = True
        try:
            act()
        except ThreadNotFound:
            note("   not found")
        except StoreUnavailable as error:
            note(f"   {error}")
            is_complete = False
        if is_complete:
            self.ledger.delete(said_before, wanted, is_complete=True, beside=beside)
        for entry in self.ledger.entries:
            if entry not in said_before and entry.thread in wanted and self._is_reached(entry):
                # This exchange was stored during the deletion, and its order key is before the cutoff.
                entry.fate = "erased" if is_complete and entry is not beside else "unsure"

    def _is_reached(self, entry: Entry) -> bool:
        """Return whether the exchange's order key is up to the cutoff of its thread or its user in PostgreSQL."""
        cutoffs = self.world.cutoffs([entry.thread], [self.user(entry.thread) or ""])
        orders = [e.order for e in self.world.sent if e.user_message[2:] in entry.texts and e.thread_id == entry.thread]
        return bool(orders) and str(orders[-1]) <= max(cutoffs.values(), default="")

    def entry(self, thread: str, number: int) -> Entry | None:
        """Return an exchange of a thread, or None if the thread has no exchange."""
        # If an id was used again after a deletion, take the newest exchange with this id.
        newest = {entry.exchange_id: entry for entry in self.ledger.of(thread) if entry.ids}
        known = [entry for entry in newest.values() if entry is not self.storing]
        return known[number % len(known)] if known else None

    def replace(self, place: int, entry: Entry | None) -> None:
        """Replace an exchange's texts."""
        if entry is None or entry.exchange_id is None:
            return
        memory, text = self.world.sandboxes[place], self.ledger.text()
        before = set(entry.texts)
        entry.replacements += 1
        number = entry.replacements
        was_known = not entry.may_miss(memory) and not entry.was_flushed
        was_erased, was_unclear = entry.fate == "erased", entry.is_unclear
        # While the replacement runs, a reader may see the old or the new text.
        entry.is_unclear = True
        entry.texts.add(text)
        try:
            receipt = Exchanges(memory).replace(
                entry.thread, entry.exchange_id, ExchangeTexts(f"u {text}", f"a {text}")
            )
        except ExchangeNotFound:
            note("   not found")
            entry.is_unclear = was_unclear or entry.replacements != number
            entry.retired.add(text)
            if was_known and entry.fate == "live" and not self.world.faults.struck:
                violated("Replaced", f"{entry} is said not to be there")
        except StoreUnavailable as error:
            note(f"   {error}")
        else:
            note(f"   {text} {receipt}")
            if was_erased:
                violated("Erased", f"{entry} was replaced after its deletion: {receipt}")
            entry.is_unclear = was_unclear or entry.replacements != number
            entry.replaced(receipt, text, before, memory)

    def remove(self, place: int, entry: Entry | None) -> None:
        """Delete an exchange."""
        if entry is None or entry.exchange_id is None:
            return
        exchanges, beside = Exchanges(self.world.sandboxes[place]), self.storing
        was_known = not entry.may_miss(self.world.sandboxes[place]) and not entry.was_flushed
        was_live = entry.fate == "live"
        if was_live:
            entry.fate = "unsure"
        try:
            exchanges.delete(entry.thread, entry.exchange_id)
        except ExchangeNotFound:
            note("   not found")
            # The process has retried the deletion after a lost response, so the exchange may already be deleted.
            gone = self.world.cutoffs([entry.thread], [self.user(entry.thread) or ""])
            is_done = bool(gone) or self.world.is_removed(entry.thread, entry.exchange_id)
            if was_live and was_known and not is_done:
                violated("Erased", f"{entry} is said not to be there")
        except StoreUnavailable as error:
            note(f"   {error}")
        else:
            entry.fate = "erased" if entry is not beside else "unsure"

    def redrive(self) -> None:
        """Move all dead letters back to the queue."""
        for sqs_message in list(self.world.queue.dead):
            self.world.queue.redrive(sqs_message)

    def come_to_rest(self) -> None:
        """Drain and sweep everything, and check the guarantees at rest."""
        for memory in self.world.sandboxes:
            # A process whose exchanges were only in a lost outbox sends them to the queue.
            Turn(memory, self.thread(0), None).recall()
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
        dead = [sqs_message.body for sqs_message in self.world.queue.dead]
        if set(dead) - {POISON} or len(dead) < self.poison:
            violated("Isolated failure", f"of {self.poison} bad messages, the dead-letter queue has {dead}")
        self.check_quiet()

    def check_quiet(self) -> None:
        """Check the guarantees that hold when every exchange is drained."""
        rows = self.world.rows(self.all_threads)
        stored = {(row.thread_id, row.content[2:]) for row in rows}
        for entry in self.ledger.entries:
            entry.is_missing_in_cache = entry.is_forgotten = entry.was_flushed = False
            if entry.fate == "unsure":
                entry.is_beyond = False
                entry.fate = "live" if any((entry.thread, text) in stored for text in entry.texts) else "erased"
            entry.warm_up({text for text in entry.texts if (entry.thread, text) in stored})
        check_stored(self.ledger, rows)
        check_durable(self.ledger, rows)
        if not self.world.was_restored:
            check_same(self.world, self.all_threads, rows)
            check_erased(self.ledger, self.world.everything_cached())
        for place in range(len(SKEWS)):
            for thread in self.all_threads:
                started = self.load_context(place, thread)
                window = [row.content[2:] for row in rows if row.thread_id == thread][::2][-WINDOW:]
                if started.turn.recall().degraded or [one.text for one in started.shown] != window:
                    violated("Whole", f"{started.turn.recall()} after quiet; PostgreSQL has {window}")
        # The reads above have removed old data that a restored Redis had.
        self.world.was_restored = False
        check_same(self.world, self.all_threads, rows)
        check_erased(self.ledger, self.world.everything_cached())
