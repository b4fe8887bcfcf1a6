"""One read of Redis: what it asks in its round trip, and what the replies say."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from shared.models import Exchange
from shared.stores.cache import CacheRead, CacheState
from shared.stores.redis.connection import PROBE_WRITE, Command, Pipeline, queue_commands
from shared.stores.redis.entries import decode_list, decode_pending, is_whole, token_of, without_placeholder
from shared.stores.redis.generation import READ_EPOCH, Epoch
from shared.stores.redis.lists import newest_revisions, order_of, uuids_of
from shared.stores.redis.names import (
    EPOCH,
    OUTBOX,
    deleted_key,
    messages_key,
    pending_key,
    preferences_key,
    preferences_seal_key,
    tombstone_key,
)
from shared.stores.redis.scripts import READ

# Replies that may be a refusal: of the probe, or of what this user may not ask.
_PLACEHOLDER_SECONDS: Final = 900
MAY_FAIL: Final = frozenset({"probe", "stats", "replication"})


class ReadCommands:
    """The commands of one read, each under a name.

    Attributes:
        names: Of the commands, in the order of the replies.
    """

    def __init__(self) -> None:
        self._asked: dict[str, Command] = {}
        self.names = self._asked.keys()

    def ask_for_writes(self) -> None:
        """Add a write that shows whether Redis takes any, and what has become of its replication."""
        self._asked |= {"probe": PROBE_WRITE, "replication": ("INFO", "replication")}

    def ask_for_step(self, begun: Mapping[Any, Any]) -> None:
        """Add the beginning of a generation, see `started_by`, in a Redis that is empty, or that came back older."""
        fields = [text for item in begun.items() for text in item]
        # Redis may hold less than it was given: nothing of the old epoch holds, whatever stands there.
        self._asked |= {"forgotten": ("DEL", EPOCH), "begun": ("HSET", EPOCH, *fields)}

    def ask_for_rest(self, thread_id: str) -> None:
        """Add what a reader needs whose list is not sealed; after the list, so that nothing is lost in between.

        What waits for the drain, and whether Redis may have lost some of that.
        """
        self.ask_for_pending(thread_id)
        self._asked |= {"outbox": ("LLEN", OUTBOX), "stats": ("INFO", "stats")}

    def ask_for_pending(self, thread_id: str) -> None:
        """Add what waits for the drain: all of it, so not where the list is sealed and has it too."""
        self._asked["pending"] = ("HVALS", pending_key(thread_id))

    def ask_for_state(self) -> None:
        """Add Redis' clock and its generation."""
        self._asked |= {"time": ("TIME",), "epoch": READ_EPOCH}

    def ask_for_thread(self, thread_id: str, most: int, token: tuple[str, str] | None) -> None:
        """Add a thread's newest messages and all that belongs to them.

        With a generation and a `token`, a list that is not sealed in the generation carries the token from then on.
        """
        key = messages_key(thread_id)
        if token is not None:
            self._asked["asked"] = ("EVAL", READ, 1, key, most, *token, _PLACEHOLDER_SECONDS)
        self._asked |= {
            "messages": ("LRANGE", key, -most, -1),
            "tombstone": ("GET", tombstone_key(thread_id)),
            "deleted": ("SMEMBERS", deleted_key(thread_id)),
        }

    def ask_for_user(self, user_id: str) -> None:
        """Add a user's preferences."""
        self._asked |= {
            "preferences": ("HGETALL", preferences_key(user_id)),
            "preferences_seal": ("GET", preferences_seal_key(user_id)),
        }

    def fill(self, pipe: Pipeline) -> None:
        """Queue them all."""
        queue_commands(pipe, *self._asked.values())


def clock_of(reply: tuple[int, int]) -> float:
    """Return the Unix seconds in a reply to TIME."""
    return reply[0] + reply[1] / 1e6


def preferences_seal(generation: str, count: int) -> bytes:
    """Return what is noted beside a user's preferences: their number too, because the hash may be evicted alone."""
    return f"{generation} {count}".encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a read was answered.

    Attributes:
        replies: By the names of `ReadCommands`.
        generation: The one that lasts, None if it has ended.
        thread_id: Whose list was read, '' for none.
        most: The most messages that belong into the list.
    """

    replies: dict[str, Any]
    epoch: Epoch
    generation: str | None
    thread_id: str
    most: int
    refuses_writes: bool

    def with_rest(self, replies: dict[str, Any]) -> Self:
        """Return the answer with the replies to `ReadCommands.ask_for_rest`."""
        return dataclasses.replace(self, replies=self.replies | replies)

    def read(self) -> CacheRead:
        """Return what the replies say, as far as the generation confirms it; a Redis that refuses writes has none."""
        replies, state = self.replies, self._state()
        listed: list[bytes] = replies.get("messages") or []
        entries = without_placeholder(listed)
        messages, cutoff, deleted = decode_list(entries), None, frozenset[UUID]()
        if replies.get("tombstone") or replies.get("deleted"):
            cutoff, deleted = order_of(replies["tombstone"]), uuids_of(replies["deleted"] or ())
            messages = messages.without(cutoff, deleted)
        is_all = len(messages) == len(entries) and is_whole(listed, self.most, state.generation)
        waiting = replies.get("pending")
        preferences, knows_preferences = self._preferences(state.generation)
        return CacheRead(
            messages,
            is_all,
            token=None if is_all else token_of(listed),
            pending=undrained_in(self.thread_id, waiting, cutoff, deleted) if waiting else [],
            cutoff=cutoff,
            deleted=deleted,
            preferences=preferences,
            knows_preferences=knows_preferences,
            state=state,
        )

    def _state(self) -> CacheState:
        """Return what the replies say of Redis itself."""
        epoch, stats = self.epoch, self.replies.get("stats")
        clock = clock_of(self.replies["time"])
        generation = None if self.refuses_writes else self.generation
        evictions = None if stats is None else int(stats["evicted_keys"])
        lost_at = epoch.lost_at
        if self.generation is None or evictions not in {None, epoch.evictions}:
            # Redis may have lost a list together with what lay beside it.
            lost_at = None
        return CacheState(
            clock,
            generation,
            lost_at,
            evictions,
            has_outbox=bool(self.replies.get("outbox")),
            suspect_until=clock if generation is None else epoch.suspect_until,
            refuses_writes=self.refuses_writes,
        )

    def _preferences(self, generation: str | None) -> tuple[dict[str, str], bool]:
        """Return the preferences, and whether these are all."""
        found: Mapping[bytes, bytes] = self.replies.get("preferences") or {}
        seal: bytes | None = self.replies.get("preferences_seal")
        preferences = {str(name, "utf-8", "replace"): str(value, "utf-8", "replace") for name, value in found.items()}
        return preferences, generation is not None and seal == preferences_seal(generation, len(found))


def undrained_in(
    thread_id: str, bodies: Sequence[bytes] | None, cutoff: UUID | None, deleted: Collection[UUID]
) -> list[Exchange]:
    """Return the exchanges of a reply to `ReadCommands.ask_for_pending`, without what was deleted."""
    found = [exchange for body in bodies or () if (exchange := decode_pending(thread_id, body)) is not None]
    return newest_revisions(
        each for each in found if each.exchange_id not in deleted and (cutoff is None or each.order > cutoff)
    )
