"""The metric `Lost` counts lost exchanges. It does not count exchanges that the service rejects on purpose."""

from __future__ import annotations

import json

import pytest

from functions.agent.metrics import AgentMetrics
from shared.memory.recall import Recall
from shared.memory.turn import AppendResult
from shared.stores.breaker import CircuitBreaker


@pytest.mark.parametrize(
    ("degraded", "is_lost"),
    [([], False), (["redis"], False), (["queue"], False), (["queue", "postgres"], True)],
)
def test_only_exchanges_without_a_store_are_lost(
    capsys: pytest.CaptureFixture[str], degraded: list[str], *, is_lost: bool
) -> None:
    """An exchange with durability `none` is lost only if the queue and PostgreSQL were down.

    A deleted exchange that is repeated also has durability `none`, but is not lost.
    """
    metrics = AgentMetrics({})
    metrics.count_append(AppendResult(None, "none", cached=False, degraded=degraded))
    metrics.flush()
    assert ('"Lost"' in capsys.readouterr().out) == is_lost


def test_a_line_has_the_embedded_metric_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line has the counts of one invocation and the state of each circuit. Without counts there is no line."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "stack-agent")
    metrics = AgentMetrics({"redis": CircuitBreaker("redis", probe=lambda: None)})
    metrics.count_recall(Recall(source="postgres", degraded=["redis"]))
    metrics.count_append(AppendResult(None, "queue", cached=False, degraded=["redis"]))
    metrics.flush()
    metrics.flush()
    (line,) = capsys.readouterr().out.splitlines()
    fields = json.loads(line)
    meta = fields.pop("_aws")
    counts = {"Hydrations": 1, "DegradedRedis": 2, "DurabilityQueue": 1, "CircuitOpenRedis": 0}
    assert fields == {"service": "stack-agent", **counts}
    assert isinstance(meta["Timestamp"], int)
    (metric_set,) = meta["CloudWatchMetrics"]
    assert (metric_set["Namespace"], metric_set["Dimensions"]) == ("HybridMemory", [["service"]])
    assert metric_set["Metrics"] == [{"Name": name, "Unit": "Count"} for name in counts]
