"""The agent function's metrics, in CloudWatch's embedded metric format."""

from __future__ import annotations

from collections.abc import Mapping

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from shared.memory.recall import Recall
from shared.memory.turn import AppendResult
from shared.stores.breaker import CircuitBreaker


class AgentMetrics:
    """Counts the outcomes of turns, and writes the counts once per invocation.

    Args:
        breakers: The circuit breaker of each layer.
    """

    def __init__(self, breakers: Mapping[str, CircuitBreaker]) -> None:
        self._metrics = Metrics(namespace="HybridMemory")
        self._breakers = breakers
        self._has_counts = False

    def recalled(self, recall: Recall) -> None:
        """Count the layer that served a context, and the layers that did not respond."""
        if recall.messages:
            self._count("CacheHit" if recall.source == "redis" else "CacheMiss")
        if recall.source == "postgres":
            self._count("Hydrations")
        self._degraded(recall.degraded)

    def kept(self, receipt: AppendResult) -> None:
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

    def _count(self, name: str) -> None:
        self._has_counts = True
        self._metrics.add_metric(name, MetricUnit.Count, 1)

    def flush(self) -> None:
        """Write the counts of this invocation and the state of every circuit breaker. Without counts, write nothing."""
        if not self._has_counts:
            return
        for layer, breaker in self._breakers.items():
            self._metrics.add_metric(f"CircuitOpen{layer.capitalize()}", MetricUnit.Count, int(breaker.is_open))
        self._metrics.flush_metrics()
        self._has_counts = False
