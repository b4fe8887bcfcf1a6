"""L1's outbox in memory."""

from __future__ import annotations

from collections.abc import Sequence

from shared.testing.store import InMemoryStore


class InMemoryOutbox(InMemoryStore):
    """The exchanges that L1 keeps for the sweep.

    Attributes:
        outbox_bodies: The bodies of exchanges that no other store has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outbox_bodies: list[str] = []

    def outbox(self, limit: int, skip: int = 0) -> list[str]:
        """Return the oldest bodies in the outbox after the first `skip` ones."""
        self.record_call("outbox")
        return self.outbox_bodies[skip : skip + limit]

    def remove_from_outbox(self, bodies: Sequence[str]) -> None:
        """Remove bodies that are stored elsewhere."""
        self.record_call("remove_from_outbox")
        for body in bodies:
            if body in self.outbox_bodies:
                self.outbox_bodies.remove(body)
