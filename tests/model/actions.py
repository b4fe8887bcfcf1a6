"""The actions of callers, servers and other processes, with their checks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import note

from shared.errors import ExchangeNotFound, IdempotencyConflict, StoreUnavailable, ThreadNotFound
from shared.idempotency import keyed_request_scope
from shared.ids import ExchangeIds, is_time_ordered, milliseconds_of, timestamp_of
from shared.memory.exchanges import Exchanges
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.models import ExchangeTexts
from tests.model.checks import (
    Expectation,
    ListedExchange,
    check_context,
    check_durable,
    check_erased,
    check_same,
    check_stored,
    report_violation,
)
from tests.model.faults import Fault
from tests.model.ledger import Entry, Ledger
from tests.model.queue import SqsMessage
from tests.model.world import CLOCK_OFFSETS, WINDOW, World

THREADS = 3
# The maximum number of seconds that an id is ahead of the clock. Callers create ids up to 600 s ahead, and the next
# ids follow them.
_MAX_SECONDS_AHEAD = 700
INVALID_BODY = '{"version":1,"exchange_id":"no id"}'
# The number of a call of the operation, and the actions that another process runs before this call.
Meanwhile = tuple[int, list[str]] | None


@dataclass(eq=False)
class StartedTurn:
    """A turn whose context is loaded and whose exchange is not stored yet.

    Attributes:
        deletion_losses: The number of times that Redis had lost deletions when the context was loaded.
        is_deletion_unknown: Whether the turn could not know a deletion of the thread: Redis did not have the deletion,
            and PostgreSQL did not respond.
    """

    turn: Turn
    thread: str
    memory: Memory
    listed: list[ListedExchange]
    deletion_losses: int = 0
    is_deletion_unknown: bool = False


class Actions:
    """Runs actions on the system under test, and records in the ledger what the callers know about each exchange."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = Ledger()
        self.entry_being_stored: Entry | None = None
        self.invalid_messages = 0
        # The number of times that Redis has lost deletions.
        self.deletion_losses = 0
        self.has_passed = True
        # The exchange and the text of the answered request, for each idempotency key.
        self.answered: dict[str, tuple[Entry, str]] = {}
        self._chosen_ids: dict[tuple[str, int], UUID] = {}
        world.reset()

    # - ids ---

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

    def chosen_id(self, kind: tuple[str, int] | None) -> UUID | None:
        """Return a caller's id for an exchange. Equal kinds have equal ids."""
        if kind is None:
            return None
        if kind not in self._chosen_ids:
            shift = {"7 past": -3600, "7 ahead": 600}.get(kind[0], 0)
            new_id = ExchangeIds().new(now=time.time() + shift)
            self._chosen_ids[kind] = new_id if kind[0] != "4" else UUID(int=new_id.int & ~(0xF << 76) | 4 << 76)
        return self._chosen_ids[kind]

    @contextmanager
    def during(self, process: int, thread: str, fault: Fault | None, meanwhile: Meanwhile) -> Iterator[None]:
        """Inject a fault and run another process' actions during the block."""
        self.world.faults.failed_stores.clear()
        action: tuple[int, Callable[[], None]] | None = None
        if meanwhile is not None:
            other, actions = (process + 1) % len(CLOCK_OFFSETS), meanwhile[1]
            action = meanwhile[0], lambda: self.run_actions(actions, other, thread)
        with self.recording_failure(), self.world.faults.during(fault, action):
            yield

    @contextmanager
    def recording_failure(self) -> Iterator[None]:
        """Set `has_passed` to false if the block raises an exception, because a check has then failed."""
        self.has_passed, had_passed = False, self.has_passed
        yield
        self.has_passed = had_passed

    def run_actions(self, actions: list[str], process: int, thread: str) -> None:
        """Run several actions of another process."""
        for action in actions:
            self.run_action(action, process, thread)

    def run_action(self, action: str, process: int, thread: str) -> None:  # noqa: C901 - one branch for each action
        """Run one action of another process, without a fault."""
        note(f"   meanwhile: {action} by {process}")
        if action == "drain":
            self.deliver(list(self.world.queue.waiting), is_killed=False)
        elif action == "turn":
            self.store(self.load_context(process, thread), None)
        elif action == "import":
            self.import_exchange(process, thread, None, -1)
        elif action == "recall":
            self.load_context(process, thread)
        elif action == "evict":
            self.world.client.delete(f"thread:{thread}:messages")
        elif action == "restart":
            self.restart(starts_process=False)
        elif action == "delete":
            self.delete(process, thread)
        elif action == "replace":
            self.replace(process, self.entry(thread, -1))
        elif action == "remove":
            self.remove(process, self.entry(thread, -1))
        elif action == "sweep":
            self.world.sweep.run()

    # - actions, for rules and for other processes ---

    def load_context(self, process: int, thread: str) -> StartedTurn:
        """Load a turn's context and check it."""
        memory = self.world.memories[process]
        expected = Expectation.record(self.ledger, thread, memory)
        turn = Turn(memory, thread, self.user(thread))
        is_deletion_cached = self.world.is_deletion_cached(thread, self.user(thread))
        recall = turn.recall()
        note(f"   {thread} by {process}: {[m.content for m in recall.messages[::2]]} {recall.source} {recall.degraded}")
        listed = check_context(self.world, self.ledger, thread, recall, memory, expected)
        is_deletion_unknown = "postgres" in recall.degraded and not is_deletion_cached
        return StartedTurn(turn, thread, memory, listed, self.deletion_losses, is_deletion_unknown)

    def store(
        self, started: StartedTurn, chosen_id: UUID | None, created_at: datetime | None = None
    ) -> tuple[Entry, str]:
        """Store a turn's exchange or an import, and return its entry and text. Check the order of a turn's exchange."""
        is_repeated_id = (
            any(entry.chosen_id == chosen_id for entry in self.ledger.of_thread(started.thread)) if chosen_id else False
        )
        entry, text = self.ledger.add_text(started.thread, chosen_id, started.memory)
        outer, self.entry_being_stored = self.entry_being_stored, entry
        is_deletion_cached = self.world.is_deletion_cached(started.thread, self.user(started.thread))
        try:
            result = started.turn.append(f"u {text}", f"a {text}", exchange_id=chosen_id, created_at=created_at)
        finally:
            self.entry_being_stored = outer
        note(f"   {text} {result}")
        entry.record_append(result)
        if not is_deletion_cached and "postgres" in self.world.faults.failed_stores | self.world.faults.down:
            # The append itself loads the thread's state if the turn has not.
            started.is_deletion_unknown = True
        has_callers_order = created_at is not None or bool(chosen_id and is_time_ordered(chosen_id))
        if result.durability != "none":
            # A deletion does not include an import that was accepted later, even if the import's own time is earlier.
            has_callers_time = has_callers_order and created_at is None
            self.allow_loss_by_deletion(entry, started, text, has_callers_time=has_callers_time)
        if is_repeated_id or result.durability == "none" or has_callers_order:
            return entry, text
        order = self.world.exchange_of(text).order
        if not self.world.faults.failed_stores and not self.world.faults.down:
            self.check_id_time(order, text)
        late = [
            one
            for one in started.listed
            if one.order >= order and not self.world.is_import(started.thread, one.exchange_id)
        ]
        if late:
            report_violation("Causal", f"{text} with order key {order} is older than {late}, which its turn had loaded")
        return entry, text

    def import_exchange(self, process: int, thread: str, chosen_id: UUID | None, hours: int) -> None:
        """Import an exchange whose time is `hours` from now, or a few seconds from now if `hours` is 0.

        If the id is a UUIDv7, the exchange has the time of the id instead.
        """
        created_at = datetime.now(UTC).replace(minute=0, second=0) + timedelta(hours=hours)
        if hours == 0:
            created_at = datetime.now(UTC) + timedelta(seconds=5)
        if chosen_id is not None and is_time_ordered(chosen_id):
            created_at = timestamp_of(chosen_id)
        memory = self.world.memories[process]
        turn = Turn(memory, thread, self.user(thread))
        self.store(StartedTurn(turn, thread, memory, [], self.deletion_losses), chosen_id, created_at)

    def check_id_time(self, order: UUID, text: str) -> None:
        """Check the time of an id that was created while all stores responded.

        The time must be near the current time, even if one of the three clocks (process, Redis, PostgreSQL) is wrong.
        """
        ahead = milliseconds_of(order) / 1000 - time.time()
        if not -60 < ahead < _MAX_SECONDS_AHEAD:
            report_violation("Causal", f"{text} has a time {ahead:.0f} s ahead, although two of three clocks are right")

    def allow_loss_by_deletion(self, entry: Entry, started: StartedTurn, text: str, *, has_callers_time: bool) -> None:
        """Set the outcome to `unsure` if an earlier deletion may remove this exchange.

        A deletion of the thread or the user may remove it if its acceptance key is not after the cutoff. This happens
        if the caller's id has a time before the deletion, or if the process did not know the deletion. A deletion of
        the exchange itself also removes it.
        """
        may_not_know_deletion = (
            "redis" in self.world.faults.failed_stores
            or started.is_deletion_unknown
            or started.deletion_losses != self.deletion_losses
        )
        if entry.outcome == "live" and (has_callers_time or may_not_know_deletion):
            cutoffs = self.world.cutoffs([started.thread], [self.user(started.thread) or ""])
            if str(self.world.exchange_of(text).acceptance) <= max(cutoffs.values(), default=""):
                entry.outcome = "unsure"
        if entry.outcome == "live" and self.world.is_exchange_deleted(started.thread, entry.exchange_id):
            entry.outcome = "unsure"

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
                texts = entry.texts if entry.queued_text is None else {entry.queued_text}
                if any(f'"u {text}"' in body for body in bodies for text in texts):
                    entry.is_missing_in_cache, entry.queued_text = False, None

    def has_future_order_key(self, entry: Entry) -> bool:
        """Return whether the entry's acceptance key, which a cutoff is compared with, is after the current time."""
        return any(milliseconds_of(key) > time.time() * 1000 for key in self._acceptance_keys(entry))

    def _acceptance_keys(self, entry: Entry) -> list[UUID]:
        sent = (each for each in self.world.sent if each.thread_id == entry.thread)
        return [each.acceptance for each in sent if each.user_message[2:] in entry.texts]

    def outbox(self) -> str:
        """Return the contents of L1's outbox."""
        return "".join(str(body) for body in self.world.client.lrange("outbox:exchanges", 0, -1))

    def restart(self, *, starts_process: bool) -> None:
        """Empty Redis and record the losses."""
        self.deletion_losses += 1
        in_outbox = self.outbox()
        self.world.restart_valkey(starts_process=starts_process)
        for entry in self.record_loss(self.all_threads):
            entry.is_lost = entry.is_lost or any(f'"u {text}"' in in_outbox for text in entry.texts)
            entry.was_lost = True

    def restore(self) -> None:
        """Replace Redis by another server with an older state, and record the losses."""
        in_outbox = self.outbox()
        self.world.restore_snapshot()
        self.deletion_losses += 1
        restored_outbox = self.outbox()
        for entry in self.record_loss(self.all_threads, restored_outbox):
            entry.is_lost = entry.is_lost or any(f'"u {text}"' in in_outbox for text in entry.texts)
            entry.was_lost = True
        for entry in self.ledger.entries:
            if any(f'"u {text}"' in restored_outbox for text in entry.texts):
                # The restored outbox has this exchange again.
                entry.is_lost = False

    def send_keyed_request(self, process: int, thread: str, number: int) -> None:
        """Send a request with an `Idempotency-Key`, possibly a repeated one."""
        name = hashlib.sha256(f"{thread} {number}".encode()).hexdigest()
        keys = self.world.keys(process)
        try:
            lease = keys.acquire_hashed(name, b"{}", ExchangeIds().new())
        except (IdempotencyConflict, StoreUnavailable) as error:
            note(f"   {error}")
            return
        if lease.replayed is not None:
            note(f"   replayed {lease.replayed}")
            return
        if name in self.answered and not self.may_be_absent(*self.answered[name]):
            report_violation("Idempotent", f"a key ran again although its request had stored {self.answered[name][1]}")
        started = self.load_context(process, thread)
        with keyed_request_scope(lease.keyed):
            self.answered[name] = self.store(started, lease.exchange_id)
        lease.complete({"response": "done", "thread_id": thread, "exchange_id": str(lease.exchange_id)})

    def may_be_absent(self, entry: Entry, text: str) -> bool:
        """Return whether an exchange and its key may be in no store.

        They may if no store accepted the exchange, if only a lost outbox had it, or if it is a dead letter.
        """
        if entry.durability == "none" or (entry.durability == "redis" and entry.was_lost):
            return True
        return any(f'"u {text}"' in sqs_message.body for sqs_message in self.world.queue.dead)

    def record_loss(self, threads: list[str], in_outbox: str = "") -> list[Entry]:
        """Record that L1 has lost these threads. Return the exchanges that neither L2, the queue nor the outbox has."""
        waiting = in_outbox + "".join(sqs_message.body for sqs_message in self.world.queue.waiting)
        stored = {row.content[2:] for row in self.world.rows(threads)}
        lost_entries = []
        for entry in self.ledger.entries:
            if entry.thread not in threads:
                continue
            current = entry.texts if entry.queued_text is None else {entry.queued_text}
            entry.was_lost_undrained = not current & stored
            if entry.was_lost_undrained and not any(f'"u {text}"' in waiting for text in current):
                entry.is_missing_in_cache = entry.is_lost_by_cache = True
                lost_entries.append(entry)
        return lost_entries

    def delete(self, process: int, thread: str) -> None:
        """Delete a thread."""
        self._run_deletion([thread], lambda: Threads(self.world.memories[process]).delete(thread))

    def delete_user(self, process: int) -> None:
        """Delete all data of a user."""
        users, user = Users(self.world.memories[process]), self.user(self.thread(0))
        self._run_deletion(self.all_threads[:2], lambda: users.forget(str(user)))

    def _run_deletion(self, threads: list[str], action: Callable[[], None]) -> None:
        concurrent = self.entry_being_stored
        for entry in self.ledger.entries:
            # A deletion includes exchanges up to the current time and exchanges that it reads. It does not include an
            # exchange with an id from the future that is only in the queue.
            is_hidden = entry.is_missing_in_cache or entry.was_lost_undrained
            if entry.thread in threads and entry.outcome != "erased" and is_hidden and self.has_future_order_key(entry):
                entry.outcome, entry.may_survive_deletion = "unsure", True
        entries_before = list(self.ledger.entries)
        # While the deletion runs, a reader may see the exchanges or not.
        self.ledger.record_deletion(entries_before, threads, is_complete=False, concurrent=concurrent)
        is_complete = True
        try:
            action()
        except ThreadNotFound:
            note("   not found")
        except StoreUnavailable as error:
            note(f"   {error}")
            is_complete = False
        if is_complete:
            self.ledger.record_deletion(entries_before, threads, is_complete=True, concurrent=concurrent)
        for entry in self.ledger.entries:
            if entry not in entries_before and entry.thread in threads and self._is_before_cutoff(entry):
                # This exchange was stored during the deletion, and its acceptance key is before the cutoff.
                entry.outcome = "erased" if is_complete and entry is not concurrent else "unsure"

    def _is_before_cutoff(self, entry: Entry) -> bool:
        """Return whether the exchange's acceptance key is not after its thread's or its user's cutoff in PostgreSQL."""
        cutoffs = self.world.cutoffs([entry.thread], [self.user(entry.thread) or ""])
        keys = self._acceptance_keys(entry)
        return bool(keys) and str(keys[-1]) <= max(cutoffs.values(), default="")

    def entry(self, thread: str, number: int) -> Entry | None:
        """Return an exchange of a thread, or None if the thread has no exchange."""
        # If an id was used again after a deletion, take the newest exchange with this id.
        newest = {entry.exchange_id: entry for entry in self.ledger.of_thread(thread) if entry.ids}
        known_entries = [entry for entry in newest.values() if entry is not self.entry_being_stored]
        return known_entries[number % len(known_entries)] if known_entries else None

    def replace(self, process: int, entry: Entry | None) -> None:
        """Replace an exchange's texts."""
        if entry is None or entry.exchange_id is None:
            return
        memory, text = self.world.memories[process], self.ledger.new_text()
        texts_before = set(entry.texts)
        entry.replacements += 1
        number = entry.replacements
        was_visible = not entry.may_be_missing(memory) and not entry.was_lost_undrained
        was_erased, was_text_unknown = entry.outcome == "erased", entry.is_text_unknown
        # While the replacement runs, a reader may see the old or the new text.
        entry.is_text_unknown = True
        entry.texts.add(text)
        try:
            result = Exchanges(memory).replace(entry.thread, entry.exchange_id, ExchangeTexts(f"u {text}", f"a {text}"))
        except ExchangeNotFound:
            note("   not found")
            entry.is_text_unknown = was_text_unknown or entry.replacements != number
            entry.replaced_texts.add(text)
            if was_visible and entry.outcome == "live" and not self.world.faults.failed_stores:
                report_violation("Replaced", f"the response says that {entry} does not exist")
        except StoreUnavailable as error:
            note(f"   {error}")
        else:
            note(f"   {text} {result}")
            if was_erased:
                report_violation("Erased", f"{entry} was replaced after its deletion: {result}")
            entry.is_text_unknown = was_text_unknown or entry.replacements != number
            entry.record_replacement(result, text, texts_before, memory)

    def remove(self, process: int, entry: Entry | None) -> None:
        """Delete an exchange."""
        if entry is None or entry.exchange_id is None:
            return
        exchanges, concurrent = Exchanges(self.world.memories[process]), self.entry_being_stored
        was_visible = not entry.may_be_missing(self.world.memories[process]) and not entry.was_lost_undrained
        was_live = entry.outcome == "live"
        if was_live:
            entry.outcome = "unsure"
        try:
            exchanges.delete(entry.thread, entry.exchange_id)
        except ExchangeNotFound:
            note("   not found")
            # The process may have retried the deletion after a lost response, so the exchange may already be deleted.
            cutoffs = self.world.cutoffs([entry.thread], [self.user(entry.thread) or ""])
            is_done = bool(cutoffs) or self.world.is_exchange_deleted(entry.thread, entry.exchange_id)
            if was_live and was_visible and not is_done:
                report_violation("Erased", f"the response says that {entry} does not exist")
        except StoreUnavailable as error:
            note(f"   {error}")
        else:
            entry.outcome = "erased" if entry is not concurrent else "unsure"

    def redrive(self) -> None:
        """Move all dead letters back to the queue."""
        for sqs_message in list(self.world.queue.dead):
            self.world.queue.redrive(sqs_message)

    def drain_everything(self) -> None:
        """Drain and sweep everything. Then check the guarantees that hold at rest, when nothing is left to drain."""
        for memory in self.world.memories:
            # During this call, a process whose exchanges were only in a lost outbox sends them to the queue.
            Turn(memory, self.thread(0), None).recall()
        for _ in range(20):
            self.redrive()
            if self.world.queue.waiting:
                self.deliver(list(self.world.queue.waiting), is_killed=False)
            sweep_result = self.world.sweep.run()
            if not self.world.queue.waiting and not self.world.client.llen("outbox:exchanges"):
                break
        else:
            report_violation("Durable", "the queue or the outbox does not become empty")
        if sweep_result.skipped:
            report_violation("Durable", f"the sweep skipped {sweep_result.skipped}")
        dead = [sqs_message.body for sqs_message in self.world.queue.dead]
        if set(dead) - {INVALID_BODY} or len(dead) < self.invalid_messages:
            report_violation(
                "Isolated failure",
                f"{self.invalid_messages} invalid messages were sent; the dead-letter queue has {dead}",
            )
        self.check_drained()

    def check_drained(self) -> None:
        """Check the guarantees that hold when every exchange is drained."""
        rows = self.world.rows(self.all_threads)
        stored = {(row.thread_id, row.content[2:]) for row in rows}
        for entry in self.ledger.entries:
            entry.is_missing_in_cache = entry.is_lost_by_cache = entry.was_lost_undrained = False
            if entry.outcome == "unsure":
                entry.may_survive_deletion = False
                entry.outcome = "live" if any((entry.thread, text) in stored for text in entry.texts) else "erased"
            entry.record_rest({text for text in entry.texts if (entry.thread, text) in stored})
        check_stored(self.ledger, rows)
        check_durable(self.ledger, rows)
        if not self.world.was_restored:
            check_same(self.world, self.all_threads, rows)
            check_erased(self.ledger, self.world.redis_values())
        for process in range(len(CLOCK_OFFSETS)):
            for thread in self.all_threads:
                started = self.load_context(process, thread)
                window = [row.content[2:] for row in rows if row.thread_id == thread][::2][-WINDOW:]
                if started.turn.recall().degraded or [one.text for one in started.listed] != window:
                    report_violation("Whole", f"{started.turn.recall()} at rest; PostgreSQL has {window}")
        # The reads above have removed the old data of a restored Redis.
        self.world.was_restored = False
        check_same(self.world, self.all_threads, rows)
        check_erased(self.ledger, self.world.redis_values())
