"""The base class of the in-memory stores, with a simulated outage and a record of the calls."""

from __future__ import annotations

from shared.errors import StoreUnavailable


class InMemoryStore:
    """A store that can be down.

    Attributes:
        layer: The layer's name in `degraded`.
        is_down: Whether every call raises `StoreUnavailable`.
        calls: The names of the calls.
    """

    layer: str

    def __init__(self) -> None:
        self.is_down = False
        self.calls: list[str] = []

    def record_call(self, call: str) -> None:
        """Record the call.

        Raises:
            StoreUnavailable: The store is down.
        """
        self.calls.append(call)
        if self.is_down:
            raise StoreUnavailable(self.layer, "switched off")

    def ping(self) -> None:
        """Raise an error if the store is down."""
        self.record_call("ping")
