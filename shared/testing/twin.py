"""The common base of the in-memory twins: a switch, and a record of the calls."""

from __future__ import annotations

from shared.errors import StoreUnavailable


class Twin:
    """A store that can be switched off."""

    layer: str

    def __init__(self) -> None:
        self.is_down = False
        self.calls: list[str] = []

    def begin(self, call: str) -> None:
        """Record the call.

        Raises:
            StoreUnavailable: The store is switched off.
        """
        self.calls.append(call)
        if self.is_down:
            raise StoreUnavailable(self.layer, "switched off")

    def ping(self) -> None:
        """Return if it is not down."""
        self.begin("ping")
