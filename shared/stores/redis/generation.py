"""Generations: the periods in which Redis has missed no write.

The seal of a list or of a user's preferences names the generation in which PostgreSQL confirmed that they are complete.
The seal is valid only in that generation. A generation ends when Redis may have lost a write. There are three cases:
another server responds under the same name (after a restart from a snapshot, or a failover), Redis is empty, or a
process saw a write fail. In the next generation, the first reader of each key compares the key with PostgreSQL, and
seals it for all readers.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.clocks import MAX_AHEAD, MAX_DIFFERENCE
from shared.stores.redis.connection import Command, Pipeline, queue_commands
from shared.stores.redis.names import GENERATION_KEY

# The field `doubt` contains the generation's name. Earlier releases wrote the time of Redis' last failure to it.
_FIELDS: Final = ("doubt", "identity", "began", "evictions", "suspect", "offset")
_NUMBER: Final = re.compile(rb"-?[0-9]{1,20}(\.[0-9]{1,9})?")
_GENERATION: Final = re.compile(rb"[0-9]{1,20}(\.[0-9]{1,9})?")
# The value of `began` if the first generation ended with a failed write and Redis has lost no data.
_NEVER: Final = 0.0
# The minimum difference of two generations' names, in seconds.
_STEP: Final = 0.001
READ_GENERATION: Final[Command] = ("HMGET", GENERATION_KEY, *_FIELDS)


def parse_number(reply: bytes | None) -> float | None:
    """Return a field's number; None for a value that another program wrote."""
    return float(reply) if reply and _NUMBER.fullmatch(reply) else None


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """The content of the key `memory:epoch`: the current generation and the last loss of data.

    Attributes:
        generation: The generation's name; None if there is none.
        identity: The server on which the generation started; see `RedisConnection.identity`.
        lost_at: The last time at which Redis may have lost data; see `CacheState.lost_at`.
        is_first: Whether this is the first generation of the first Redis.
        evictions: The number of keys that Redis had evicted at `lost_at`.
        suspect_until: See `CacheState.suspect_until`.
        offset: How far Redis' clock was ahead of a process's clock when `lost_at` was recorded.
    """

    generation: str | None = None
    identity: str | None = None
    lost_at: float | None = None
    is_first: bool = False
    evictions: int = 0
    suspect_until: float | None = None
    offset: float = 0.0

    def is_clock_unchanged(self, clock: float) -> bool:
        """Return whether Redis' clock was not set since `lost_at`. Setting it forward expires keys too early."""
        return abs(clock_offset(clock) - self.offset) <= MAX_DIFFERENCE

    def last_loss(self, clock: float, identity: str | None, evictions: int | None) -> float:
        """Return a time of Redis' clock, `clock` at the latest, after which Redis has certainly lost no data."""
        if not self.is_valid_on(identity) or not self.is_clock_unchanged(clock):
            return clock
        if self.lost_at is None:
            # The loss is not recorded yet. The generation has started after it.
            return float(self.generation or clock)
        return self.lost_at if evictions in {None, self.evictions} else clock

    def is_valid_on(self, identity: str | None) -> bool:
        """Return whether the generation is valid on the server with this identity, or the identity is unknown."""
        return self.generation is not None and (identity is None or identity == self.identity)


def queue_generation_read(pipe: Pipeline) -> object:
    """Queue a read of the generation record. `parse_generation_record` parses the reply."""
    return queue_commands(pipe, READ_GENERATION)


def parse_generation_record(reply: Sequence[bytes | None] | None) -> GenerationRecord:
    """Return the record in a reply. A value that another program wrote counts as missing."""
    generation, identity, began, evictions, suspect, offset = reply or (None,) * len(_FIELDS)
    name = generation.decode() if generation and _GENERATION.fullmatch(generation) else None
    lost_at = parse_number(began)
    # Only the first generation has its own start as `began`; see `ListReader.record_loss`.
    is_first = name is not None and lost_at == float(name)
    return GenerationRecord(
        generation=name,
        identity=identity.decode("utf-8", "replace") if identity else None,
        lost_at=-math.inf if is_first or lost_at == _NEVER else lost_at,
        is_first=is_first,
        evictions=int(parse_number(evictions) or 0),
        suspect_until=parse_number(suspect) if suspect else None,
        offset=parse_number(offset) or 0.0,
    )


def clock_offset(clock: float) -> float:
    """Return how far Redis' clock is ahead of this process's clock."""
    return clock - time.time()


def generation_name(clock: float, after: str | None = None) -> str:
    """Return the name of a generation that starts at this time of Redis' clock.

    Scripts compare the names. So the name is greater than that of the previous generation (`after`), even if Redis'
    clock was set back.
    """
    return f"{clock if after is None else max(clock, float(after) + _STEP):.6f}"


def fields_after_failed_write(last: GenerationRecord, clock: float) -> dict[Any, Any]:
    """Return the fields of the generation that starts after a failed write. Redis still has its data."""
    fields: dict[Any, Any] = {"doubt": generation_name(clock, last.generation)}
    if last.is_first:
        # Redis has lost no data. But idempotency keys may be missing, so the next generation does not count as first.
        fields["began"] = _NEVER
    return fields


def fields_after_server_change(
    generation: str, identity: str | None, clock: float, *, is_older: bool
) -> dict[Any, Any]:
    """Return the fields of the generation that starts on an empty, restored or different Redis.

    Args:
        generation: The generation's name.
        identity: The current server.
        clock: The time of Redis' clock.
        is_older: Whether Redis may contain deleted exchanges. If not, it only lacks data.
    """
    fields: dict[Any, Any] = {"doubt": generation}
    if identity is not None:
        fields["identity"] = identity
    if is_older:
        # Every deleted exchange must have been accepted before this time. So the later time is used: that of Redis'
        # clock or that of this process' clock.
        fields["suspect"] = generation_name(max(clock, time.time()) + MAX_AHEAD)
    return fields
