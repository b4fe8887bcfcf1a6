"""The deployment workflow signs in by OIDC, with roles that can deploy the stack and not much else."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from importlib.resources import files
from typing import Any, Final

import pytest
import yaml

from tests.aws.policies import ROOT, nested, statements, transformed

_TEMPLATE: Final = nested("deploy-roles")["Resources"]
_DEPLOY: Final = _TEMPLATE["DeployRole"]
_STACK: Final = _TEMPLATE["StackRole"]
_NESTED: Final = sorted(path.stem for path in (ROOT / "infra" / "aws").glob("*.yaml") if path.stem != "deploy-roles")
# The service that creates a resource, if its type does not name the service. Lambda runs custom resources.
_SERVICES: Final = {"Custom": "lambda"}


def _actions(role: dict[str, Any]) -> set[str]:
    return {action for statement in statements(role) for action in statement["Action"]}


def _workflow() -> dict[Any, Any]:
    return dict(yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text()))


def test_only_the_workflows_environment_may_sign_in() -> None:
    """The role accepts only tokens of jobs in one environment of the repository, and only tokens for AWS.

    The condition has no wildcard.
    """
    (statement,) = _DEPLOY["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    issuer = "token.actions.githubusercontent.com"
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            f"{issuer}:aud": "sts.amazonaws.com",
            f"{issuer}:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }


def test_the_workflow_signs_in_without_a_stored_key() -> None:
    """The job gets its token for one environment, and its credentials only after the packages are installed."""
    workflow = _workflow()
    (stages,) = [each["options"] for each in workflow[True]["workflow_dispatch"]["inputs"].values()]
    config = (ROOT / "samconfig.toml").read_text()
    assert [stage for stage in stages if f"[{stage}.deploy.parameters]" not in config] == []
    job = workflow["jobs"]["deploy"]
    assert workflow["permissions"] == {}
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    assert job["environment"] == "${{ inputs.stage }}"
    steps = [step.get("uses", step.get("run", "")).partition("@")[0].split()[:2] for step in job["steps"]]
    assert steps[-3:] == [
        ["make", "build"],
        ["aws-actions/configure-aws-credentials"],
        [".venv-build/bin/sam", "deploy"],
    ]
    assert "secrets." not in json.dumps(job)


def test_the_workflows_role_only_deploys() -> None:
    """The workflow's role has actions of three services only. It can pass the stack's role only to CloudFormation."""
    assert {action.partition(":")[0] for action in _actions(_DEPLOY)} == {"cloudformation", "iam", "s3"}
    passing = [statement for statement in statements(_DEPLOY) if "iam:PassRole" in statement["Action"]]
    assert [(statement["Action"], statement["Resource"], statement["Condition"]) for statement in passing] == [
        (
            ["iam:PassRole"],
            [{"Fn::GetAtt": ["StackRole", "Arn"]}],
            {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}},
        )
    ]
    resources = [str(resource) for statement in statements(_DEPLOY) for resource in statement["Resource"]]
    assert "*" not in resources


def test_every_action_exists() -> None:
    """AWS knows each action, and each pattern matches at least one action."""
    known_actions = json.loads((files("cfnlint") / "data" / "AdditionalSpecs" / "Policies.json").read_text())
    unknown = []
    for action in sorted(_actions(_DEPLOY) | _actions(_STACK)):
        service, _, name = action.lower().partition(":")
        if not any(fnmatch(each, name) for each in known_actions[service]["Actions"]):
            unknown.append(action)
    assert unknown == []


@pytest.mark.parametrize("stack", ["template", *_NESTED])
def test_cloudformation_may_create_every_resource(stack: str) -> None:
    """CloudFormation's role has actions of the service of each resource."""
    resources = (transformed() if stack == "template" else nested(stack))["Resources"].values()
    types = {resource["Type"].replace("AWS::", "").partition("::")[0] for resource in resources}
    needed = {_SERVICES.get(service, service.lower()) for service in types}
    assert needed
    assert needed - {action.partition(":")[0] for action in _actions(_STACK)} == set()


def test_cloudformation_may_pass_every_role_to_its_service() -> None:
    """CloudFormation may pass roles to exactly the services that assume one of the stack's roles."""
    (passing,) = [statement for statement in statements(_STACK) if "iam:PassRole" in statement["Action"]]
    resources = [*transformed()["Resources"].values()]
    resources += [resource for stack in _NESTED for resource in nested(stack)["Resources"].values()]
    principals = [
        statement["Principal"]["Service"]
        for resource in resources
        if resource["Type"] == "AWS::IAM::Role"
        for statement in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    ]
    services = {service for each in principals for service in ([each] if isinstance(each, str) else each)}
    assert set(passing["Condition"]["StringEquals"]["iam:PassedToService"]) == services


def test_cloudformation_changes_only_roles_of_the_stack() -> None:
    """Each action on roles is limited to roles with the stack's name as prefix, and to AWS services' own roles."""
    limited = {
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${StackName}-*",
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/*",
    }
    for statement in statements(_STACK):
        if any(action.startswith("iam:") for action in statement["Action"]):
            assert {resource["Fn::Sub"] for resource in statement["Resource"]} <= limited


def test_actions_without_a_resource_hold_in_one_region() -> None:
    """An action on every resource is limited to the stack's region."""
    for statement in statements(_STACK):
        if "*" in statement["Resource"]:
            assert statement["Condition"] == {"StringEquals": {"aws:RequestedRegion": {"Ref": "AWS::Region"}}}
