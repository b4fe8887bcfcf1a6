"""Generations: for how long what stands in Redis can be trusted.

A seal, and the note that a user's preferences are complete, each name the generation in which PostgreSQL confirmed
them. They count only while that generation lasts. It ends when Redis may have lost a write:
another server answers under the same name (a restart from a snapshot, a promoted replica), Redis is empty, or a process
saw a write fail. The first reader of each key then compares it with PostgreSQL, for every other reader.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.clocks import MAX_AHEAD
from shared.stores.redis.connection import Command, Pipeline, queue_commands
from shared.stores.redis.names import EPOCH

# `doubt` is the generation's name: earlier releases wrote there when they last saw Redis fail.
_FIELDS: Final = ("doubt", "identity", "began", "evictions", "suspect")
_NUMBER: Final = re.compile(rb"-?[0-9]{1,20}(\.[0-9]{1,9})?")
_GENERATION: Final = re.compile(rb"[0-9]{1,20}(\.[0-9]{1,9})?")
# The value of `began` for a Redis that has lost nothing, and missed a write in its first generation.
_NEVER: Final = 0.0
# How much later the next generation is, at least; in seconds.
_STEP: Final = 0.001
READ_EPOCH: Final[Command] = ("HMGET", EPOCH, *_FIELDS)


def number_of(reply: bytes | None) -> float | None:
    """Return the number that a field of the project's own holds, None for what another program put there."""
    return float(reply) if reply and _NUMBER.fullmatch(reply) else None


@dataclass(frozen=True, slots=True)
class Epoch:
    """What `memory:epoch` says.

    Attributes:
        generation: The name of the generation, None where there is none.
        identity: The server that the generation was begun on, see `RedisConnection.identity`.
        lost_at: When Redis may have lost data for the last time, see `CacheState.lost_at`.
        is_first: Whether there was no Redis before this generation.
        evictions: How many keys Redis had evicted at `lost_at`.
        suspect_until: Redis came back older: what was accepted before this time may have been deleted since.
    """

    generation: str | None = None
    identity: str | None = None
    lost_at: float | None = None
    is_first: bool = False
    evictions: int = 0
    suspect_until: float | None = None

    def is_of(self, identity: str | None) -> bool:
        """Return whether the generation lasts on the server with this identity; an unknown identity is not held."""
        return self.generation is not None and (identity is None or identity == self.identity)


def queue_epoch(pipe: Pipeline) -> object:
    """Queue the question for the epoch; one reply, for `read_epoch`."""
    return queue_commands(pipe, READ_EPOCH)


def read_epoch(reply: Sequence[bytes | None] | None) -> Epoch:
    """Return what the reply says; what another program put there counts as nothing."""
    generation, identity, began, evictions, suspect = reply or (None,) * len(_FIELDS)
    name = generation.decode() if generation and _GENERATION.fullmatch(generation) else None
    lost_at = number_of(began)
    # There was no Redis before a time that begins with its generation.
    is_first = name is not None and lost_at == float(name)
    return Epoch(
        generation=name,
        identity=identity.decode("utf-8", "replace") if identity else None,
        lost_at=-math.inf if is_first or lost_at == _NEVER else lost_at,
        is_first=is_first,
        evictions=int(number_of(evictions) or 0),
        suspect_until=number_of(suspect) if suspect else None,
    )


def name_of(clock: float, after: str | None = None) -> str:
    """Return the name of a generation that begins at this time of Redis' clock.

    It is greater than the one before, also when Redis' clock was set back: that tells which of two is the later one.
    """
    return f"{clock if after is None else max(clock, float(after) + _STEP):.6f}"


def started_after(last: Epoch, clock: float) -> dict[Any, Any]:
    """Return the fields that begin a generation of the same data; Redis has missed a write."""
    fields: dict[Any, Any] = {"doubt": name_of(clock, last.generation)}
    if last.is_first:
        # Still nothing is lost, but this is not the first generation any more, and may lack keys of requests.
        fields["began"] = _NEVER
    return fields


def started_by(generation: str, identity: str | None, clock: float, *, is_older: bool) -> dict[Any, Any]:
    """Return the fields that begin a generation of other data.

    Args:
        generation: Its name.
        identity: The server that answers now.
        clock: Redis' clock.
        is_older: What Redis holds may be from before deletions, not only less.
    """
    fields: dict[Any, Any] = {"doubt": generation}
    if identity is not None:
        fields["identity"] = identity
    if is_older:
        # By the later of two clocks: what may be deleted must not be taken for what came after.
        fields["suspect"] = name_of(max(clock, time.time()) + MAX_AHEAD)
    return fields
