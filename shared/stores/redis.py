"""L1 in Redis (Valkey speaks the same protocol). Core commands only; a script or transaction touches one key."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from shared.errors import StoreUnavailable
from shared.ids import milliseconds_of
from shared.models import Exchange
from shared.settings import MemorySettings
from shared.stores.base import AppendResult, CacheRead, Fence, ThreadOwner, Window
from shared.stores.breaker import CircuitBreaker
from shared.stores.redis_connection import Pipeline, RedisConnection, require, without_strangers
from shared.stores.redis_entries import decode, decode_pending, is_whole, pending_field
from shared.stores.redis_lists import (
    IS_NEW,
    Append,
    Appended,
    ThreadLists,
    drained_fields,
    ids_of,
    newest_revisions,
    number_of,
    order_of,
    uuids_of,
)
from shared.stores.redis_names import (
    BEGUN,
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
    tombstone_key,
    user_threads_key,
    user_tombstone_key,
)
from shared.stores.redis_owners import decode_owner, queue_fence, queue_owner, read_fence
from shared.stores.redis_scripts import CONFIRM_CLAIM, REPLACE_HASH

# SQS counts messages approximately, and may count none for a while when there are some.
_SETTLING_SECONDS: Final = 60
_CLAIM_SECONDS: Final = 900
# Longer than an append can take after its exchange is on the queue.
_DRAINED_SECONDS: Final = 900
_TOMBSTONE_SECONDS: Final = 4 * 86400
_MOST_UNMERGED: Final = 500
# Among the replies to a read under a lease.
_INFO_AT: Final = 3
_MOST_REMEMBERED: Final = 10_000
_THREADS_A_CALL: Final = 500


class RedisCache:
    """L1."""

    def __init__(self, connection: RedisConnection, memory: MemorySettings) -> None:
        self._memory = memory
        self._connection = connection
        self._lists = ThreadLists(memory)
        # Appends that failed: made up for ahead of the next call that gets through.
        self._unmerged: OrderedDict[tuple[str, UUID], Append] = OrderedDict()
        # Threads whose list this process began, and of which L1 is to be told; see `begun`.
        self._begun: set[str] = set()
        # What L1 says of its last outage, and the keys compared with L2 since; see `_is_doubted`.
        self._doubt: bytes | None = None
        self._verified: OrderedDict[str, bytes] = OrderedDict()
        self._outages_told = 0

    @property
    def breaker(self) -> CircuitBreaker:
        """The connection's circuit breaker."""
        return self._connection.breaker

    def _call(
        self, fill: Callable[[Pipeline], object], *, is_read: bool = False, may_be_denied: int | None = None
    ) -> list[Any]:
        """Send what `fill` queues in one round trip, after what is owed to L1, and return the replies.

        A read finds nothing in a key of another type; nor does the one command that this user may not have.

        Raises:
            StoreUnavailable: No answer, or a refusal of any of the commands.
        """
        self._catch_up()
        replies = self._connection.call(fill)
        if may_be_denied is not None and isinstance(replies[may_be_denied], Exception):
            replies[may_be_denied] = None
        return require(without_strangers(replies) if is_read else replies)

    def _catch_up(self) -> None:
        """Tell L1 what it missed, before anything is read from it: outages, lists that were begun, failed appends."""
        late, begun, outages = list(self._unmerged.values()), sorted(self._begun), self.breaker.outages
        if not late and not begun and outages == self._outages_told:
            return
        spans: list[slice] = []

        def fill(pipe: Pipeline) -> None:
            spans.clear()
            for append in late:
                start = len(pipe)
                self._lists.queue_append(pipe, append)
                spans.append(slice(start, len(pipe)))
            if begun:
                pipe.sadd(BEGUN, *begun)
            if outages != self._outages_told:
                # All sandboxes are told of an outage that one saw.
                pipe.hset(EPOCH, "doubt", f"{time.time():.6f}")

        replies = self._connection.call(fill)
        self._outages_told = outages
        self._begun.difference_update(begun)
        for append, span in zip(late, spans, strict=True):
            self._end_late(append, replies[span])

    def _end_late(self, append: Append, replies: list[Any]) -> None:
        """Respect a deletion of what was made up for, and stop owing it; what L1 refused stays owed."""
        if any(isinstance(reply, Exception) for reply in replies):
            return
        appended = append.outcome(replies)
        if appended.was_drained:
            self._forget_drained(append.exchange)
        if appended.cutoff is not None:
            self._take_back(append.exchange, appended)
        elif appended.is_begun or appended.is_new_thread:
            self._begun.add(append.exchange.thread_id)
        self._unmerged.pop(append.exchange.key, None)

    def _is_doubted(self, key: str, ttl: int) -> bool:
        """Return whether the key may have missed a change during an outage, and was not compared with L2 since."""
        since = number_of(self._doubt)
        if since is None or time.time() - since > ttl:
            return False
        return self._verified.get(key) != self._doubt

    def _trust(self, key: str) -> None:
        if self._doubt is not None:
            _remember(self._verified, key, self._doubt)

    def read(self, thread_id: str | None, user_id: str | None) -> CacheRead:
        """Read a thread's window and a user's preferences in one round trip.

        A list that is not whole is read again, under a lease that ends when anybody writes to the thread.
        """
        if thread_id is None and user_id is None:
            return CacheRead()
        found = self._read(thread_id, user_id)
        if thread_id is None or found.is_whole:
            return found
        lease = secrets.token_hex(8)

        def take(pipe: Pipeline) -> None:
            pipe.set(claim_key(thread_id), lease, nx=True, ex=_CLAIM_SECONDS)
            pipe.get(claim_key(thread_id))

        return self._read(thread_id, user_id, take)

    def peek(self, thread_id: str) -> CacheRead:
        """Read a thread's window without changing anything: no lease is taken."""
        return self._read(thread_id, None)

    def _read(
        self, thread_id: str | None, user_id: str | None, take: Callable[[Pipeline], None] | None = None
    ) -> CacheRead:
        most = self._memory.max_thread_messages * 2

        def fill(pipe: Pipeline) -> None:
            if take is not None:
                take(pipe)
                pipe.llen(OUTBOX)
                pipe.info("stats")
            pipe.time()
            pipe.hmget(EPOCH, ["began", "settled", "doubt", "evictions"])
            if thread_id is not None:
                pipe.lrange(messages_key(thread_id), -most, -1)
                pipe.get(tombstone_key(thread_id))
                pipe.hvals(pending_key(thread_id))
                pipe.get(owner_key(thread_id))
                pipe.smembers(deleted_key(thread_id))
            if user_id is not None:
                pipe.hgetall(preferences_key(user_id))
                pipe.exists(no_preferences_key(user_id))

        replies = self._call(fill, is_read=True, may_be_denied=None if take is None else _INFO_AT)
        lease, outbox, stats = None, 0, None
        if take is not None:
            _, lease, outbox, stats, *replies = replies
        (seconds, microseconds), epoch, *replies = replies
        began, settled, self._doubt, noted = epoch or (None, None, None, None)
        since = number_of(began)
        evictions = None if stats is None else int(stats["evicted_keys"])
        if evictions is not None and evictions != (number_of(noted) or 0):
            # What was evicted since may have been a list together with what lay beside it.
            since = settled = None
        clock = seconds + microseconds / 1e6
        messages, is_all, cutoff, pending = [], False, None, []
        owner, knows_owner, deleted = None, False, frozenset[UUID]()
        if thread_id is not None:
            entries: list[bytes] = replies[0] or []
            cutoff, deleted = order_of(replies[1]), uuids_of(replies[4] or ())
            decoded = [decode(entry) for entry in entries]
            messages = [m for m in decoded if m is not None and (cutoff is None or m.order is None or m.order > cutoff)]
            messages = [m for m in messages if m.exchange_id not in deleted]
            is_doubted = self._is_doubted(messages_key(thread_id), self._memory.thread_ttl_seconds)
            is_all = len(messages) == len(entries) and is_whole(entries, most) and not is_doubted
            if not is_doubted:
                owner, knows_owner = decode_owner(replies[3], cutoff)
            decoded_pending = [decode_pending(thread_id, body) for body in replies[2] or []]
            alive = [e for e in decoded_pending if e is not None and (cutoff is None or e.order > cutoff)]
            pending = newest_revisions(e for e in alive if e.exchange_id not in deleted)
        preferences, knows = {}, False
        if user_id is not None:
            preferences = {
                name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
                for name, value in (replies[-2] or {}).items()
            }
            is_doubted = self._is_doubted(preferences_key(user_id), self._memory.user_ttl_seconds)
            knows = bool(preferences or replies[-1]) and not is_doubted
        return CacheRead(
            messages,
            is_all,
            cutoff,
            preferences,
            knows,
            pending,
            is_new=settled is None,
            is_emptied=since is None,
            age=None if since is None else clock - since,
            clock=clock,
            lease=lease.decode("utf-8", "replace") if lease else None,
            evictions=evictions,
            has_outbox=bool(outbox),
            owner=owner,
            knows_owner=knows_owner,
            deleted=deleted,
        )

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
        appended = append.outcome(replies)
        if fence is not None:
            read_fence(fence, replies[-2:])
        if appended.is_new_thread:
            # Nobody wrote to the thread since it was found new, so the list is whole if it still begins with this.
            self._call(lambda pipe: self._lists.queue_mark(pipe, exchange.thread_id, str(exchange.exchange_id)))
        elif appended.is_begun:
            self._begun.add(exchange.thread_id)
        if self._begun:
            self._catch_up()
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
                queue_fence(pipe, append.exchange.thread_id, fence, self._memory.thread_ttl_seconds)

        self._catch_up()
        replies = self._connection.call(fill)
        if append.in_outbox and not isinstance(replies[0], Exception) and _is_refused(replies):
            return None
        return require(replies)

    def _remember_unmerged(self, append: Append) -> None:
        _remember(self._unmerged, append.exchange.key, append, most=_MOST_UNMERGED)

    def _forget_drained(self, exchange: Exchange) -> None:
        """Remove an exchange from its second place: the drain was faster than the append."""
        field = pending_field(exchange.exchange_id, exchange.revision)
        require(self._connection.call(lambda pipe: pipe.hdel(pending_key(exchange.thread_id), field)))

    def _take_back(self, exchange: Exchange, appended: Appended) -> None:
        """Remove an exchange that a deletion overtook; if it was its thread's, all that this means."""
        require(self._connection.call(lambda pipe: self._lists.queue_take_back(pipe, exchange, appended.of_thread)))

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
        self._call(lambda pipe: queue_owner(pipe, thread_id, owner, self._memory.thread_ttl_seconds))

    def hydrate(self, thread_id: str, window: Window, lease: str | None = None) -> None:
        """Merge what L2 holds; a thread that L2 does not know is claimed as new instead.

        The list is called whole only while the lease of the read before holds: else somebody wrote to the thread
        since, and that may be missing here and in L2 already.
        """
        key = messages_key(thread_id)
        is_complete = window.is_all or len(window.exchanges) >= self._memory.max_thread_messages
        # Whoever deletes one of these users has to find the list, also if L2 has lost the thread before.
        users = {exchange.user_id: exchange.order for exchange in window.exchanges if exchange.user_id is not None}

        def fill(pipe: Pipeline) -> None:
            self._restore_tombstone(pipe, thread_id, window)
            self._lists.queue_merge(
                pipe,
                thread_id,
                window.exchanges,
                ttl=self._memory.thread_ttl_seconds if window.exchanges else 0,
                only_existing=not window.exchanges,
                cutoff=window.cutoff,
                deleted=window.deleted,
                is_stored=True,
            )
            for user_id, newest in users.items():
                self._lists.queue_user(pipe, user_id, thread_id, newest)
            pipe.smembers(deleted_key(thread_id))
            pipe.get(tombstone_key(thread_id))
            pipe.lindex(key, 0)
            pipe.get(claim_key(thread_id))

        *_, members, tombstone, head, held = self._call(fill)
        cutoff, deleted = order_of(tombstone), uuids_of(members)
        overtaken = [each.exchange_id for each in window.exchanges if each.exchange_id in deleted]
        if overtaken or (cutoff is not None and any(exchange.order <= cutoff for exchange in window.exchanges)):
            # Deleted since L2 was asked.
            self._call(
                lambda p: self._lists.queue_merge(
                    p, thread_id, [], ttl=0, only_existing=True, cutoff=cutoff, deleted=overtaken
                )
            )
        elif is_complete and (lease is None or held == lease.encode()):
            self._call(lambda p: self._declare_whole(p, thread_id, head, lease, has_older=not window.is_all))
        self._trust(key)

    def _declare_whole(
        self, pipe: Pipeline, thread_id: str, head: bytes | None, lease: str | None, *, has_older: bool
    ) -> None:
        """Mark the list whole if it still begins with `head`; if there is none, the thread is new."""
        if head is not None:
            message = decode(head)
            mark = str(message.exchange_id) if message is not None and message.exchange_id else "whole"
            # A list that a deletion shortens meanwhile must not be taken for the thread's beginning.
            self._lists.queue_mark(pipe, thread_id, f"{mark}:older" if has_older else mark)
        elif lease is None:
            pipe.set(claim_key(thread_id), IS_NEW, ex=_CLAIM_SECONDS)
        else:
            pipe.eval(CONFIRM_CLAIM, 1, claim_key(thread_id), lease, IS_NEW, _CLAIM_SECONDS)

    def _restore_tombstone(self, pipe: Pipeline, thread_id: str, window: Window) -> None:
        if window.cutoff is not None:
            pipe.set(tombstone_key(thread_id), str(window.cutoff), ex=_TOMBSTONE_SECONDS)
        self._lists.queue_deleted(pipe, thread_id, window.deleted)

    def repair_thread(self, thread_id: str, window: Window) -> None:
        """Merge what L2 holds into the list if there is one, and respect the deletion that L2 remembers."""

        def fill(pipe: Pipeline) -> None:
            self._restore_tombstone(pipe, thread_id, window)
            self._lists.queue_merge(
                pipe,
                thread_id,
                window.exchanges,
                ttl=0,
                only_existing=True,
                cutoff=window.cutoff,
                deleted=window.deleted,
                is_stored=True,
            )
            pipe.srem(BEGUN, thread_id)
            pipe.hvals(pending_key(thread_id))

        bodies = self._call(fill)[-1]
        self._forget_pending({thread_id: bodies}, {thread_id: window.cutoff}, window.deleted)

    def begun(self, limit: int) -> list[str]:
        """Return threads whose list was begun by an exchange; `repair_thread` crosses them off.

        What such a list lacks was lost with an L1 before, or drained while there was no list; and what comes late can
        leave a gap in it.
        """
        (members,) = self._call(lambda pipe: pipe.srandmember(BEGUN, limit))
        return ids_of(members)

    def merge_stored(self, exchanges: Sequence[Exchange]) -> None:
        """Merge what L2 just took into the lists that exist, all threads in one round trip."""
        threads: dict[str, list[Exchange]] = {}
        for exchange in exchanges:
            threads.setdefault(exchange.thread_id, []).append(exchange)

        def fill(pipe: Pipeline) -> None:
            for thread_id, batch in threads.items():
                self._lists.queue_merge(pipe, thread_id, batch, ttl=0, only_existing=True, is_stored=True)
                pipe.get(tombstone_key(thread_id))
                fields = drained_fields(batch)
                pipe.smembers(deleted_key(thread_id))
                # Before the removal: an append that comes after it finds here that its exchange is drained.
                pipe.sadd(drained_key(thread_id), *fields)
                pipe.expire(drained_key(thread_id), _DRAINED_SECONDS)
                pipe.hdel(pending_key(thread_id), *fields)
                pipe.delete(claim_key(thread_id))

        if not threads:
            return
        replies = self._call(fill)
        overtaken: dict[str, tuple[UUID | None, list[UUID]]] = {}
        for (thread_id, batch), tombstone, members in zip(threads.items(), replies[1::7], replies[2::7], strict=True):
            cutoff, deleted = order_of(tombstone), uuids_of(members)
            gone = [exchange.exchange_id for exchange in batch if exchange.exchange_id in deleted]
            if gone or (cutoff is not None and any(exchange.order <= cutoff for exchange in batch)):
                overtaken[thread_id] = cutoff, gone

        def clean(pipe: Pipeline) -> None:
            for thread_id, (cutoff, gone) in overtaken.items():
                self._lists.queue_merge(pipe, thread_id, [], ttl=0, only_existing=True, cutoff=cutoff, deleted=gone)

        if overtaken:
            self._call(clean)

    def merge_later(self, exchange: Exchange) -> None:
        """Merge what L2 took ahead of the next call that gets through."""
        self._remember_unmerged(Append(exchange, is_drained=True, in_outbox=False))

    def set_preferences(self, user_id: str, preferences: Mapping[str, str]) -> None:
        """Make the user's hash hold exactly these, and remember when there are none."""
        key = preferences_key(user_id)
        ttl = self._memory.user_ttl_seconds
        fields = [text for item in preferences.items() for text in item]

        def fill(pipe: Pipeline) -> None:
            if preferences:
                pipe.delete(no_preferences_key(user_id))
            pipe.eval(REPLACE_HASH, 1, key, ttl, *fields)
            if not preferences:
                pipe.set(no_preferences_key(user_id), "1", ex=ttl)

        self._call(fill)
        self._trust(key)

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
            messages = [decode(entry) for entry in entries or []]
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
                pipe.set(tombstone_key(thread_id), str(cutoff), ex=_TOMBSTONE_SECONDS)
                self._lists.queue_merge(pipe, thread_id, [], ttl=0, only_existing=True, cutoff=cutoff)
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
            self._lists.queue_merge(pipe, thread_id, [], ttl=0, only_existing=True, deleted=exchange_ids)
            pipe.delete(claim_key(thread_id))
            pipe.hkeys(pending_key(thread_id))

        self._forget_local(lambda e: e.thread_id == thread_id and e.exchange_id in exchange_ids)
        names = {str(exchange_id).encode() for exchange_id in exchange_ids}
        fields = [field for field in self._call(fill)[-1] if field.partition(b":")[0] in names]
        if fields:
            self._call(lambda pipe: pipe.hdel(pending_key(thread_id), *fields))

    def forget_user(self, user_id: str, cutoff: UUID) -> list[str]:
        """Remember the deletion, remove the preferences, and return the threads the user wrote to until then."""
        threads = user_threads_key(user_id)

        def fill(pipe: Pipeline) -> None:
            pipe.set(user_tombstone_key(user_id), str(cutoff), ex=_TOMBSTONE_SECONDS)
            pipe.zrange(threads, 0, -1)
            pipe.delete(preferences_key(user_id))
            pipe.delete(no_preferences_key(user_id))
            # A thread that the user writes to after the deletion stays in the index.
            pipe.zremrangebyscore(threads, "-inf", f"({milliseconds_of(cutoff) / 1000}")

        self._forget_local(lambda exchange: exchange.user_id == user_id and exchange.order <= cutoff)
        replies = self._call(fill)
        return ids_of(replies[1])

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

    def settle(self, *, at_once: bool, evictions: int | None = None) -> None:
        """Remember that the queue was seen empty since L1 lost something, or that L1 is the first there is.

        The first call after that begins the time after which an empty queue is believed: SQS counts approximately.
        `evictions` are those known when the queue was asked; a later one begins anew.
        """
        (seconds, _), (began, noted) = self._call(lambda p: (p.time(), p.hmget(EPOCH, ["began", "evictions"])))
        since = number_of(began)
        is_begun = since is not None and (evictions is None or evictions == (number_of(noted) or 0))
        state: dict[Any, Any] = {}
        if not is_begun:
            state |= {"began": seconds, "evictions": evictions or 0}
        if at_once or (is_begun and since is not None and seconds - since > _SETTLING_SECONDS):
            state |= {"settled": 1}

        def fill(pipe: Pipeline) -> None:
            if not is_begun:
                pipe.hdel(EPOCH, "settled")
            pipe.hset(EPOCH, mapping=state)

        if state:
            self._call(fill)

    def clock(self) -> float:
        """Return the Unix seconds of L1's clock."""
        ((seconds, microseconds),) = self._call(lambda pipe: pipe.time())
        return float(seconds + microseconds / 1e6)

    def ping(self) -> None:
        """Return if it answers."""
        self._call(lambda pipe: pipe.ping())


def _is_refused(replies: Sequence[object]) -> bool:
    return any(isinstance(reply, Exception) for reply in replies)


def _remember(memory: OrderedDict[Any, Any], key: object, value: object, *, most: int = _MOST_REMEMBERED) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)
