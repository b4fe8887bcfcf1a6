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
        self._count_degraded(recall.degraded)

    def count_append(self, appended: AppendResult) -> None:
        """Count the store that accepted an exchange, and the layers that did not respond."""
        self._count(f"Durability{appended.durability.capitalize()}")
        # `durability` is also `none` if a deleted exchange is sent again, which is rejected on purpose.
        if appended.durability == "none" and {"queue", "postgres"} <= set(appended.degraded):
            self._count("Lost")
        self._count_degraded(appended.degraded)

    def _count_degraded(self, layers: list[str]) -> None:
        for layer in layers:
            self._count(f"Degraded{layer.capitalize()}")

    def _count(self, name: str, count: int = 1) -> None:
        self._counts[name] += count

    def flush(self) -> None:
        """Write the counts of this invocation and the state of each circuit breaker. Without counts, write nothing."""
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
