"""Reads of a thread's list and a user's preferences."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from shared.cutoffs import is_reached
from shared.models import Exchange
from shared.stores.cache import CacheRead, UndrainedExchanges
from shared.stores.redis.connection import Pipeline, ignore_wrongtype, queue_commands
from shared.stores.redis.generation import (
    READ_GENERATION,
    GenerationRecord,
    clock_offset,
    fields_after_server_change,
    generation_name,
    parse_generation_record,
)
from shared.stores.redis.link import MAX_THREADS_PER_CALL, CacheLink
from shared.stores.redis.lists import ids_of, order_of, uuids_of
from shared.stores.redis.names import GENERATION_KEY, deleted_key, tombstone_key, undrained_key
from shared.stores.redis.read import OPTIONAL_REPLIES, ReadCommands, ReadReply, clock_of, split_undrained

# The minimum number of seconds between two reads with a test write.
_PROBE_INTERVAL_SECONDS: Final = 1.0


class ListReader(CacheLink):
    """Reads lists and preferences, and starts a generation if the last one has ended."""

    def read(self, thread_id: str | None, user_id: str | None, *, has_memories: bool = False) -> CacheRead:
        """Read a thread's window, and a user's preferences and memories, in one round trip.

        An unsealed list gets a token, which `refill` needs. Three cases need a second round trip: the list is unsealed,
        a generation must start first, or this process does not know the current generation yet.
        """
        if thread_id is None and user_id is None:
            return CacheRead()
        commands = ReadCommands()
        if time.monotonic() - self._probed_at >= _PROBE_INTERVAL_SECONDS:
            commands.add_write_test()
        known_generation = self._generation
        reply = self._read_once(commands, thread_id, user_id, known_generation, has_memories=has_memories)
        cached = reply.read()
        generation = cached.state.generation
        is_known = generation is not None and generation == known_generation
        needs_no_token = generation is not None and (thread_id is None or cached.is_sealed)
        if cached.state.refuses_writes or is_known or needs_no_token:
            if thread_id is None or cached.is_sealed:
                return cached
            commands = ReadCommands()
            commands.add_unsealed_reads(thread_id)
            replies = self._read_rest(commands, reply.record.generation)
            if replies is not None:
                return reply.with_replies(replies).read()
        elif generation is not None:
            return self._read_once(
                ReadCommands(), thread_id, user_id, generation, has_rest=True, has_memories=has_memories
            ).read()
        clock = clock_of(reply.replies["time"])
        return self._read_on_new_connection(thread_id, user_id, clock, has_memories=has_memories)

    def peek(self, thread_id: str | None, user_id: str | None = None, *, has_memories: bool = False) -> CacheRead:
        """Read a thread's window, and a user's preferences and memories; give no list a token, and start no generation.

        The result has no token, because the undrained exchanges are read before the list. A refill with such a token
        could miss an exchange that is appended in between.
        """
        commands = ReadCommands()
        if thread_id is not None:
            commands.add_undrained(thread_id)
        reply = self._read_once(commands, thread_id, user_id, None, is_read_only=True, has_memories=has_memories)
        return replace(reply.read(), token=None)

    def undrained_of(self, user_id: str, max_threads: int) -> UndrainedExchanges:
        """Return the undrained exchanges of the user's newest threads.

        One round trip reads the threads' names, and one for each `MAX_THREADS_PER_CALL` threads reads the exchanges.
        """
        commands = ReadCommands()
        commands.add_user_threads(user_id, max_threads)
        reply = self._read_once(commands, None, None, None, is_read_only=True)
        threads, user_cutoff = ids_of(reply.replies["threads"] or ()), order_of(reply.replies["user_tombstone"])
        exchanges: list[Exchange] = []
        for start in range(0, min(len(threads), max_threads), MAX_THREADS_PER_CALL):
            exchanges += self._undrained_in(threads[start : start + MAX_THREADS_PER_CALL])
        return UndrainedExchanges(
            [each for each in exchanges if each.user_id == user_id and not is_reached(each.acceptance, user_cutoff)],
            is_all=len(threads) <= max_threads,
            state=reply.read().state,
        )

    def _undrained_in(self, thread_ids: Sequence[str]) -> list[Exchange]:
        def fill(pipe: Pipeline) -> None:
            for thread_id in thread_ids:
                pipe.hvals(undrained_key(thread_id))
                pipe.get(tombstone_key(thread_id))
                pipe.smembers(deleted_key(thread_id))

        replies = self._call(fill, is_read=True)
        return [
            exchange
            for thread_id, bodies, tombstone, deleted in zip(
                thread_ids, replies[::3], replies[1::3], replies[2::3], strict=True
            )
            for exchange in split_undrained(thread_id, bodies, order_of(tombstone), uuids_of(deleted or ()))[0]
        ]

    def _read_on_new_connection(
        self, thread_id: str | None, user_id: str | None, clock: float, *, has_memories: bool
    ) -> CacheRead:
        """Read everything on a new connection, and start a generation if none is valid on its server."""
        commands = ReadCommands()
        record = self._read_generation_on_new_connection()
        generation = record.generation
        if not record.is_valid_on(self._connection.identity):
            generation, is_older = generation_name(clock, record.generation), record.generation is not None
            commands.add_generation_start(
                fields_after_server_change(generation, self._connection.identity, clock, is_older=is_older)
            )
        return self._read_once(
            commands, thread_id, user_id, generation, has_rest=True, has_memories=has_memories
        ).read()

    def _read_generation_on_new_connection(self) -> GenerationRecord:
        """Read the generation record on a new connection. Connecting also reads the server's identity."""
        self._connection.disconnect()
        return parse_generation_record(self._call(lambda pipe: queue_commands(pipe, READ_GENERATION), is_read=True)[0])

    def _read_once(
        self,
        commands: ReadCommands,
        thread_id: str | None,
        user_id: str | None,
        generation: str | None,
        *,
        is_read_only: bool = False,
        has_rest: bool = False,
        has_memories: bool = False,
    ) -> ReadReply:
        max_messages = self._memory.max_thread_messages * 2
        accepts_writes = is_read_only or self._catch_up()
        commands.add_state()
        token = None if generation is None or not accepts_writes else (generation, secrets.token_hex(8))
        if thread_id is not None:
            commands.add_thread(thread_id, max_messages, token)
            if has_rest:
                commands.add_unsealed_reads(thread_id)
        if user_id is not None:
            commands.add_user(user_id)
            if has_memories:
                commands.add_memories(user_id, thread_id)
        replies = self._send_commands(commands)
        if "probe" in replies:
            self._probed_at = time.monotonic()
            if replies["probe"] is None:
                self._failed_at, accepts_writes = self._probed_at, False
        record = parse_generation_record(replies["record"])
        current = self._current_generation(record, replies.get("replication"))
        if not is_read_only:
            self._generation = current
        return ReadReply(replies, record, current, thread_id or "", max_messages, refuses_writes=not accepts_writes)

    def _read_rest(self, commands: ReadCommands, generation: str | None) -> dict[str, Any] | None:
        """Send a read's second round trip, and return its replies.

        Returns None if the connection is new or the generation has changed: Redis may then have lost the data that the
        first round trip found.
        """
        commands.add_state()
        replies = self._send_commands(commands)
        is_same = self._connection.connects == self._connects
        return replies if is_same and parse_generation_record(replies["record"]).generation == generation else None

    def _send_commands(self, commands: ReadCommands) -> dict[str, Any]:
        """Send the commands and return the replies by name, with None for a refusal of an optional command."""
        replies = dict(zip(commands.names, ignore_wrongtype(self._send(commands.fill)), strict=True))
        for name in OPTIONAL_REPLIES & replies.keys():
            if isinstance(replies[name], Exception):
                replies[name] = None
        self._require(list(replies.values()))
        return replies

    def _current_generation(self, record: GenerationRecord, replication: Mapping[str, Any] | None) -> str | None:
        """Return the current generation; None if it has ended, because the server or its data has changed."""
        identity, connects = self._connection.identity, self._connects
        self._connects = self._connection.connects
        if identity is None:
            if connects not in {0, self._connects}:
                # The server reports no identity, so the new connection may lead to another server.
                self._failed_at = time.monotonic()
                return None
        elif replication is not None and not identity.endswith(f":{replication.get('master_replid', '')}"):
            return None
        return record.generation if record.is_valid_on(identity) else None

    def record_loss(self, *, evictions: int | None = None, is_first: bool = False) -> None:
        """Record that Redis lost data before now; with `is_first`, that it has never lost data.

        `evictions` is the count of the read that found the loss. If Redis has evicted more keys since, the next read
        finds this as a new loss.
        """
        now, reply = self._call(lambda pipe: queue_commands(pipe, ("TIME",), READ_GENERATION))
        record = parse_generation_record(reply)
        clock = clock_of(now)
        if record.lost_at is not None and evictions in {None, record.evictions} and record.is_clock_unchanged(clock):
            return
        began = record.generation if is_first and record.generation is not None else generation_name(clock)
        fields: dict[Any, Any] = {"began": began, "evictions": evictions or 0, "offset": f"{clock_offset(clock):.3f}"}
        self._call(lambda pipe: pipe.hset(GENERATION_KEY, mapping=fields))
