"""Checks whether each layer accepts writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from shared.errors import StoreUnavailable
from shared.stores.search import SearchArchive

# Unindexed exchanges beyond this number are not counted.
_MAX_COUNTED: Final = 10_000


class Layer(Protocol):
    """A store whose health is checked."""

    def ping(self) -> None:
        """Test a write.

        Raises:
            StoreUnavailable: The store does not respond, or refuses the write.
        """
        ...


def read_health(layers: Mapping[str, Layer], archive: SearchArchive) -> dict[str, Any]:
    """Test a write in each layer, and return `status`, each layer's state, and the progress of the search's index."""
    states: dict[str, str] = {}
    for name, layer in layers.items():
        try:
            layer.ping()
        except StoreUnavailable:
            states[name] = "unavailable"
        else:
            states[name] = "ok"
    is_healthy = all(state == "ok" for state in states.values())
    return {"status": "ok" if is_healthy else "degraded", **states, "search": _search_progress(archive)}


def _search_progress(archive: SearchArchive) -> dict[str, int] | None:
    """Return how many exchanges the sweep has still to index; None if PostgreSQL does not respond."""
    try:
        return {"unindexed": archive.unindexed(_MAX_COUNTED)}
    except StoreUnavailable:
        return None
