"""The template has these resources for given parameters, without a deployment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from tests.aws.conditions import Evaluated
from tests.aws.policies import statements

_AWS: Final = "111122223333"
_EMULATORS: Final = ("000000000000", "123456789012", "AWS::AccountId")
_SUBNETS: Final = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
# The stamp has SecretsRevision in place of these parameters, because a stamp must not contain secrets.
_SECRET: Final = {"RedisPassword", "DatabaseUrl", "OtelHeaders"}
# This parameter belongs to the function, not to a version.
_NOT_OF_A_VERSION: Final = {"AgentConcurrency"}


@pytest.mark.parametrize("given", ["", "none", "jwt"])
def test_a_local_stage_on_aws_requires_tokens(given: str) -> None:
    """If a stage with the default name is deployed to AWS by mistake, it requires tokens."""
    assert Evaluated(_AWS, AuthMode=given).environment()["AUTH__MODE"] == "jwt"


@pytest.mark.parametrize("account", _EMULATORS)
def test_a_local_stage_on_an_emulator_follows_the_parameter(account: str) -> None:
    """Without the parameter, a local stage on an emulator requires no tokens. With `jwt` it requires tokens."""
    assert Evaluated(account).environment()["AUTH__MODE"] == {"Ref": "AuthMode"}
    assert Evaluated(account, Stage="prod").environment()["AUTH__MODE"] == "jwt"


@pytest.mark.parametrize(
    ("parameters", "inside"),
    [
        ({"Stage": "local", **_SUBNETS}, False),
        ({"Stage": "prod", "DataStores": "create"}, True),
        ({"Stage": "prod", "DataStores": "existing"}, False),
        ({"Stage": "prod", "DataStores": "existing", **_SUBNETS}, True),
    ],
)
def test_functions_are_in_a_network_with_its_permissions(parameters: dict[str, str], *, inside: bool) -> None:
    """In a created or an existing network, the functions have the permission for network interfaces.

    Outside of a network they do not have it.
    """
    evaluated = Evaluated(_AWS, **parameters)
    network = evaluated.chosen(evaluated.template["Globals"]["Function"]["VpcConfig"])
    assert (network != {"Ref": "AWS::NoValue"}) == inside
    for role in ("AgentRole", "SyncRole"):
        chosen = evaluated.chosen(evaluated.template["Resources"][role])
        named = {statement["Sid"] for effect in ("Allow", "Deny") for statement in statements(chosen, effect)}
        assert ({"BeInTheNetwork", "TheServiceNotTheCode"} <= named) == inside


def test_your_network_is_the_functions_own() -> None:
    """The functions use the given subnets and security groups. Both lists are split at the commas."""
    evaluated = Evaluated(_AWS, Stage="prod", DataStores="existing", **_SUBNETS)
    assert evaluated.chosen(evaluated.template["Globals"]["Function"]["VpcConfig"]) == {
        name: {"Fn::Split": [",", {"Ref": name}]} for name in ("SubnetIds", "SecurityGroupIds")
    }


def _names(value: Any, template: dict[str, Any]) -> set[str]:
    """Return the parameters that a value depends on directly or indirectly, and the outputs of other stacks."""
    if isinstance(value, list):
        return {name for one in value for name in _names(one, template)}
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for key, inner in value.items():
        if key == "Ref":
            found.add(inner)
        elif key == "Fn::GetAtt":
            found.add(inner if isinstance(inner, str) else ".".join(inner))
        elif key == "Fn::Sub":
            text, given = inner if isinstance(inner, list) else (inner, {})
            found |= set(re.findall(r"\$\{(\w+)\}", text)) - set(given) | _names(given, template)
        elif key == "Fn::If":
            found |= _names(inner[1:], template)
        else:
            found |= _names(inner, template)
    return found


def test_every_setting_of_the_agent_function_is_in_the_stamp() -> None:
    """A published version keeps its settings, so a change of a setting must create a new version."""
    template = Evaluated(_AWS).template
    globals_, resources = template["Globals"]["Function"], template["Resources"]
    agent = resources["AgentFunction"]["Properties"]
    made_of = _names([globals_, {key: value for key, value in agent.items() if key != "Role"}], template)
    stamped = _names(resources["StampStack"]["Properties"]["Parameters"], template)

    settings = {name for name in made_of if name in template["Parameters"]}
    assert {"CorsOrigins", "AuthJwksUrl", "RedisHost", "SubnetIds", "Architecture"} <= settings
    assert settings - stamped == _SECRET | _NOT_OF_A_VERSION
    hosts = {name for name in made_of if re.fullmatch(r"(Cache|Database)Stack\.Outputs\.(Host|Port|SslMode)", name)}
    assert len(hosts) == 4
    assert hosts <= stamped
    assert "SecretsRevision" in stamped


def test_the_stamp_is_in_the_function_and_in_its_version() -> None:
    """The function and its version contain the stamp.

    Lambda publishes no version of an unchanged function. CloudFormation publishes no version with an unchanged
    description.
    """
    template = Evaluated(_AWS).template
    release = template["Resources"]["ReleaseStack"]["Properties"]["Parameters"]["Stamp"]
    assert Evaluated(_AWS, Stage="prod").environment()["RELEASE"] == release
    assert _names(release, template) == {"StampStack.Outputs.Stamp"}
    # The function depends on the stamp, so the stamp must not depend on the function.
    assert "AgentFunction" not in str(template["Resources"]["StampStack"])


def test_each_parameter_in_a_stamp_replaces_its_layer() -> None:
    """Each parameter of the stack is in a property of a layer. A change of this property replaces the layer."""
    stack = yaml_parse((Path(__file__).parents[2] / "infra" / "aws" / "stamp.yaml").read_text())
    layers = [resource["Properties"] for resource in stack["Resources"].values()]
    given = {layer[name]["Ref"] for layer in layers for name in ("Description", "LicenseInfo") if name in layer}
    assert given == set(stack["Parameters"])
    limits = {"Description": 256, "LicenseInfo": 512}
    for layer in layers:
        for name, limit in limits.items():
            if name in layer:
                assert stack["Parameters"][layer[name]["Ref"]]["MaxLength"] <= limit


@pytest.mark.parametrize(
    ("name", "fits"),
    [("hybrid-memory-prod", True), ("m", True), ("Hybrid", False), ("a--b", False), ("a-", False), ("1a", False)],
)
def test_a_stack_s_name_has_to_fit_elasticache(name: str, *, fits: bool) -> None:
    """The template accepts a stack's name only if ElastiCache accepts it in a user's id.

    The first nested stack reports a name that is too long.
    """
    for stack in ("network", "cache"):
        parameter = yaml_parse((Path(__file__).parents[2] / "infra" / "aws" / f"{stack}.yaml").read_text())[
            "Parameters"
        ]["Name"]
        assert (re.fullmatch(parameter["AllowedPattern"], name) is not None) == fits
        assert parameter["MaxLength"] + len("-functions") <= 40
