"""The agent function's metrics, in CloudWatch's embedded metric format."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

import orjson

from shared.memory.recall import Recall
from shared.memory.turn import AppendResult
from shared.stores.breaker import CircuitBreaker

_NAMESPACE: Final = "HybridMemory"


class AgentMetrics:
    """Counts the outcomes of turns, and writes the counts once per invocation.

    Args:
        breakers: The circuit breaker of each layer.
    """

    def __init__(self, breakers: Mapping[str, CircuitBreaker]) -> None:
        self._counts: Counter[str] = Counter()
        self._breakers = breakers
        self._service = os.environ.get("POWERTOOLS_SERVICE_NAME", "agent")

    def count_recall(self, recall: Recall) -> None:
        """Count the layer that served a context, and the layers that did not respond."""
        if recall.messages:
            self._count("CacheHit" if recall.source == "redis" else "CacheMiss")
        if recall.source == "postgres":
            self._count("Hydrations")
        self._degraded(recall.degraded)

    def count_append(self, receipt: AppendResult) -> None:
        """Count the store that accepted an exchange, and the layers that did not respond."""
        self._count(f"Durability{receipt.durability.capitalize()}")
        # An exchange that no store accepted is not always lost: a repeated exchange that was deleted is rejected on
        # purpose.
        if receipt.durability == "none" and {"queue", "postgres"} <= set(receipt.degraded):
            self._count("Lost")
        self._degraded(receipt.degraded)

    def _degraded(self, layers: list[str]) -> None:
        for layer in layers:
            self._count(f"Degraded{layer.capitalize()}")

    def _count(self, name: str, count: int = 1) -> None:
        self._counts[name] += count

    def flush(self) -> None:
        """Write the counts of this invocation and the state of every circuit breaker. Without counts, write nothing."""
        if not self._counts:
            return
        for layer, breaker in self._breakers.items():
            self._count(f"CircuitOpen{layer.capitalize()}", int(breaker.is_open))
        metrics = {
            "Namespace": _NAMESPACE,
            "Dimensions": [["service"]],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in self._counts],
        }
        meta = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metrics]}
        line = orjson.dumps({"_aws": meta, "service": self._service, **self._counts})
        self._counts.clear()
        sys.stdout.write(f"{line.decode()}\n")
