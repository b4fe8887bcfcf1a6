"""The template's resources depend on its parameters. The tests need no deployment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from tests.aws.conditions import EvaluatedTemplate
from tests.aws.policies import statements

_AWS_ACCOUNT: Final = "111122223333"
_EMULATOR_ACCOUNTS: Final = ("000000000000", "123456789012", "AWS::AccountId")
_SUBNETS: Final = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
# The stamp identifies the settings of a published version. It has SecretsRevision in place of these parameters, because
# a stamp must not contain secrets.
_SECRET_PARAMETERS: Final = {"RedisPassword", "DatabaseUrl", "OtelHeaders"}
# This parameter belongs to the function, not to a version.
_FUNCTION_PARAMETERS: Final = {"AgentConcurrency"}


@pytest.mark.parametrize("auth_mode", ["", "none", "jwt"])
def test_a_local_stage_on_aws_requires_tokens(auth_mode: str) -> None:
    """If a stage with the default name is deployed to AWS by mistake, it requires tokens."""
    assert EvaluatedTemplate(_AWS_ACCOUNT, AuthMode=auth_mode).environment()["AUTH__MODE"] == "jwt"


@pytest.mark.parametrize("account", _EMULATOR_ACCOUNTS)
def test_a_local_stage_on_an_emulator_follows_the_parameter(account: str) -> None:
    """Without the parameter, a local stage on an emulator requires no tokens. With `jwt` it requires tokens."""
    assert EvaluatedTemplate(account).environment()["AUTH__MODE"] == {"Ref": "AuthMode"}
    assert EvaluatedTemplate(account, Stage="prod").environment()["AUTH__MODE"] == "jwt"


@pytest.mark.parametrize(
    ("parameters", "is_inside"),
    [
        ({"Stage": "local", **_SUBNETS}, False),
        ({"Stage": "prod", "DataStores": "create"}, True),
        ({"Stage": "prod", "DataStores": "existing"}, False),
        ({"Stage": "prod", "DataStores": "existing", **_SUBNETS}, True),
    ],
)
def test_functions_are_in_a_network_with_its_permissions(parameters: dict[str, str], *, is_inside: bool) -> None:
    """In a created or an existing network, the functions have the permission for network interfaces.

    Outside of a network they do not have it.
    """
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, **parameters)
    network = evaluated.evaluate(evaluated.template["Globals"]["Function"]["VpcConfig"])
    assert (network != {"Ref": "AWS::NoValue"}) == is_inside
    for role in ("AgentRole", "SyncRole", "DeriveRole"):
        properties = evaluated.evaluate(evaluated.template["Resources"][role])
        statement_ids = {
            statement["Sid"] for effect in ("Allow", "Deny") for statement in statements(properties, effect)
        }
        assert ({"BeInTheNetwork", "TheServiceNotTheCode"} <= statement_ids) == is_inside


def test_functions_use_the_given_network() -> None:
    """The functions use the given subnets and security groups. Both lists are split at the commas."""
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod", DataStores="existing", **_SUBNETS)
    assert evaluated.evaluate(evaluated.template["Globals"]["Function"]["VpcConfig"]) == {
        name: {"Fn::Split": [",", {"Ref": name}]} for name in ("SubnetIds", "SecurityGroupIds")
    }


def _names(value: Any, template: dict[str, Any]) -> set[str]:
    """Return the parameters that a value depends on directly or indirectly, and the outputs of other stacks."""
    if isinstance(value, list):
        return {name for item in value for name in _names(item, template)}
    if not isinstance(value, dict):
        return set()
    names: set[str] = set()
    for key, inner in value.items():
        if key == "Ref":
            names.add(inner)
        elif key == "Fn::GetAtt":
            names.add(inner if isinstance(inner, str) else ".".join(inner))
        elif key == "Fn::Sub":
            text, variables = inner if isinstance(inner, list) else (inner, {})
            names |= set(re.findall(r"\$\{(\w+)\}", text)) - set(variables) | _names(variables, template)
        elif key == "Fn::If":
            names |= _names(inner[1:], template)
        else:
            names |= _names(inner, template)
    return names


def test_every_setting_of_the_agent_function_is_in_the_stamp() -> None:
    """A published version keeps its settings, so a change of a setting must create a new version."""
    template = EvaluatedTemplate(_AWS_ACCOUNT).template
    globals_, resources = template["Globals"]["Function"], template["Resources"]
    agent = resources["AgentFunction"]["Properties"]
    used_names = _names([globals_, {key: value for key, value in agent.items() if key != "Role"}], template)
    stamped = _names(resources["StampStack"]["Properties"]["Parameters"], template)

    settings = {name for name in used_names if name in template["Parameters"]}
    assert {"CorsOrigins", "AuthJwksUrl", "RedisHost", "SubnetIds", "Architecture"} <= settings
    assert settings - stamped == _SECRET_PARAMETERS | _FUNCTION_PARAMETERS
    hosts = {name for name in used_names if re.fullmatch(r"(Cache|Database)Stack\.Outputs\.(Host|Port|SslMode)", name)}
    assert len(hosts) == 4
    assert hosts <= stamped
    assert "SecretsRevision" in stamped


def test_the_stamp_is_in_the_function_and_in_its_version() -> None:
    """The function and its version contain the stamp.

    Lambda publishes no version of an unchanged function. CloudFormation publishes no version with an unchanged
    description. Both must therefore change if a setting changes.
    """
    template = EvaluatedTemplate(_AWS_ACCOUNT).template
    release = template["Resources"]["ReleaseStack"]["Properties"]["Parameters"]["Stamp"]
    assert EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod").environment()["RELEASE"] == release
    assert _names(release, template) == {"StampStack.Outputs.Stamp"}
    # The function depends on the stamp, so the stamp must not depend on the function.
    assert "AgentFunction" not in str(template["Resources"]["StampStack"])


def test_each_parameter_in_a_stamp_replaces_its_layer() -> None:
    """Each parameter of the stack is in a property of a layer. A change of this property replaces the layer."""
    stack = yaml_parse((Path(__file__).parents[2] / "infra" / "aws" / "stamp.yaml").read_text())
    layers = [resource["Properties"] for resource in stack["Resources"].values()]
    used = {layer[name]["Ref"] for layer in layers for name in ("Description", "LicenseInfo") if name in layer}
    assert used == set(stack["Parameters"])
    limits = {"Description": 256, "LicenseInfo": 512}
    for layer in layers:
        for name, limit in limits.items():
            if name in layer:
                assert stack["Parameters"][layer[name]["Ref"]]["MaxLength"] <= limit


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [("hybrid-memory-prod", True), ("m", True), ("Hybrid", False), ("a--b", False), ("a-", False), ("1a", False)],
)
def test_a_stacks_name_must_be_valid_for_elasticache(name: str, *, is_valid: bool) -> None:
    """The template accepts a stack's name only if ElastiCache accepts it in a user's id.

    The first nested stack reports a name that is too long.
    """
    for stack in ("network", "cache"):
        parameter = yaml_parse((Path(__file__).parents[2] / "infra" / "aws" / f"{stack}.yaml").read_text())[
            "Parameters"
        ]["Name"]
        assert (re.fullmatch(parameter["AllowedPattern"], name) is not None) == is_valid
        assert parameter["MaxLength"] + len("-functions") <= 40
