"""Every alarm has a threshold and a metric that the code writes. If a count would mislead, the alarm uses a ratio."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from tests.aws.conditions import EvaluatedTemplate

_ROOT: Final = Path(__file__).parents[2]
_ALARMS: Final[dict[str, dict[str, Any]]] = {
    name: resource["Properties"]
    for stack in ("alarms", "store-alarms")
    for name, resource in yaml_parse((_ROOT / "infra" / "aws" / f"{stack}.yaml").read_text())["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}


def _metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    if "Metrics" not in alarm:
        return [alarm]
    return [metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric]


def _written_metrics() -> set[str]:
    """Return the names of the metrics that the functions' code writes."""
    text = "\n".join(path.read_text() for path in (_ROOT / "functions").rglob("*.py"))
    names = set(re.findall(r'(?:add_metric|single_metric|_count)\(\s*"(\w+)"', text))
    names |= {f"Degraded{layer}" for layer in ("Redis", "Postgres", "Queue")}
    return names | {f"Durability{store}" for store in ("Queue", "Postgres", "Redis", "None")}


@pytest.mark.parametrize("name", _ALARMS)
def test_the_alarms_metric_is_written(name: str) -> None:
    """The code writes the project's metrics of the alarm under the names that the alarm uses."""
    own_metrics = {metric["MetricName"] for metric in _metrics(_ALARMS[name]) if metric["Namespace"] == "HybridMemory"}
    assert own_metrics <= _written_metrics()


@pytest.mark.parametrize(
    "name",
    ["AgentErrors", "AgentThrottles", "SyncErrors", "SyncThrottles"]
    + [f"Degraded{layer}" for layer in ("Redis", "Postgres", "Queue")],
)
def test_the_alarm_uses_a_ratio(name: str) -> None:
    """The alarm uses a ratio, because one failure among a million requests must not trigger it."""
    expressions = [metric["Expression"] for metric in _ALARMS[name]["Metrics"] if "Expression" in metric]
    assert ["/" in expression for expression in expressions] == [True]


def test_the_alarm_counts_only_the_sweeps_heartbeats() -> None:
    """The alarm counts only the sweep's heartbeats, not the drain's."""
    (metric,) = _metrics(_ALARMS["SweepStopped"])
    assert (metric["Namespace"], metric["MetricName"]) == ("HybridMemory", "Sweeps")


@pytest.mark.parametrize("name", ["ProxyBorrow", "ProxySignIn", "ReplicaLag", "CacheReplicaLag", "IssuerDown", "Lost"])
def test_the_alarm_exists(name: str) -> None:
    """The alarm exists. Without it, callers would notice the failure first."""
    assert name in _ALARMS


_THRESHOLDS: Final = [
    "AlarmErrorRatio",
    "AlarmLatencyMs",
    "AlarmBacklogSeconds",
    "AlarmSyncLagSeconds",
    "AlarmConnections",
    "AlarmStorageGigabytes",
    "AlarmCacheMemoryPercent",
    "AlarmReplicaLagMs",
    "AlarmProxyWaitMs",
]


@pytest.mark.parametrize("name", [*_THRESHOLDS, "MonthlyBudget"])
def test_a_threshold_is_a_parameter(name: str) -> None:
    """The template passes the parameter to the alarms' stack, where it is an alarm's threshold."""
    template = EvaluatedTemplate("111122223333").template
    assert name in template["Parameters"]
    parameters = [
        key
        for stack in ("AlarmStack", "StoreAlarmStack")
        for key, value in template["Resources"][stack]["Properties"]["Parameters"].items()
        if value == {"Ref": name}
    ]
    assert len(parameters) == 1
    if name in _THRESHOLDS:
        assert {"Ref": parameters[0]} in [alarm["Threshold"] for alarm in _ALARMS.values()]


@pytest.mark.parametrize("name", ["ExchangeQueue", "ExchangeDeadLetterQueue"])
def test_the_queue_is_not_deleted_with_the_stack(name: str) -> None:
    """A deletion of the stack keeps the queue, because the queue may have the only copy of an exchange."""
    queue = EvaluatedTemplate("111122223333").template["Resources"][name]
    assert (queue["DeletionPolicy"], queue["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_concurrency_is_reserved_only_with_the_parameter() -> None:
    """By default no concurrency is reserved, because a new account has too little concurrency."""
    drain = EvaluatedTemplate("111122223333").template["Resources"]["SyncFunction"]["Properties"][
        "ReservedConcurrentExecutions"
    ]
    assert EvaluatedTemplate("111122223333", Stage="prod").evaluate(drain) == {"Ref": "AWS::NoValue"}
    reserved = EvaluatedTemplate("111122223333", Stage="prod", SyncReservedConcurrency="7")
    assert reserved.evaluate(drain) == {"Ref": "SyncReservedConcurrency"}
