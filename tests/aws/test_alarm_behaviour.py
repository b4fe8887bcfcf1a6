"""The tests evaluate an alarm with the metrics that a function prints, as CloudWatch does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from functions.agent.http.auth_keys import SigningKeys
from functions.agent.request_errors import SigningKeysUnavailable
from tests.support.issuer import Issuer

_SERVICE: Final = "memory-prod-agent"
_ALARM: Final[dict[str, Any]] = yaml_parse((Path(__file__).parents[2] / "infra" / "aws" / "alarms.yaml").read_text())[
    "Resources"
]["IssuerDown"]["Properties"]


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """Run an issuer of tokens, and set the service's name that the alarm's dimension contains."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", _SERVICE)
    with Issuer() as running:
        yield running


def _sum(printed: str) -> float:
    """Return the sum of the alarm's metric in embedded metrics, selected by namespace, name and dimension."""
    total = 0.0
    for line in printed.splitlines():
        if not line.startswith('{"_aws"'):
            continue
        fields = json.loads(line)
        for group in fields["_aws"]["CloudWatchMetrics"]:
            names = {metric["Name"] for metric in group["Metrics"]}
            dimensions = [{name: fields[name] for name in group_names} for group_names in group["Dimensions"]]
            expected = {"service": _SERVICE}
            if group["Namespace"] == _ALARM["Namespace"] and _ALARM["MetricName"] in names and expected in dimensions:
                total += sum(map(float, _as_list(fields[_ALARM["MetricName"]])))
    return total


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fires(printed: str) -> bool:
    assert (_ALARM["Statistic"], _ALARM["ComparisonOperator"]) == ("Sum", "GreaterThanThreshold")
    assert _ALARM["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AgentService"}}]
    return _sum(printed) > float(_ALARM["Threshold"])


@pytest.mark.parametrize(("status", "body"), [(500, None), (404, None), (0, None), (200, b"<html>"), (200, b"{}")])
def test_the_alarm_fires_while_the_issuer_is_down(
    issuer: Issuer, capsys: pytest.CaptureFixture[str], status: int, body: bytes | None
) -> None:
    """The alarm fires from the first failed fetch on, even while the cached keys work.

    It does not fire while the issuer responds.
    """
    now = 1_000_000.0
    keys = SigningKeys(f"{issuer.url}/jwks.json", clock=lambda: now)
    assert keys.find("one", "RS256") is not None
    assert not _fires(capsys.readouterr().out)
    issuer.status, issuer.body = status, body
    now += 301
    assert keys.find("one", "RS256") is not None
    assert _fires(capsys.readouterr().out)
    now += 86_400
    with pytest.raises(SigningKeysUnavailable):
        keys.find("one", "RS256")
    assert _fires(capsys.readouterr().out)
    issuer.status, issuer.body = 200, None
    now += 6
    assert keys.find("one", "RS256") is not None
    assert not _fires(capsys.readouterr().out)


def test_a_caller_cannot_trigger_the_alarm(issuer: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown key ids cause a lookup but do not count as an outage of the issuer."""
    now = 1_000_000.0
    keys = SigningKeys(f"{issuer.url}/jwks.json", clock=lambda: now)
    for number in range(5):
        now += 11
        assert keys.find(f"forged-{number}", "RS256") is None
    assert issuer.fetches > 1
    assert not _fires(capsys.readouterr().out)
