"""Reads of a thread's list and a user's preferences."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from shared.stores.cache import CacheRead
from shared.stores.redis.connection import ignore_wrongtype, queue_commands
from shared.stores.redis.generation import READ_EPOCH, Epoch, name_of, offset_of, read_epoch, started_by
from shared.stores.redis.link import CacheLink
from shared.stores.redis.names import EPOCH
from shared.stores.redis.read import MAY_FAIL, Answer, ReadCommands, clock_of

# Seconds between two reads that also test whether Redis accepts writes.
_PROBE_EVERY: Final = 1.0


class ListReader(CacheLink):
    """Reads, and starts a generation if the last one has ended."""

    def read(self, thread_id: str | None, user_id: str | None) -> CacheRead:
        """Read a thread's window and a user's preferences in one round trip.

        An unsealed list carries a token from then on, for `refill`. Everything is read again if a generation must start
        first, or if this process does not know the current one yet.
        """
        if thread_id is None and user_id is None:
            return CacheRead()
        questions = ReadCommands()
        if time.monotonic() - self._probed_at >= _PROBE_EVERY:
            questions.ask_for_writes()
        known_generation = self._generation
        answer = self._ask(questions, thread_id, user_id, known_generation)
        cached = answer.read()
        generation = cached.state.generation
        is_known = generation is not None and generation == known_generation
        needs_no_token = generation is not None and (thread_id is None or cached.is_sealed)
        if cached.state.refuses_writes or is_known or needs_no_token:
            if thread_id is None or cached.is_sealed:
                return cached
            questions = ReadCommands()
            questions.ask_for_rest(thread_id)
            replies = self._ask_later(questions, answer.epoch.generation)
            if replies is not None:
                return answer.with_rest(replies).read()
        elif generation is not None:
            return self._ask(ReadCommands(), thread_id, user_id, generation, has_rest=True).read()
        return self._read_anew(thread_id, user_id, clock_of(answer.replies["time"]))

    def peek(self, thread_id: str | None, user_id: str | None = None) -> CacheRead:
        """Read the same without changing anything: the list gets no token, and no generation starts.

        The result has no token. The undrained exchanges were read before the list, so a refill with a token could lack
        an exchange.
        """
        questions = ReadCommands()
        if thread_id is not None:
            questions.ask_for_undrained(thread_id)
        return replace(self._ask(questions, thread_id, user_id, None, is_passive=True).read(), token=None)

    def _read_anew(self, thread_id: str | None, user_id: str | None, clock: float) -> CacheRead:
        """Read everything in one round trip on a new connection; start a generation if there is none."""
        questions = ReadCommands()
        epoch = self._ask_epoch_anew()
        generation = epoch.generation
        if not epoch.is_of(self._connection.identity):
            generation, is_older = name_of(clock, epoch.generation), epoch.generation is not None
            questions.ask_for_step(started_by(generation, self._connection.identity, clock, is_older=is_older))
        return self._ask(questions, thread_id, user_id, generation, has_rest=True).read()

    def _ask_epoch_anew(self) -> Epoch:
        """Return the epoch from a new connection, which also reads the server's identity again."""
        self._connection.disconnect()
        return read_epoch(self._call(lambda pipe: queue_commands(pipe, READ_EPOCH), is_read=True)[0])

    def _ask(
        self,
        questions: ReadCommands,
        thread_id: str | None,
        user_id: str | None,
        generation: str | None,
        *,
        is_passive: bool = False,
        has_rest: bool = False,
    ) -> Answer:
        most = self._memory.max_thread_messages * 2
        takes_writes = is_passive or self._catch_up()
        questions.ask_for_state()
        token = None if generation is None or not takes_writes else (generation, secrets.token_hex(8))
        if thread_id is not None:
            questions.ask_for_thread(thread_id, most, token)
            if has_rest:
                questions.ask_for_rest(thread_id)
        if user_id is not None:
            questions.ask_for_user(user_id)
        replies = self._send_questions(questions)
        if "probe" in replies:
            self._probed_at = time.monotonic()
            if replies["probe"] is None:
                self._failed_at, takes_writes = self._probed_at, False
        epoch = read_epoch(replies["epoch"])
        found_in = self._generation_of(epoch, replies.get("replication"))
        if not is_passive:
            self._generation = found_in
        return Answer(replies, epoch, found_in, thread_id or "", most, refuses_writes=not takes_writes)

    def _ask_later(self, questions: ReadCommands, generation: str | None) -> dict[str, Any] | None:
        """Return the replies of a read's second round trip.

        None if Redis may have lost the data that the first round trip found, because the connection is new or has
        another generation.
        """
        questions.ask_for_state()
        replies = self._send_questions(questions)
        is_same = self._connection.connects == self._connects
        return replies if is_same and read_epoch(replies["epoch"]).generation == generation else None

    def _send_questions(self, questions: ReadCommands) -> dict[str, Any]:
        """Return the replies by name; None for a permitted refusal."""
        replies = dict(zip(questions.names, ignore_wrongtype(self._send(questions.fill)), strict=True))
        for name in MAY_FAIL & replies.keys():
            if isinstance(replies[name], Exception):
                replies[name] = None
        self._require(list(replies.values()))
        return replies

    def _generation_of(self, epoch: Epoch, replication: Mapping[str, Any] | None) -> str | None:
        """Return the read's generation; None if it has ended, because the server or its data has changed."""
        identity, connects = self._connection.identity, self._connects
        self._connects = self._connection.connects
        if identity is None:
            if connects not in {0, self._connects}:
                # If the server reports no identity, a new connection may lead to another server.
                self._failed_at = time.monotonic()
                return None
        elif replication is not None and not identity.endswith(f":{replication.get('master_replid', '')}"):
            return None
        return epoch.generation if epoch.is_of(identity) else None

    def note_loss(self, *, evictions: int | None = None, is_first: bool = False) -> None:
        """Record that Redis' last loss was before now; with `is_first`, that it has never lost anything.

        `evictions` is the count of the read that found the loss. Another process may have recorded evictions since.
        """
        now, reply = self._call(lambda pipe: queue_commands(pipe, ("TIME",), READ_EPOCH))
        epoch = read_epoch(reply)
        clock = clock_of(now)
        if epoch.lost_at is not None and evictions in {None, epoch.evictions} and epoch.is_on_time(clock):
            return
        began = epoch.generation if is_first and epoch.generation is not None else name_of(clock)
        noted: dict[Any, Any] = {"began": began, "evictions": evictions or 0, "offset": f"{offset_of(clock):.3f}"}
        self._call(lambda pipe: pipe.hset(EPOCH, mapping=noted))
