"""L1 in Redis (Valkey speaks the same protocol). Core commands only; a script or transaction touches one key."""

from __future__ import annotations

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from shared.errors import StoreUnavailable
from shared.ids import milliseconds_of
from shared.models import Exchange, Message
from shared.settings import MemorySettings
from shared.stores.archive import ThreadOwner, Window
from shared.stores.breaker import CircuitBreaker
from shared.stores.cache import AppendResult, CacheRead, Fence
from shared.stores.redis.connection import Pipeline, RedisConnection, ignore_wrongtype, require
from shared.stores.redis.entries import decode, decode_pending, pending_field, token_of, without_placeholder
from shared.stores.redis.generation import Epoch, begun_as, name_of, queue_epoch, queue_probe, read_epoch
from shared.stores.redis.lists import (
    Append,
    Appended,
    ThreadLists,
    drained_fields,
    ids_of,
    order_of,
    queue_tombstone,
    uuids_of,
)
from shared.stores.redis.names import (
    EPOCH,
    OUTBOX,
    claim_key,
    deleted_key,
    drained_key,
    messages_key,
    no_preferences_key,
    owner_key,
    pending_key,
    preferences_key,
    preferences_seal_key,
    tombstone_key,
    user_threads_key,
    user_tombstone_key,
)
from shared.stores.redis.owners import queue_fence, queue_owner, read_fence
from shared.stores.redis.read import MAY_FAIL, Questions, cache_read, clock_of, preferences_seal
from shared.stores.redis.scripts import REPLACE_HASH

# SQS counts messages approximately, and may count none for a while when there are some.
_SETTLING_SECONDS: Final = 60
# Longer than an append can take after its exchange is on the queue.
_DRAINED_SECONDS: Final = 900
_MOST_UNMERGED: Final = 500
# How often a process finds out with a read whether Redis takes writes, in seconds.
_PROBE_EVERY: Final = 1.0
_THREADS_A_CALL: Final = 500


