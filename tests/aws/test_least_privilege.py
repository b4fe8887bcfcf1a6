"""Each function's role has exactly the permissions that the function needs."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.aws.calls import actions, modules
from tests.aws.policies import allowed, nested, role_of, statements, transformed

# Lambda performs these actions with the function's role. No code of this project calls them.
_LOGS: Final = {"logs:CreateLogStream", "logs:PutLogEvents"}
_NETWORK: Final = {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"}
_POLLING: Final = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

_QUEUE: Final = "ExchangeQueue.Arn"
_DLQ: Final = "ExchangeDeadLetterQueue.Arn"
_DERIVE_QUEUE: Final = "DeriveQueue.Arn"
_DERIVE_DLQ: Final = "DeriveDeadLetterQueue.Arn"
_DATABASE: Final = {"DatabaseStack.Outputs.FunctionUserArn"}
_CACHE: Final = {"CacheStack.Outputs.CacheArn", "CacheStack.Outputs.UserArn"}
_SECRETS: Final = {"DatabaseSecretArn", "RedisSecretArn"}
_BEDROCK: Final = {
    "arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/${BedrockModelId}",
    "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:inference-profile/${BedrockModelId}",
    "arn:${AWS::Partition}:bedrock:*::foundation-model/*",
}
_EMBEDDINGS: Final = {
    "arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/${BedrockEmbeddingsId}",
    "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:inference-profile/${BedrockEmbeddingsId}",
    "arn:${AWS::Partition}:bedrock:*::foundation-model/*",
}

_LEARNING: Final = {
    "arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/${BedrockLearningId}",
    "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:inference-profile/${BedrockLearningId}",
    "arn:${AWS::Partition}:bedrock:*::foundation-model/*",
}

# For each function: the actions of its code with their resources, and the actions of Lambda.
_PERMISSIONS: Final[dict[str, tuple[dict[str, set[str]], set[str]]]] = {
    "AgentFunction": (
        {
            "sqs:SendMessage": {_QUEUE},
            "sqs:GetQueueAttributes": {_QUEUE, _DLQ},
            "bedrock:InvokeModel": _BEDROCK | _EMBEDDINGS,
            "rds-db:connect": _DATABASE,
            "elasticache:Connect": _CACHE,
            "secretsmanager:GetSecretValue": _SECRETS,
        },
        _LOGS | _NETWORK,
    ),
    "SyncFunction": (
        {
            "sqs:SendMessage": {_DLQ, _DERIVE_QUEUE},
            "sqs:ChangeMessageVisibility": {_QUEUE},
            "rds-db:connect": _DATABASE,
            "elasticache:Connect": _CACHE,
            "secretsmanager:GetSecretValue": _SECRETS,
        },
        _LOGS | _NETWORK | _POLLING,
    ),
    "DeriveFunction": (
        {
            "sqs:SendMessage": {_DERIVE_DLQ},
            "sqs:ChangeMessageVisibility": {_DERIVE_QUEUE},
            "bedrock:InvokeModel": _EMBEDDINGS | _LEARNING,
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
_HANDLERS: Final = {
    "AgentFunction": "functions.agent.handler",
    "SyncFunction": "functions.sync.handler",
    "DeriveFunction": "functions.derive.handler",
    "MigrateFunction": "infra.migrations.handler",
}
# These actions are in shared code that the function imports but does not use.
_UNUSED_ACTIONS: Final = {
    "AgentFunction": set[str](),
    # The function imports the class that creates the SQS client. That class also reads the queue's depth.
    "SyncFunction": {"sqs:GetQueueAttributes"},
    "DeriveFunction": {"sqs:GetQueueAttributes"},
    "MigrateFunction": set[str](),
}


@pytest.fixture(scope="module", name="roles")
def roles_of_the_templates() -> dict[str, dict[str, Any]]:
    """Return each function's role."""
    root, migration = transformed(), nested("migration")
    return {name: role_of(migration if name == "MigrateFunction" else root, name) for name in _PERMISSIONS}


@pytest.mark.parametrize("function", _PERMISSIONS)
def test_a_role_allows_exactly_the_listed_actions(roles: dict[str, dict[str, Any]], function: str) -> None:
    """The role's actions and resources equal those in the table."""
    code, service = _PERMISSIONS[function]
    granted = allowed(roles[function])
    assert set(granted) == set(code) | service
    assert {action: granted[action] for action in code} == code


@pytest.mark.parametrize("function", _PERMISSIONS)
def test_the_code_needs_exactly_the_listed_actions(function: str) -> None:
    """The actions that the code calls equal those in the table."""
    code, service = _PERMISSIONS[function]
    needed = actions(_HANDLERS[function])
    assert needed - _UNUSED_ACTIONS[function] == set(code)
    assert _UNUSED_ACTIONS[function] <= needed & (service | {"sqs:GetQueueAttributes"})


@pytest.mark.parametrize("function", _PERMISSIONS)
def test_no_policy_has_wildcard_actions(roles: dict[str, dict[str, Any]], function: str) -> None:
    """There is no managed policy and no wildcard action.

    Only the network's actions have the resource `*`, and the code is denied these actions.
    """
    role = roles[function]
    assert "ManagedPolicyArns" not in role["Properties"]
    for statement in statements(role):
        assert not any("*" in action for action in statement["Action"])
        if "*" in statement["Resource"]:
            assert set(statement["Action"]) == _NETWORK
    (denied,) = statements(role, "Deny")
    assert denied["Action"] == ["ec2:*"]
    assert set(denied["Condition"]["ArnLike"]) == {"lambda:SourceFunctionArn"}


@pytest.mark.parametrize(
    ("function", "statement_id", "model"),
    [
        ("AgentFunction", "AskTheModelThroughItsProfile", "BedrockModelId"),
        ("AgentFunction", "EmbedTextsThroughTheProfile", "BedrockEmbeddingsId"),
        ("DeriveFunction", "EmbedTextsThroughTheProfile", "BedrockEmbeddingsId"),
        ("DeriveFunction", "LearnThroughTheProfile", "BedrockLearningId"),
    ],
)
def test_other_models_are_called_only_through_the_profile(
    roles: dict[str, dict[str, Any]], function: str, statement_id: str, model: str
) -> None:
    """The statement for all models applies only to requests through one inference profile."""
    (statement,) = [each for each in statements(roles[function]) if each.get("Sid") == statement_id]
    (profile,) = statement["Condition"]["ArnEquals"].values()
    assert profile["Fn::Sub"].endswith(f"inference-profile/${{{model}}}")


def test_the_search_follows_imports() -> None:
    """The search follows imports, so it includes the modules that call AWS."""
    names = {f"{path.parent.name}/{path.name}" for path in modules("functions.agent.handler")}
    assert {"sqs/queue.py", "sqs/inspector.py", "stores/aws_tokens.py", "agents/model_clients.py"} <= names


@pytest.mark.parametrize("name", ["ExchangeQueuesPolicy", "DeriveQueuesPolicy"])
def test_queues_deny_requests_without_tls(name: str) -> None:
    """The policy denies every SQS action without TLS, for every caller and both queues."""
    policy = transformed()["Resources"][name]["Properties"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(policy["Queues"]) == 2
