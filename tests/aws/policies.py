"""The roles' permissions in the transformed templates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from samtranslator.translator.transform import transform  # type: ignore[import-untyped]  # ships no types
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT: Final = Path(__file__).parents[2]
_MANAGED: Final = ("AWSLambdaBasicExecutionRole", "AWSLambdaSQSQueueExecutionRole", "AWSLambdaVPCAccessExecutionRole")
_NO_VALUE: Final = {"Ref": "AWS::NoValue"}


class _ManagedPolicies:
    """The managed policies that SAM could attach to a role. A test fails if a role has such a policy."""

    def load(self) -> dict[str, str]:
        return {name: f"arn:aws:iam::aws:policy/service-role/{name}" for name in _MANAGED}


def transformed() -> dict[str, Any]:
    """Return template.yaml as SAM transforms it, for a stage on AWS with all conditions true."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    values = {"Stage": "prod", "BedrockModelId": "a.model", "AWS::Region": "eu-west-1", "AWS::Partition": "aws"}
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": "eu-west-1"}):
        return dict(_with_true_conditions(transform(template, values, _ManagedPolicies())))


def nested(name: str) -> dict[str, Any]:
    """Return a nested stack's template."""
    return dict(_with_true_conditions(yaml_parse((ROOT / "infra" / "aws" / f"{name}.yaml").read_text())))


def _with_true_conditions(value: Any) -> Any:
    """Return the value with every condition true."""
    if isinstance(value, dict):
        if set(value) == {"Fn::If"}:
            return _with_true_conditions(value["Fn::If"][1])
        return {key: _with_true_conditions(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [each for each in map(_with_true_conditions, value) if each != _NO_VALUE]
    return value


def role_of(template: dict[str, Any], function: str) -> dict[str, Any]:
    """Return the role that a function refers to."""
    name = template["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"]
    return dict(template["Resources"][name[0] if isinstance(name, list) else name.split(".")[0]])


def statements(role: dict[str, Any], effect: str = "Allow") -> list[dict[str, Any]]:
    """Return the statements of a role's policies, with actions and resources as lists."""
    matching = [
        statement
        for policy in role["Properties"].get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == effect
    ]
    return [
        {**statement, "Action": _as_list(statement["Action"]), "Resource": _as_list(statement["Resource"])}
        for statement in matching
    ]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(role: dict[str, Any]) -> dict[str, set[str]]:
    """Return each action with its resources as written in the templates."""
    resources: dict[str, set[str]] = {}
    for statement in statements(role):
        for action in statement["Action"]:
            resources.setdefault(action, set()).update(_name(resource) for resource in statement["Resource"])
    return resources


def _name(resource: Any) -> str:
    if isinstance(resource, str):
        return resource
    if "Ref" in resource:
        return str(resource["Ref"])
    if "Fn::Sub" in resource:
        template = resource["Fn::Sub"]
        return str(template[0] if isinstance(template, list) else template)
    path = resource["Fn::GetAtt"]
    return ".".join(path) if isinstance(path, list) else str(path)