class RedisCache:
    """L1."""

    def __init__(self, connection: RedisConnection, memory: MemorySettings) -> None:
        self._memory = memory
        self._connection = connection
        self._lists = ThreadLists(memory)
        # Appends that failed: made up for ahead of the next call that gets through.
        self._unmerged: OrderedDict[tuple[str, UUID], Append] = OrderedDict()
        # The generation of the last read: what this process confirms is sealed for it.
        self._generation: str | None = None
        # When a call last failed or was refused, on the monotonic clock; None once that is made up for.
        self._failed_at: float | None = None
        self._probed_at = -math.inf
        self._connects = 0

    @property
    def breaker(self) -> CircuitBreaker:
        """The connection's circuit breaker."""
        return self._connection.breaker

    def _call(self, fill: Callable[[Pipeline], object], *, is_read: bool = False) -> list[Any]:
        """Send what `fill` queues in one round trip, after what Redis missed, and return the replies.

        A read finds nothing in a key of another type.

        Raises:
            StoreUnavailable: No answer, or a refusal of any of the commands.
        """
        self._catch_up()
        replies = self._send(fill)
        return self._require(ignore_wrongtype(replies) if is_read else replies)

    def _send(self, fill: Callable[[Pipeline], object]) -> list[Any]:
        try:
            return self._connection.call(fill)
        except StoreUnavailable:
            self._failed_at = time.monotonic()
            raise

    def _require(self, replies: list[Any]) -> list[Any]:
        try:
            return require(replies)
        except StoreUnavailable:
            self._failed_at = time.monotonic()
            raise

    def _catch_up(self) -> bool:
        """Make up for what Redis missed, before anything is read from it; return whether Redis takes writes."""
        if self._failed_at is not None and not self._recover(self._failed_at):
            return False
        late = list(self._unmerged.values())
        if not late:
            return True
        spans: list[slice] = []

        def fill(pipe: Pipeline) -> None:
            spans.clear()
            for append in late:
                start = len(pipe)
                self._lists.queue_append(pipe, append)
                spans.append(slice(start, len(pipe)))

        replies = self._send(fill)
        for append, span in zip(late, spans, strict=True):
            self._end_late(append, replies[span])
        return True

    def _recover(self, failed_at: float) -> bool:
        """Return whether Redis takes writes again; if so, a generation begins that all readers respect.

        One process does it for all: not if a generation has begun since this one's last failure.
        """

        def fill(pipe: Pipeline) -> None:
            queue_probe(pipe)
            pipe.time()
            queue_epoch(pipe)

        probed, now, reply = self._send(fill)
        if isinstance(probed, Exception):
            self._failed_at = time.monotonic()
            return False
        clock = clock_of(now)
        last = read_epoch(None if isinstance(reply, Exception) else reply).generation
        if last is not None and float(last) <= clock - (time.monotonic() - failed_at):
            self._require(self._send(lambda pipe: pipe.hset(EPOCH, mapping=begun_as(name_of(clock), None))))
        self._failed_at = None
        return True

    def _end_late(self, append: Append, replies: list[Any]) -> None:
        """Respect a deletion of what was made up for, and stop owing it; what L1 refused stays owed."""
        if any(isinstance(reply, Exception) for reply in replies):
            return
        appended = append.outcome(replies)
        if appended.was_drained:
            self._forget_drained(append.exchange)
        if appended.cutoff is not None:
            self._take_back(append.exchange, appended)
        self._unmerged.pop(append.exchange.key, None)

    def read(self, thread_id: str | None, user_id: str | None) -> CacheRead:
        """Read a thread's window and a user's preferences in one round trip.

        A list that is not whole carries a token from then on, for `refill`. Everything is read again when a generation
        has to begin first, or when this process does not know yet which one lasts.
        """
        if thread_id is None and user_id is None:
            return CacheRead()
        questions = Questions()
        if time.monotonic() - self._probed_at >= _PROBE_EVERY:
            questions.ask_for_writes()
        asked_in = self._generation
        found = self._read(questions, thread_id, user_id, asked_in)
        is_known = found.generation is not None and found.generation == asked_in
        needs_no_token = found.generation is not None and (thread_id is None or found.is_whole)
        if found.refuses_writes or is_known or needs_no_token:
            return found
        questions = Questions()
        generation = found.generation
        if generation is None:
            epoch = self._ask_epoch_anew()
            generation = epoch.generation
            if not epoch.is_of(self._connection.identity):
                is_older = epoch.generation is not None
                generation = name_of(found.clock or 0.0)
                questions.ask_for_step(generation, self._connection.identity, is_older=is_older)
        questions.ask_for_losses()
        return self._read(questions, thread_id, user_id, generation)

    def peek(self, thread_id: str) -> CacheRead:
        """Read a thread's window without changing anything: the list gets no token, and no generation begins."""
        return self._read(Questions(), thread_id, None, None, is_passive=True)

    def _ask_epoch_anew(self) -> Epoch:
        """Return the epoch on a new connection, which also tells anew which server answers."""
        self._connection.disconnect()
        return read_epoch(self._call(queue_epoch, is_read=True)[0])

    def _read(
        self,
        questions: Questions,
        thread_id: str | None,
        user_id: str | None,
        generation: str | None,
        *,
        is_passive: bool = False,
    ) -> CacheRead:
        most = self._memory.max_thread_messages * 2
        takes_writes = is_passive or self._catch_up()
        questions.ask_for_state()
        token = None if generation is None or not takes_writes else (generation, secrets.token_hex(8))
        if thread_id is not None:
            questions.ask_for_thread(thread_id, most, token)
        if user_id is not None:
            questions.ask_for_user(user_id)
        replies = questions.named(ignore_wrongtype(self._send(questions.fill)))
        if "probe" in replies:
            self._probed_at = time.monotonic()
            if isinstance(replies["probe"], Exception):
                self._failed_at, takes_writes = self._probed_at, False
        for name in MAY_FAIL & replies.keys():
            if isinstance(replies[name], Exception):
                replies[name] = None
        self._require(list(replies.values()))
        epoch = read_epoch(replies["epoch"])
        found_in = self._generation_of(epoch, replies.get("replication"))
        if not is_passive:
            self._generation = found_in

        def say() -> CacheRead:
            return cache_read(replies, epoch, found_in, thread_id=thread_id, most=most, refuses_writes=not takes_writes)

        found = say()
        if thread_id and token and not found.is_whole and found_in == generation and "stats" not in replies:
            replies |= self._losses()
            found = say()
        return found

    def _losses(self) -> dict[str, Any]:
        """Return what tells whether Redis may have lost undrained exchanges; asked where a list is not whole."""
        questions = Questions()
        questions.ask_for_losses()
        replies = questions.named(self._send(questions.fill))
        if isinstance(replies["stats"], Exception):
            replies["stats"] = None
        self._require(list(replies.values()))
        return replies

    def _generation_of(self, epoch: Epoch, replication: Mapping[str, Any] | None) -> str | None:
        """Return the generation that a read found, None if it ended: another server answers, or has other data."""
        identity, connects = self._connection.identity, self._connects
        self._connects = self._connection.connects
        if identity is None:
            if connects not in {0, self._connects}:
                # Nothing tells this server from the one before the new connection.
                self._failed_at = time.monotonic()
                return None
        elif replication is not None and not identity.endswith(f":{replication.get('master_replid', '')}"):
            return None
        return epoch.generation if epoch.is_of(identity) else None

    def append(
        self, exchange: Exchange, *, is_drained: bool, in_outbox: bool = False, fence: Fence | None = None
    ) -> AppendResult:
        """Merge one new exchange in one round trip.

        Until it is drained, the exchange also lies whole beside the list, so that a list that expires or is evicted
        before the drain takes nothing with it; `in_outbox`, Redis also keeps it for the sweep.
        """
        append = Append(exchange, is_drained=is_drained, in_outbox=in_outbox)
        try:
            replies = self._send_append(append, fence)
        except StoreUnavailable:
            if not in_outbox:
                self._remember_unmerged(append)
            raise
        if replies is None:
            # The sweep stores it; the list gets it then, or by the next call that Redis takes.
            self._remember_unmerged(replace(append, in_outbox=False))
            return AppendResult(is_cached=False, is_in_outbox=True)
        if fence is not None:
            read_fence(fence, replies[-2:], self._generation)
            replies = replies[:-2]
        appended = append.outcome(replies)
        if appended.cutoff is not None:
            self._take_back(exchange, appended)
        elif appended.was_drained:
            self._forget_drained(exchange)
        return AppendResult(appended.cutoff, is_cached=appended.cutoff is None, is_in_outbox=in_outbox)

    def _send_append(self, append: Append, fence: Fence | None) -> list[Any] | None:
        """Send an append and return the replies; None if Redis took it into the outbox only."""

        def fill(pipe: Pipeline) -> None:
            self._lists.queue_append(pipe, append)
            if fence is not None:
                queue_fence(pipe, append.exchange.thread_id, fence, self._memory.thread_ttl_seconds, self._generation)

        self._catch_up()
        replies = self._send(fill)
        if append.in_outbox and not isinstance(replies[0], Exception) and _is_refused(replies):
            self._failed_at = time.monotonic()
            return None
        return self._require(replies)

    def _remember_unmerged(self, append: Append) -> None:
        self._unmerged[append.exchange.key] = append
        self._unmerged.move_to_end(append.exchange.key)
        while len(self._unmerged) > _MOST_UNMERGED:
            self._unmerged.popitem(last=False)

    def _forget_drained(self, exchange: Exchange) -> None:
        """Remove an exchange from its second place: the drain was faster than the append."""
        field = pending_field(exchange.exchange_id, exchange.revision)
        self._require(self._send(lambda pipe: pipe.hdel(pending_key(exchange.thread_id), field)))

    def _take_back(self, exchange: Exchange, appended: Appended) -> None:
        """Remove an exchange that a deletion overtook; if it was its thread's, all that this means."""
        self._require(self._send(lambda pipe: self._lists.queue_take_back(pipe, exchange, appended.of_thread)))

    def take_back(self, exchange: Exchange) -> None:
        """Remove what an append has added, the note that L1 has something of the user's there included."""

        def fill(pipe: Pipeline) -> None:
            self._lists.queue_take_back(pipe, exchange, None)
            if exchange.user_id is not None:
                pipe.zrem(user_threads_key(exchange.user_id), exchange.thread_id)

        self._unmerged.pop(exchange.key, None)
        self._call(fill)

    def note_owner(self, thread_id: str, owner: ThreadOwner) -> None:
        """Remember what L2 said of whose the thread is."""
        self._call(lambda pipe: queue_owner(pipe, thread_id, owner, self._memory.thread_ttl_seconds, self._generation))

    def refill(self, thread_id: str, window: Window, read: CacheRead, drained: Sequence[Exchange] = ()) -> None:
        """Merge what L2 holds in one round trip, if the list still carries the token that the read found.

        The token is gone when the list is, or when something was deleted since: then the next reader refills.
        """
        generation = self._generation
        claim = "first" if window.is_all else "whole"
        refill = None if read.token is None or generation is None else (read.token, claim, generation)
        # Whoever deletes one of these users has to find the list, also if L2 has lost the thread before.
        users = {exchange.user_id: exchange.created_at for exchange in window.exchanges if exchange.user_id is not None}

        def fill(pipe: Pipeline) -> None:
            if refill is not None:
                ttl = self._memory.thread_ttl_seconds
                self._lists.queue_merge(
                    pipe,
                    thread_id,
                    window.exchanges,
                    ttl=ttl,
                    refill=refill,
                    cutoff=window.cutoff,
                    deleted=window.deleted,
                    is_stored=True,
                )
            elif _has_deleted(read.messages, window):
                self._lists.queue_merge(pipe, thread_id, [], cutoff=window.cutoff, deleted=window.deleted)
            for user_id, newest in users.items():
                self._lists.queue_user(pipe, user_id, thread_id, newest)
            self._queue_rest(pipe, thread_id, window, read.pending, drained)

        self._call(fill)

    def _queue_rest(
        self,
        pipe: Pipeline,
        thread_id: str,
        window: Window,
        pending: Sequence[Exchange],
        drained: Sequence[Exchange],
    ) -> None:
        """Queue what a refill does beside the list: note what was deleted, and remove what waits no more."""
        if window.cutoff is not None:
            queue_tombstone(pipe, tombstone_key(thread_id), window.cutoff)
        self._lists.queue_deleted(pipe, thread_id, window.deleted)
        # An older Redis may have come back with what a deletion had removed there.
        done = [*drained, *(each for each in pending if window.has_deleted(each.exchange_id, each.order))]
        if done:
            pipe.hdel(pending_key(thread_id), *(pending_field(each.exchange_id, each.revision) for each in done))

    def repair_thread(self, thread_id: str, window: Window, drained: Sequence[Exchange] = ()) -> None:
        """Merge what L2 holds into the list if there is one, and do what else `refill` does."""

        def fill(pipe: Pipeline) -> None:
            self._lists.queue_merge(
                pipe, thread_id, window.exchanges, cutoff=window.cutoff, deleted=window.deleted, is_stored=True
            )
            self._queue_rest(pipe, thread_id, window, (), drained)
            pipe.hvals(pending_key(thread_id))

        bodies = self._call(fill)[-1]
        self._forget_pending({thread_id: bodies}, {thread_id: window.cutoff}, window.deleted)

    def merge_stored(self, exchanges: Sequence[Exchange]) -> list[str]:
        """Merge what L2 just took into the lists that exist, all threads in one round trip.

        Returns the threads whose list carries a token, so that something may be missing between its entries.
        """
        threads: dict[str, list[Exchange]] = {}
        for exchange in exchanges:
            threads.setdefault(exchange.thread_id, []).append(exchange)

        def fill(pipe: Pipeline) -> None:
            for thread_id, batch in threads.items():
                self._lists.queue_merge(pipe, thread_id, batch, is_stored=True)
                pipe.get(tombstone_key(thread_id))
                fields = drained_fields(batch)
                pipe.smembers(deleted_key(thread_id))
                # Before the removal: an append that comes after it finds here that its exchange is drained.
                pipe.sadd(drained_key(thread_id), *fields)
                pipe.expire(drained_key(thread_id), _DRAINED_SECONDS)
                pipe.hdel(pending_key(thread_id), *fields)
                pipe.delete(claim_key(thread_id))
                pipe.lindex(messages_key(thread_id), 0)

        if not threads:
            return []
        replies = self._call(fill)
        overtaken: dict[str, tuple[UUID | None, list[UUID]]] = {}
        for (thread_id, batch), tombstone, members in zip(threads.items(), replies[1::8], replies[2::8], strict=True):
            cutoff, deleted = order_of(tombstone), uuids_of(members)
            gone = [exchange.exchange_id for exchange in batch if exchange.exchange_id in deleted]
            if gone or (cutoff is not None and any(exchange.order <= cutoff for exchange in batch)):
                overtaken[thread_id] = cutoff, gone

        def clean(pipe: Pipeline) -> None:
            for thread_id, (cutoff, gone) in overtaken.items():
                self._lists.queue_merge(pipe, thread_id, [], cutoff=cutoff, deleted=gone)

        if overtaken:
            self._call(clean)
        return [name for name, head in zip(threads, replies[7::8], strict=True) if token_of([head] if head else [])]

    def merge_later(self, exchange: Exchange) -> None:
        """Merge what L2 took ahead of the next call that gets through."""
        self._remember_unmerged(Append(exchange, is_drained=True, in_outbox=False))

    def set_preferences(self, user_id: str, preferences: Mapping[str, str]) -> None:
        """Make the user's hash hold exactly these, and remember when there are none."""
        key, seal, generation = preferences_key(user_id), preferences_seal_key(user_id), self._generation
        ttl = self._memory.user_ttl_seconds
        fields = [text for item in preferences.items() for text in item]

        def fill(pipe: Pipeline) -> None:
            pipe.delete(no_preferences_key(user_id))
            pipe.delete(seal)
            pipe.eval(REPLACE_HASH, 1, key, ttl, *fields)
            if generation is not None:
                pipe.set(seal, preferences_seal(generation, len(preferences)), ex=ttl)

        self._call(fill)

    def newest(self, thread_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the order key of each thread's newest exchange, of those threads of which Redis has any."""
        found: dict[str, UUID] = {}
        for start in range(0, len(thread_ids), _THREADS_A_CALL):
            found |= self._newest(thread_ids[start : start + _THREADS_A_CALL])
        return found

    def _newest(self, thread_ids: Sequence[str]) -> dict[str, UUID]:
        def fill(pipe: Pipeline) -> None:
            for thread_id in thread_ids:
                pipe.lrange(messages_key(thread_id), -2, -1)
                pipe.hvals(pending_key(thread_id))

        replies = self._call(fill, is_read=True)
        found: dict[str, UUID] = {}
        for thread_id, entries, bodies in zip(thread_ids, replies[::2], replies[1::2], strict=True):
            messages = [decode(entry) for entry in without_placeholder(entries or [])]
            pending = [decode_pending(thread_id, body) for body in bodies or []]
            orders = [each.order for each in [*messages, *pending] if each is not None and each.order is not None]
            if orders:
                found[thread_id] = max(orders)
        return found

    def forget_threads(self, cutoffs: Mapping[str, UUID]) -> None:
        """Remember the deletions, then remove what each reaches: a merge in between finds the one or the other.

        Only what is up to the cutoff goes. Another process may have accepted an exchange after the deletion, and that
        is the first of a new thread.
        """
        self._forget_local(
            lambda exchange: exchange.thread_id in cutoffs and exchange.order <= cutoffs[exchange.thread_id]
        )
        names = list(cutoffs)
        for start in range(0, len(names), _THREADS_A_CALL):
            self._forget_some({name: cutoffs[name] for name in names[start : start + _THREADS_A_CALL]})

    def _forget_some(self, cutoffs: Mapping[str, UUID]) -> None:
        def fill(pipe: Pipeline) -> None:
            for thread_id, cutoff in cutoffs.items():
                queue_tombstone(pipe, tombstone_key(thread_id), cutoff)
                self._lists.queue_merge(pipe, thread_id, [], cutoff=cutoff)
                pipe.delete(claim_key(thread_id))
                pipe.delete(owner_key(thread_id))
                pipe.hvals(pending_key(thread_id))

        bodies = dict(zip(cutoffs, self._call(fill, is_read=True)[4::5], strict=True))
        self._forget_pending(bodies, cutoffs)

    def _forget_pending(
        self,
        bodies: Mapping[str, list[bytes] | None],
        cutoffs: Mapping[str, UUID | None],
        deleted: Collection[UUID] = (),
    ) -> None:
        """Remove undrained exchanges that a deletion reaches; what comes later finds the tombstone."""
        gone: dict[str, list[str]] = {}
        for thread_id, cutoff in cutoffs.items():
            pending = [decode_pending(thread_id, body) for body in bodies[thread_id] or []]
            fields = [
                pending_field(each.exchange_id, each.revision)
                for each in pending
                if each is not None and (each.exchange_id in deleted or (cutoff is not None and each.order <= cutoff))
            ]
            if fields:
                gone[thread_id] = fields

        def fill(pipe: Pipeline) -> None:
            for thread_id, fields in gone.items():
                pipe.hdel(pending_key(thread_id), *fields)

        if gone:
            self._call(fill)

    def forget_exchanges(self, thread_id: str, exchange_ids: Collection[UUID]) -> None:
        """Remember the deletion of exchanges, then remove them: a merge in between finds the one or is removed."""

        def fill(pipe: Pipeline) -> None:
            self._lists.queue_deleted(pipe, thread_id, exchange_ids)
            self._lists.queue_merge(pipe, thread_id, [], deleted=exchange_ids)
            pipe.delete(claim_key(thread_id))
            pipe.hkeys(pending_key(thread_id))

        self._forget_local(lambda e: e.thread_id == thread_id and e.exchange_id in exchange_ids)
        names = {str(exchange_id).encode() for exchange_id in exchange_ids}
        fields = [field for field in self._call(fill)[-1] if field.partition(b":")[0] in names]
        if fields:
            self._call(lambda pipe: pipe.hdel(pending_key(thread_id), *fields))

    def forget_user(self, user_id: str, cutoff: UUID) -> list[str]:
        """Remember the deletion, remove the preferences, and return the threads the user wrote to."""

        def fill(pipe: Pipeline) -> None:
            queue_tombstone(pipe, user_tombstone_key(user_id), cutoff)
            pipe.zrange(user_threads_key(user_id), 0, -1)
            pipe.delete(preferences_key(user_id))
            pipe.delete(preferences_seal_key(user_id))
            pipe.delete(no_preferences_key(user_id))

        self._forget_local(lambda exchange: exchange.user_id == user_id and exchange.order <= cutoff)
        replies = self._call(fill)
        return ids_of(replies[1])

    def forget_index(self, user_id: str, cutoff: UUID) -> None:
        """Remove threads from the user's index that were last written to before the deletion.

        Only once a deletion has reached them: who repeats a deletion that failed halfway finds them by the index.
        """
        reach = milliseconds_of(cutoff) / 1000
        if reach <= time.time():
            # A cutoff ahead of the clock does not tell which these are: the index may name too many, never too few.
            self._call(lambda pipe: pipe.zremrangebyscore(user_threads_key(user_id), "-inf", f"({reach}"))

    def _forget_local(self, is_erased: Callable[[Exchange], bool]) -> None:
        for name in [name for name, append in self._unmerged.items() if is_erased(append.exchange)]:
            del self._unmerged[name]

    def threads_of(self, user_id: str) -> list[str]:
        """Return the threads the user wrote to within the list's life."""
        replies = self._call(lambda pipe: pipe.zrange(user_threads_key(user_id), 0, -1))
        return ids_of(replies[0])

    def outbox(self, limit: int) -> list[str]:
        """Return the oldest wire bodies in the outbox; bytes that are no text as lone surrogates, which none holds."""
        replies = self._call(lambda pipe: pipe.lrange(OUTBOX, 0, limit - 1))
        return [body.decode("utf-8", "surrogateescape") for body in replies[0]]

    def remove_from_outbox(self, bodies: Sequence[str]) -> None:
        """Remove bodies that are kept elsewhere now: by value, because others add and remove meanwhile."""

        def fill(pipe: Pipeline) -> None:
            for body in bodies:
                pipe.lrem(OUTBOX, 1, body.encode("utf-8", "surrogateescape"))  # type: ignore[arg-type]

        self._call(fill)

    def settle(self, *, at_once: bool, is_first: bool = False, evictions: int | None = None) -> None:
        """Remember that the queue was seen empty since Redis lost something, or that Redis has lost nothing.

        The first call after a loss begins the time after which an empty queue is believed: SQS counts approximately.
        `evictions` are those known when the queue was asked; a later one begins anew. `is_first`: there was no Redis
        before this one.
        """
        now, reply = self._call(lambda pipe: (pipe.time(), queue_epoch(pipe)))
        epoch = read_epoch(reply)
        began = epoch.began
        is_begun = began is not None and (evictions is None or evictions == epoch.evictions)
        if began is None or not is_begun:
            began = float(now[0])
        state: dict[Any, Any] = {}
        if not is_begun:
            state |= {"began": began, "evictions": evictions or 0}
        if at_once or (is_begun and now[0] - began > _SETTLING_SECONDS):
            state |= {"settled": began}
        if not is_begun and is_first:
            state |= {"first": 1}

        def fill(pipe: Pipeline) -> None:
            if not is_begun:
                pipe.hdel(EPOCH, "settled", "first")
            pipe.hset(EPOCH, mapping=state)

        if state:
            self._call(fill)

    def clock(self) -> float:
        """Return the Unix seconds of L1's clock."""
        (now,) = self._call(lambda pipe: pipe.time())
        return clock_of(now)

    def ping(self) -> None:
        """Return if it answers and takes writes."""
        self._call(queue_probe)


def _has_deleted(messages: Sequence[Message], window: Window) -> bool:
    return any(window.has_deleted(each.exchange_id, each.order) for each in messages)


def _is_refused(replies: Sequence[object]) -> bool:
    return any(isinstance(reply, Exception) for reply in replies)
