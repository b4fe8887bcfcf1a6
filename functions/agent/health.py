"""Checks whether each layer accepts writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shared.errors import StoreUnavailable


class Layer(Protocol):
    """A store whose health is checked."""

    def ping(self) -> None:
        """Test a write.

        Raises:
            StoreUnavailable: The store does not respond, or refuses the write.
        """
        ...


def read_health(layers: Mapping[str, Layer]) -> dict[str, str]:
    """Test a write in each layer, and return `status` and each layer's `ok` or `unavailable`."""
    states: dict[str, str] = {}
    for name, layer in layers.items():
        try:
            layer.ping()
        except StoreUnavailable:
            states[name] = "unavailable"
        else:
            states[name] = "ok"
    is_healthy = all(state == "ok" for state in states.values())
    return {"status": "ok" if is_healthy else "degraded", **states}
