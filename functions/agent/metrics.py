"""The agent function's metrics, in CloudWatch's embedded metric format."""

from __future__ import annotations

from collections.abc import Mapping

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from shared.memory.recall import Recall
from shared.memory.turn import AppendResult
from shared.stores.breaker import CircuitBreaker


class AgentMetrics:
    """Counts what turns did, and hands the counts over once an invocation.

    Args:
        breakers: The circuit of each layer.
    """

    def __init__(self, breakers: Mapping[str, CircuitBreaker]) -> None:
        self._metrics = Metrics(namespace="HybridMemory")
        self._breakers = breakers
        self._has_counts = False

    def recalled(self, recall: Recall) -> None:
        """Count where a context came from, and which layers did not answer."""
        if recall.messages:
            self._count("CacheHit" if recall.source == "redis" else "CacheMiss")
        if recall.source == "postgres":
            self._count("Hydrations")
        self._degraded(recall.degraded)

    def kept(self, receipt: AppendResult) -> None:
        """Count where an exchange went, and which layers did not answer."""
        self._count(f"Durability{receipt.durability.capitalize()}")
        # Not every exchange that no store took is lost: the id of a deleted one, told again, is refused on purpose.
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
        """Write the counts of this invocation, with every circuit's state; nothing when there are none."""
        if not self._has_counts:
            return
        for layer, breaker in self._breakers.items():
            self._metrics.add_metric(f"CircuitOpen{layer.capitalize()}", MetricUnit.Count, int(breaker.is_open))
        self._metrics.flush_metrics()
        self._has_counts = False
