"""The commands and replies of one read of Redis."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.models import Exchange
from shared.stores.cache import CachedMemories, CacheRead, CacheState
from shared.stores.redis.connection import PROBE_WRITE, Command, Pipeline, queue_commands
from shared.stores.redis.entries import decode_list, decode_undrained, is_sealed, token_of, without_placeholder
from shared.stores.redis.generation import READ_GENERATION, GenerationRecord
from shared.stores.redis.lists import newest_revisions, order_of, uuids_of
from shared.stores.redis.names import (
    GENERATION_KEY,
    OUTBOX,
    deleted_key,
    memories_key,
    messages_key,
    preferences_key,
    preferences_seal_key,
    tombstone_key,
    undrained_key,
    user_threads_key,
    user_tombstone_key,
)
from shared.stores.redis.scripts import READ

# The time to live of a list that has only a placeholder.
_PLACEHOLDER_SECONDS: Final = 900
# Commands that Redis may refuse: the test write, and commands for which this user may lack the permission.
OPTIONAL_REPLIES: Final = frozenset({"probe", "stats", "replication"})


class ReadCommands:
    """The commands of one read. Each command has a name.

    Attributes:
        names: The commands' names in the order of the replies.
    """

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}
        self.names = self._commands.keys()

    def add_write_test(self) -> None:
        """Add a test write and the replication state."""
        self._commands |= {"probe": PROBE_WRITE, "replication": ("INFO", "replication")}

    def add_generation_start(self, record_fields: Mapping[Any, Any]) -> None:
        """Add the write of the generation record with these fields, which starts a generation."""
        fields = [text for item in record_fields.items() for text in item]
        # Redis may have lost data, so no old field of the record is valid.
        self._commands |= {
            "record_removed": ("DEL", GENERATION_KEY),
            "record_written": ("HSET", GENERATION_KEY, *fields),
        }

    def add_unsealed_reads(self, thread_id: str) -> None:
        """Add the reads that an unsealed list needs: the undrained exchanges, and whether Redis may have lost keys.

        Add them after the read of the list, so that the replies include an exchange that is appended in between.
        """
        self.add_undrained(thread_id)
        self._commands |= {"outbox": ("LLEN", OUTBOX), "stats": ("INFO", "stats")}

    def add_undrained(self, thread_id: str) -> None:
        """Add a read of all undrained exchanges. A sealed list contains them."""
        self._commands["undrained"] = ("HVALS", undrained_key(thread_id))

    def add_state(self) -> None:
        """Add reads of Redis' clock and of the generation record."""
        self._commands |= {"time": ("TIME",), "record": READ_GENERATION}

    def add_thread(self, thread_id: str, max_messages: int, token: tuple[str, str] | None) -> None:
        """Add reads of a thread's newest messages and its tombstones.

        `token` is a generation and a token. A list that is not sealed in this generation gets the token before its
        messages are read.
        """
        key = messages_key(thread_id)
        if token is not None:
            self._commands["add_token"] = ("EVAL", READ, 1, key, max_messages, *token, _PLACEHOLDER_SECONDS)
        self._commands |= {
            "messages": ("LRANGE", key, -max_messages, -1),
            "tombstone": ("GET", tombstone_key(thread_id)),
            "deleted": ("SMEMBERS", deleted_key(thread_id)),
        }

    def add_user(self, user_id: str) -> None:
        """Add reads of a user's preferences and their seal."""
        self._commands |= {
            "preferences": ("HGETALL", preferences_key(user_id)),
            "preferences_seal": ("GET", preferences_seal_key(user_id)),
        }

    def add_memories(self, user_id: str, thread_id: str | None) -> None:
        """Add reads of a user's memories and of a thread's summary."""
        self._commands["memories"] = ("HMGET", memories_key(user_id), "seal", "current", f"summary:{thread_id or ''}")

    def add_user_threads(self, user_id: str, max_threads: int) -> None:
        """Add reads of the user's newest threads and tombstone, and whether Redis may have lost undrained exchanges."""
        self._commands |= {
            "threads": ("ZREVRANGE", user_threads_key(user_id), 0, max_threads),
            "user_tombstone": ("GET", user_tombstone_key(user_id)),
            "outbox": ("LLEN", OUTBOX),
            "stats": ("INFO", "stats"),
        }

    def fill(self, pipe: Pipeline) -> None:
        """Queue all commands."""
        queue_commands(pipe, *self._commands.values())


