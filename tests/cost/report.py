"""The tables of docs/cost.md, computed from measured units and assumed prices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from tests.cost.measure import Units

ROOT: Final = Path(__file__).parents[2]
_GIGABYTE: Final = 1e9
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill, in dollars, per million turns or per month."""

    name: str
    quantity: str
    dollars: float


def per_million(units: Units, assumptions: dict[str, Any]) -> list[Line]:
    """Return the costs of a million turns."""
    price, turn = assumptions["prices"], assumptions["turn"]
    memory = assumptions["functions"]["gigabytes"]
    agent_seconds, drain_seconds = units.agent_ms / 1000, units.drain_ms / 1000
    requests = 1 + 2 / min(10, units.batch)
    stored_gigabytes = _MILLION * units.postgres_bytes / _GIGABYTE
    gigabyte_second = price["function_gigabyte_second"] * memory * _MILLION
    return [
        Line("API Gateway", "2 requests per turn", 2 * _MILLION * price["api_request"]),
        Line("Agent function, requests", "2 per turn", 2 * _MILLION * price["function_request"]),
        Line("Agent function, run time", f"{units.agent_ms:.0f} ms per turn", gigabyte_second * agent_seconds),
        Line(
            "Agent function, waiting for the model",
            f"{turn['model_seconds']:g} s per turn, with `POST /run` only",
            gigabyte_second * turn["model_seconds"],
        ),
        Line("Sync function", f"{units.drain_ms:.0f} ms per turn", gigabyte_second * drain_seconds),
        Line(
            "SQS",
            f"{requests:.2f} requests per turn: one send, and per batch of up to ten one receive and one delete",
            _MILLION * requests * price["queue_request"],
        ),
        Line(
            "Logs and metrics",
            f"{units.log_bytes:,.0f} bytes per turn",
            _MILLION * units.log_bytes / _GIGABYTE * price["log_gigabyte"],
        ),
        Line(
            "Responses to the internet",
            f"{units.response_bytes:,.0f} bytes per turn",
            _MILLION * units.response_bytes / _GIGABYTE * price["transfer_out_gigabyte"],
        ),
        Line(
            "PostgreSQL storage",
            f"{units.postgres_bytes:,.0f} bytes per exchange, for a month",
            stored_gigabytes * price["database_gigabyte_month"],
        ),
    ]


def per_month(assumptions: dict[str, Any], *, production: bool) -> list[Line]:
    """Return the costs of a month without turns."""
    price, hours = assumptions["prices"], assumptions["turn"]["hours_per_month"]
    polls = assumptions["functions"]["polls_per_minute"] * 60 * hours
    snapshot = price["snapshot_gigabyte_second"] * assumptions["functions"]["gigabytes"] * 3600 * hours
    nats, instances, alarms = (2, 2, _alarms(production=True)) if production else (1, 1, _alarms(production=False))
    lines = [
        Line("NAT gateways", f"{nats}", nats * price["nat_hour"] * hours),
        Line("SQS endpoint", "2 zones", 2 * price["endpoint_zone_hour"] * hours),
        Line("SnapStart snapshot", "one version", snapshot),
        Line("SQS polling", f"{polls:,.0f} requests", polls * price["queue_request"]),
        Line(
            "Alarms and dashboard",
            f"{alarms} alarms and 1 dashboard",
            alarms * price["alarm_month"] + price["dashboard_month"],
        ),
        Line("Metrics", "about 25", 25 * price["metric_month"]),
    ]
    if production:
        return [
            Line("PostgreSQL", "2 instances at 0.5 ACU", instances * 0.5 * price["database_acu_hour"] * hours),
            Line("RDS Proxy", "8 ACU, the minimum", price["proxy_hour"] * hours),
            Line("Valkey", "two cache.t4g.small", instances * price["cache_small_hour"] * hours),
            *lines,
        ]
    return [
        Line("PostgreSQL", "paused", 0.0),
        Line("Valkey", "one cache.t4g.micro", price["cache_micro_hour"] * hours),
        *lines,
    ]


def _alarms(*, production: bool) -> int:
    """Count the templates' alarms. The stage `dev` has no alarms for a replica and for the sweep."""
    alarms = [
        resource
        for name in ("alarms", "store-alarms")
        for resource in yaml_parse((ROOT / "infra" / "aws" / f"{name}.yaml").read_text())["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]
    return sum(production or "Condition" not in resource for resource in alarms)


def table(lines: list[Line], total: str) -> str:
    """Return lines and their sum as Markdown."""
    rows = [f"| {line.name} | {line.quantity} | {_dollars(line.dollars)} |" for line in lines]
    rows.append(f"| **{total}** | | **{_dollars(sum(line.dollars for line in lines))}** |")
    return "\n".join(["| | | $ |", "|---|---|---|", *rows])


def _dollars(value: float) -> str:
    # Two digits, because the inputs are not more precise.
    return f"{value:.2f}" if 0 < value < 1 else f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.1f}"
