"""The uptime of the in-memory L2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.redelivery import LONG_OUTAGE_DELAY, MAX_DRAIN_AGE, SHORT_OUTAGE_SECONDS
from shared.stores.archive import MAX_HEARTBEAT_GAP_SECONDS

_NEVER: Final = float("-inf")


@dataclass(slots=True)
class Heartbeats:
    """The heartbeats of the sweep, by the rule of `heartbeat.sql`. All times are Unix seconds."""

    healthy_since: float = _NEVER
    beat_at: float = _NEVER
    undrained_since: float = _NEVER

    def beat(self, now: float) -> None:
        """Record that L2 and the sweep are up."""
        if now - MAX_HEARTBEAT_GAP_SECONDS <= self.beat_at <= now:
            if self.healthy_since < now - MAX_DRAIN_AGE:
                self.undrained_since = now - MAX_DRAIN_AGE
        elif now - SHORT_OUTAGE_SECONDS <= self.undrained_since <= now:
            self.healthy_since = now
        else:
            self.healthy_since = now + LONG_OUTAGE_DELAY
        self.beat_at = now

    def uptime(self, now: float) -> float:
        """Return the uptime; see `Archive.uptime_seconds`."""
        return now - self.healthy_since if self.beat_at > now - MAX_HEARTBEAT_GAP_SECONDS else 0.0
