"""A change of the API's definition creates a new deployment. Otherwise callers would use the old definition."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from tests.aws.transformed import ROOT, deployment, transform

_TEMPLATE: Final[dict[str, Any]] = yaml_parse((ROOT / "template.yaml").read_text())
_OTHER: Final = {"Stage": "dev", "ApiKeyRequired": "true", "CorsOrigins": "https://app.example.com"}


def _parameters(value: Any) -> set[str]:
    """Return the parameters that a value depends on, including those in conditions."""
    if isinstance(value, list):
        return {name for one in value for name in _parameters(one)}
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for key, inner in value.items():
        if key == "Ref":
            found |= {inner} & set(_TEMPLATE["Parameters"])
        elif key == "Condition" and isinstance(inner, str):
            found |= _parameters(_TEMPLATE["Conditions"][inner])
        elif key == "Fn::If":
            found |= _parameters(_TEMPLATE["Conditions"][inner[0]]) | _parameters(inner[1:])
        elif key == "Fn::Sub":
            text = inner[0] if isinstance(inner, list) else inner
            found |= set(re.findall(r"\$\{(\w+)\}", text)) & set(_TEMPLATE["Parameters"])
            found |= _parameters(inner)
        else:
            found |= _parameters(inner)
    return found


_DEPENDS_ON: Final = sorted(_parameters(_TEMPLATE["Resources"]["Api"]["Properties"]["DefinitionBody"]))


def test_the_definitions_parameters_are_found() -> None:
    """The search finds the parameters in the definition's conditions."""
    assert {"Stage", "ApiKeyRequired"} <= set(_DEPENDS_ON)
    assert _parameters({"Fn::If": ["NeedsApiKey", 1, 2]}) == {"Stage", "ApiKeyRequired"}
    assert _parameters({"Fn::Sub": "${CorsOrigins}"}) == {"CorsOrigins"}


@pytest.mark.parametrize("name", sorted({*_DEPENDS_ON, "CorsOrigins"}))
def test_another_value_is_another_deployment(name: str) -> None:
    """Another value of a parameter creates another deployment.

    SAM hashes the definition before it evaluates conditions, so the values must be in the definition.
    """
    before = deployment(transform(Stage="prod"))
    assert deployment(transform(**({"Stage": "prod"} | {name: _OTHER[name]}))) != before


def test_other_parameters_deploy_nothing() -> None:
    """A parameter that does not change the definition keeps the deployment."""
    assert deployment(transform(Stage="prod", MaxThreadMessages="7")) == deployment(transform(Stage="prod"))


def test_every_call_is_allowed_as_before() -> None:
    """The policy that contains the values allows every call. Keys and tokens are checked elsewhere."""
    policy = transform(Stage="prod")["Resources"]["Api"]["Properties"]["Body"]["x-amazon-apigateway-policy"]
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Allow", "*", "execute-api:Invoke")
    assert "execute-api:/*" in statement["Resource"]
