"""Generations: the periods in which Redis' data can be trusted.

A seal, and the record that a user's preferences are complete, name the generation in which PostgreSQL confirmed them.
They are valid only in that generation. It ends when Redis may have lost a write: another server responds under the same
name (a restart from a snapshot, a promoted replica), Redis is empty, or a process saw a write fail. Then the first
reader of each key compares it with PostgreSQL, for all readers.
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
from shared.stores.redis.names import EPOCH

# The field `doubt` has the generation's name. Earlier releases wrote the time of Redis' last failure there.
_FIELDS: Final = ("doubt", "identity", "began", "evictions", "suspect", "offset")
_NUMBER: Final = re.compile(rb"-?[0-9]{1,20}(\.[0-9]{1,9})?")
_GENERATION: Final = re.compile(rb"[0-9]{1,20}(\.[0-9]{1,9})?")
# The value of `began` after the first generation ended with a failed write, and no data was lost.
_NEVER: Final = 0.0
# The minimum difference of two generations' names, in seconds.
_STEP: Final = 0.001
READ_EPOCH: Final[Command] = ("HMGET", EPOCH, *_FIELDS)


def parse_number(reply: bytes | None) -> float | None:
    """Return the number in a field of this project; None for another program's value."""
    return float(reply) if reply and _NUMBER.fullmatch(reply) else None


@dataclass(frozen=True, slots=True)
class Epoch:
    """The content of `memory:epoch`.

    Attributes:
        generation: The generation's name; None if there is none.
        identity: The server on which the generation started, see `RedisConnection.identity`.
        lost_at: The last time at which Redis may have lost data, see `CacheState.lost_at`.
        is_first: Whether there was no Redis before this generation.
        evictions: The number of evicted keys at `lost_at`.
        suspect_until: If Redis was restored with older data, exchanges accepted before this time may have been deleted.
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
        """Return whether Redis' clock was not set since `lost_at`: setting it forward expires keys."""
        return abs(clock_offset(clock) - self.offset) <= MAX_DIFFERENCE

    def is_valid_on(self, identity: str | None) -> bool:
        """Return whether the generation is valid on the server with this identity; an unknown identity is accepted."""
        return self.generation is not None and (identity is None or identity == self.identity)


def queue_epoch(pipe: Pipeline) -> object:
    """Queue a read of the epoch, with one reply for `read_epoch`."""
    return queue_commands(pipe, READ_EPOCH)


def read_epoch(reply: Sequence[bytes | None] | None) -> Epoch:
    """Return the epoch in the reply; another program's value counts as none."""
    generation, identity, began, evictions, suspect, offset = reply or (None,) * len(_FIELDS)
    name = generation.decode() if generation and _GENERATION.fullmatch(generation) else None
    lost_at = parse_number(began)
    # The first generation starts at `began`, because no earlier Redis existed.
    is_first = name is not None and lost_at == float(name)
    return Epoch(
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

    It is greater than the previous one, even if Redis' clock was set back, so that generations can be compared.
    """
    return f"{clock if after is None else max(clock, float(after) + _STEP):.6f}"


def fields_after_failed_write(last: Epoch, clock: float) -> dict[Any, Any]:
    """Return the fields of the next generation after a failed write; Redis kept its data."""
    fields: dict[Any, Any] = {"doubt": generation_name(clock, last.generation)}
    if last.is_first:
        # No data is lost. But the next generation is not the first one, and idempotency keys may be missing.
        fields["began"] = _NEVER
    return fields


def fields_after_server_change(
    generation: str, identity: str | None, clock: float, *, is_older: bool
) -> dict[Any, Any]:
    """Return the fields of the next generation on an empty, restored or different Redis.

    Args:
        generation: Its name.
        identity: The current server.
        clock: Redis' clock.
        is_older: Whether Redis' data may contain deleted exchanges; if not, it is only incomplete.
    """
    fields: dict[Any, Any] = {"doubt": generation}
    if identity is not None:
        fields["identity"] = identity
    if is_older:
        # Use the later of two clocks, so that deleted exchanges do not count as newer ones.
        fields["suspect"] = generation_name(max(clock, time.time()) + MAX_AHEAD)
    return fields
