"""A change of the API's definition creates a new deployment. Otherwise callers would use the old definition."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from tests.aws.transformed import ROOT, deployment, transform

_TEMPLATE: Final[dict[str, Any]] = yaml_parse((ROOT / "template.yaml").read_text())
_OTHER_VALUES: Final = {"Stage": "dev", "ApiKeyRequired": "true", "CorsOrigins": "https://app.example.com"}


def _parameters(value: Any) -> set[str]:
    """Return the parameters that a value depends on, including those in conditions."""
    if isinstance(value, list):
        return {name for item in value for name in _parameters(item)}
    if not isinstance(value, dict):
        return set()
    names: set[str] = set()
    for key, inner in value.items():
        if key == "Ref":
            names |= {inner} & set(_TEMPLATE["Parameters"])
        elif key == "Condition" and isinstance(inner, str):
            names |= _parameters(_TEMPLATE["Conditions"][inner])
        elif key == "Fn::If":
            names |= _parameters(_TEMPLATE["Conditions"][inner[0]]) | _parameters(inner[1:])
        elif key == "Fn::Sub":
            text = inner[0] if isinstance(inner, list) else inner
            names |= set(re.findall(r"\$\{(\w+)\}", text)) & set(_TEMPLATE["Parameters"])
            names |= _parameters(inner)
        else:
            names |= _parameters(inner)
    return names


_DEPENDS_ON: Final = sorted(_parameters(_TEMPLATE["Resources"]["Api"]["Properties"]["DefinitionBody"]))


def test_parameters_in_conditions_are_found() -> None:
    """The search finds the parameters in the definition's conditions."""
    assert {"Stage", "ApiKeyRequired"} <= set(_DEPENDS_ON)
    assert _parameters({"Fn::If": ["NeedsApiKey", 1, 2]}) == {"Stage", "ApiKeyRequired"}
    assert _parameters({"Fn::Sub": "${CorsOrigins}"}) == {"CorsOrigins"}


@pytest.mark.parametrize("name", sorted({*_DEPENDS_ON, "CorsOrigins"}))
def test_another_value_creates_another_deployment(name: str) -> None:
    """Another value of a parameter creates another deployment.

    SAM hashes the definition before it evaluates conditions, so the values must be in the definition.
    """
    before = deployment(transform(Stage="prod"))
    assert deployment(transform(**({"Stage": "prod"} | {name: _OTHER_VALUES[name]}))) != before


def test_other_parameters_keep_the_deployment() -> None:
    """A parameter that does not change the definition keeps the deployment."""
    assert deployment(transform(Stage="prod", MaxThreadMessages="7")) == deployment(transform(Stage="prod"))


def test_the_policy_allows_every_call() -> None:
    """The API's policy, which contains parameters' values, allows every call. Keys and tokens are checked elsewhere."""
    policy = transform(Stage="prod")["Resources"]["Api"]["Properties"]["Body"]["x-amazon-apigateway-policy"]
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Allow", "*", "execute-api:Invoke")
    assert "execute-api:/*" in statement["Resource"]
