"""Metrics that are counted by reason."""

from __future__ import annotations

from collections.abc import Mapping

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit


def write_by_reason(namespace: str, name: str, counts: Mapping[str, int]) -> None:
    """Write a metric's count for each reason, which is a dimension.

    Args:
        namespace: The metrics' namespace.
        name: The metric.
        counts: The counts by reason.
    """
    for reason, count in counts.items():
        with single_metric(name, MetricUnit.Count, count, namespace=namespace) as by_reason:
            by_reason.add_dimension("reason", reason)