def clock_of(reply: tuple[int, int]) -> float:
    """Return the Unix seconds in a reply to TIME."""
    return reply[0] + reply[1] / 1e6


def preferences_seal(generation: str, count: int) -> bytes:
    """Return the seal of a user's preferences. It contains their number, because Redis may evict the hash alone."""
    return f"{generation} {count}".encode()


@dataclass(frozen=True, slots=True)
class ReadReply:
    """The replies to `ReadCommands`.

    Attributes:
        replies: The replies by command name.
        record: The generation record.
        generation: The current generation; None if it has ended.
        thread_id: The thread; '' if no thread was read.
        max_messages: The list's maximum number of messages.
        refuses_writes: Whether Redis refuses writes.
    """

    replies: dict[str, Any]
    record: GenerationRecord
    generation: str | None
    thread_id: str
    max_messages: int
    refuses_writes: bool

    def with_replies(self, replies: dict[str, Any]) -> Self:
        """Return a copy that also has the replies to `ReadCommands.add_unsealed_reads`."""
        return dataclasses.replace(self, replies=self.replies | replies)

    def read(self) -> CacheRead:
        """Parse the replies. Only a seal of the current generation is valid."""
        replies, state = self.replies, self._state()
        listed: list[bytes] = replies.get("messages") or []
        entries = without_placeholder(listed)
        messages, cutoff, deleted = decode_list(entries), None, frozenset[UUID]()
        if replies.get("tombstone") or replies.get("deleted"):
            cutoff, deleted = order_of(replies["tombstone"]), uuids_of(replies["deleted"] or ())
            messages = messages.without(cutoff, deleted)
        sealed = len(messages) == len(entries) and is_sealed(listed, self.max_messages, state.generation)
        bodies = replies.get("undrained")
        undrained, outdated = split_undrained(self.thread_id, bodies, cutoff, deleted) if bodies else ([], [])
        preferences, has_all_preferences = self._preferences(state.generation)
        return CacheRead(
            messages,
            sealed,
            token=None if sealed else token_of(listed),
            undrained=undrained,
            outdated=outdated,
            cutoff=cutoff,
            deleted=deleted,
            preferences=preferences,
            has_all_preferences=has_all_preferences,
            memories=self._memories(state.generation),
            state=state,
        )

    def _state(self) -> CacheState:
        """Return the state of Redis."""
        record, stats = self.record, self.replies.get("stats")
        clock = clock_of(self.replies["time"])
        generation = None if self.refuses_writes else self.generation
        evictions = None if stats is None else int(stats["evicted_keys"])
        lost_at = record.lost_at
        if self.generation is None or evictions not in {None, record.evictions} or not record.is_clock_unchanged(clock):
            # Redis may have lost more keys since the loss that the record names.
            lost_at = None
        return CacheState(
            clock,
            generation,
            lost_at,
            evictions,
            has_outbox=bool(self.replies.get("outbox")),
            suspect_until=clock if generation is None else record.suspect_until,
            refuses_writes=self.refuses_writes,
        )

    def _preferences(self, generation: str | None) -> tuple[dict[str, str], bool]:
        """Return the preferences, and whether they are complete."""
        fields: Mapping[bytes, bytes] = self.replies.get("preferences") or {}
        seal: bytes | None = self.replies.get("preferences_seal")
        preferences = {str(name, "utf-8", "replace"): str(value, "utf-8", "replace") for name, value in fields.items()}
        return preferences, generation is not None and seal == preferences_seal(generation, len(fields))

    def _memories(self, generation: str | None) -> CachedMemories | None:
        """Return the user's memories if their seal is valid."""
        seal, current, summary = self.replies.get("memories") or (None, None, None)
        if generation is None or seal != generation.encode() or current is None:
            return None
        return CachedMemories(current.decode(), None if summary is None else summary.decode())


def split_undrained(
    thread_id: str, bodies: Sequence[bytes] | None, cutoff: UUID | None, deleted: Collection[UUID]
) -> tuple[list[Exchange], list[Exchange]]:
    """Split the exchanges in a reply to `ReadCommands.add_undrained` into current and outdated ones.

    The outdated exchanges are deleted or have an earlier revision.
    """
    exchanges = [exchange for body in bodies or () if (exchange := decode_undrained(thread_id, body)) is not None]
    current = newest_revisions(
        each for each in exchanges if not is_deleted(each.exchange_id, each.acceptance, deleted, cutoff)
    )
    names = {(each.exchange_id, each.revision) for each in current}
    return current, [each for each in exchanges if (each.exchange_id, each.revision) not in names]
