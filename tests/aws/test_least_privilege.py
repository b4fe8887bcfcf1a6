"""Each function may do what it does, on what it does it to, and nothing else."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.aws.calls import actions, modules
from tests.aws.policies import allowed, nested, role_of, statements, transformed

# What Lambda does with a function's role for it, so that no code of ours calls it.
_LOGS: Final = {"logs:CreateLogStream", "logs:PutLogEvents"}
_NETWORK: Final = {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"}
_POLLING: Final = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

_QUEUE: Final = "ExchangeQueue.Arn"
_DLQ: Final = "ExchangeDeadLetterQueue.Arn"
_DATABASE: Final = {"DatabaseStack.Outputs.FunctionUserArn"}
_CACHE: Final = {"CacheStack.Outputs.CacheArn", "CacheStack.Outputs.UserArn"}
_SECRETS: Final = {"DatabaseSecretArn", "RedisSecretArn"}
_BEDROCK: Final = {
    "arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/${BedrockModelId}",
    "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:inference-profile/${BedrockModelId}",
    "arn:${AWS::Partition}:bedrock:*::foundation-model/*",
}

# function: what its code may do and to what, and what Lambda does for it
_TABLE: Final[dict[str, tuple[dict[str, set[str]], set[str]]]] = {
    "AgentFunction": (
        {
            "sqs:SendMessage": {_QUEUE},
            "sqs:GetQueueAttributes": {_QUEUE, _DLQ},
            "bedrock:InvokeModel": _BEDROCK,
            "rds-db:connect": _DATABASE,
            "elasticache:Connect": _CACHE,
            "secretsmanager:GetSecretValue": _SECRETS,
        },
        _LOGS | _NETWORK,
    ),
    "SyncFunction": (
        {
            "sqs:SendMessage": {_DLQ},
            "sqs:ChangeMessageVisibility": {_QUEUE},
            "rds-db:connect": _DATABASE,
            "elasticache:Connect": _CACHE,
            "secretsmanager:GetSecretValue": _SECRETS,
        },
        _LOGS | _NETWORK | _POLLING,
    ),
    "MigrateFunction": (
        {"rds-db:connect": {"OwnerUserArn"}, "secretsmanager:GetSecretValue": {"SecretArn"}},
        _LOGS | _NETWORK,
    ),
}
_ENTRIES: Final = {
    "AgentFunction": "functions.agent.handler",
    "SyncFunction": "functions.sync.handler",
    "MigrateFunction": "infra.migrations.handler",
}
# Reached by the code that two functions share, and not by this one.
_NOT_ITS_OWN: Final = {
    "AgentFunction": set[str](),
    # The queue's sender and its count are in one class with what makes the client.
    "SyncFunction": {"sqs:GetQueueAttributes"},
    "MigrateFunction": set[str](),
}


@pytest.fixture(scope="module", name="roles")
def roles_of_the_templates() -> dict[str, dict[str, Any]]:
    """Return each function's role."""
    root, migration = transformed(), nested("migration")
    return {name: role_of(migration if name == "MigrateFunction" else root, name) for name in _TABLE}


@pytest.mark.parametrize("function", _TABLE)
def test_a_role_allows_this_and_no_more(roles: dict[str, dict[str, Any]], function: str) -> None:
    """Action by action, resource by resource."""
    code, service = _TABLE[function]
    found = allowed(roles[function])
    assert set(found) == set(code) | service
    assert {action: found[action] for action in code} == code


@pytest.mark.parametrize("function", _TABLE)
def test_the_code_needs_this_and_no_less(function: str) -> None:
    """What the code asks AWS for is what the table allows it: nothing is missing, nothing is left over."""
    code, service = _TABLE[function]
    needed = actions(_ENTRIES[function])
    assert needed - _NOT_ITS_OWN[function] == set(code)
    assert _NOT_ITS_OWN[function] <= needed & (service | {"sqs:GetQueueAttributes"})


@pytest.mark.parametrize("function", _TABLE)
def test_no_policy_is_wide(roles: dict[str, dict[str, Any]], function: str) -> None:
    """No managed policy, no wildcard in an action, and `*` as a resource for the network alone, denied to the code."""
    role = roles[function]
    assert "ManagedPolicyArns" not in role["Properties"]
    for statement in statements(role):
        assert not any("*" in action for action in statement["Action"])
        if "*" in statement["Resource"]:
            assert set(statement["Action"]) == _NETWORK
    (denied,) = statements(role, "Deny")
    assert denied["Action"] == ["ec2:*"]
    assert set(denied["Condition"]["ArnLike"]) == {"lambda:SourceFunctionArn"}


def test_other_models_are_asked_through_the_profile_only(roles: dict[str, dict[str, Any]]) -> None:
    """The statement that names every model holds for requests of one inference profile."""
    (wide,) = [one for one in statements(roles["AgentFunction"]) if one.get("Sid") == "AskTheModelThroughItsProfile"]
    (profile,) = wide["Condition"]["ArnEquals"].values()
    assert profile["Fn::Sub"].endswith("inference-profile/${BedrockModelId}")


def test_the_code_that_is_looked_at_is_the_code() -> None:
    """The search follows imports: it sees the modules that speak to AWS."""
    names = {f"{path.parent.name}/{path.name}" for path in modules("functions.agent.handler")}
    assert {"sqs/queue.py", "sqs/inspector.py", "stores/aws_tokens.py", "agents/model_clients.py"} <= names


def test_queues_take_nothing_without_tls() -> None:
    """From anybody, whatever it is."""
    policy = transformed()["Resources"]["ExchangeQueuesPolicy"]["Properties"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(policy["Queues"]) == 2
