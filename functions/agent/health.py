"""Checks whether each layer accepts writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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


@dataclass(frozen=True, slots=True)
class LayerHealth:
    """The health of a layer.

    Attributes:
        responded_at: When the layer last accepted a write from this process, in UTC; None if it has not yet.
    """

    is_ok: bool
    responded_at: datetime | None

    @property
    def state(self) -> str:
        """The state in a response."""
        return "ok" if self.is_ok else "unavailable"


class Health:
    """Checks the layers, and remembers when each one last responded."""

    def __init__(self, layers: Mapping[str, Layer], archive: SearchArchive) -> None:
        self._layers = layers
        self._archive = archive
        self._responded_at: dict[str, datetime] = {}

    def check(self) -> dict[str, LayerHealth]:
        """Test a write in each layer."""
        return {name: self._check(name, layer) for name, layer in self._layers.items()}

    def _check(self, name: str, layer: Layer) -> LayerHealth:
        try:
            layer.ping()
        except StoreUnavailable:
            return LayerHealth(is_ok=False, responded_at=self._responded_at.get(name))
        self._responded_at[name] = datetime.now(UTC)
        return LayerHealth(is_ok=True, responded_at=self._responded_at[name])

    def to_json(self) -> dict[str, Any]:
        """Return `status`, each layer's state, and the progress of the search's index, for `GET /health`."""
        layers = self.check()
        is_healthy = all(layer.is_ok for layer in layers.values())
        states = {name: layer.state for name, layer in layers.items()}
        return {"status": "ok" if is_healthy else "degraded", **states, "search": self._search_progress()}

    def _search_progress(self) -> dict[str, int] | None:
        """Return how many exchanges the sweep has still to index; None if PostgreSQL does not respond."""
        try:
            return {"unindexed": self._archive.unindexed(_MAX_COUNTED)}
        except StoreUnavailable:
            return None
