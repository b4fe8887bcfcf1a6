"""Whether the layers take writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shared.errors import StoreUnavailable


class Layer(Protocol):
    """A store, as its health is asked for."""

    def ping(self) -> None:
        """Return if the store takes a write.

        Raises:
            StoreUnavailable: It does not answer, or does not take one.
        """
        ...


def read_health(layers: Mapping[str, Layer]) -> dict[str, str]:
    """Ask each layer to take a write, and return `status` and each layer's `ok` or `unavailable`."""
    states: dict[str, str] = {}
    for name, layer in layers.items():
        try:
            layer.ping()
        except StoreUnavailable:
            states[name] = "unavailable"
        else:
            states[name] = "ok"
    is_well = all(state == "ok" for state in states.values())
    return {"status": "ok" if is_well else "degraded", **states}
