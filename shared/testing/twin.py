"""What the in-memory twins have in common: a switch, and a record of what they were asked."""

from __future__ import annotations

from shared.errors import StoreUnavailable


class Twin:
    """A store that can be switched off."""

    layer: str

    def __init__(self) -> None:
        self.is_down = False
        self.calls: list[str] = []

    def begin(self, call: str) -> None:
        """Note the call.

        Raises:
            StoreUnavailable: It is switched off.
        """
        self.calls.append(call)
        if self.is_down:
            raise StoreUnavailable(self.layer, "switched off")

    def ping(self) -> None:
        """Return if it is not down."""
        self.begin("ping")
