"""With existing stores, the functions and the migration can sign in, and their roles have the permissions for this."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from tests.aws.conditions import EvaluatedTemplate
from tests.aws.policies import statements
from tests.aws.transformed import transform

_AWS_ACCOUNT: Final = "111122223333"
_SECRET: Final = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:memory"
_EXISTING_STORES: Final = {"Stage": "prod", "DataStores": "existing"}
_IAM_PARAMETERS: Final = {
    "DatabaseIamUser": "cluster-A/memory",
    "RedisCacheName": "cache",
    "RedisUserName": "functions",
    "RedisTls": "true",
}
_SECRET_PARAMETERS: Final = {"DatabaseSecretArn": _SECRET, "RedisSecretArn": _SECRET}
_SIGN_IN_ACTIONS: Final = {"rds-db:connect", "elasticache:Connect", "secretsmanager:GetSecretValue"}


def _stack(name: str) -> dict[str, Any]:
    return dict(yaml_parse((Path(__file__).parents[2] / "infra" / "aws" / f"{name}.yaml").read_text()))


@pytest.mark.parametrize(
    ("parameters", "auth", "password", "actions"),
    [
        ({}, "password", {"Ref": "RedisPassword"}, set()),
        (_IAM_PARAMETERS, "iam", "", {"rds-db:connect", "elasticache:Connect"}),
        (_SECRET_PARAMETERS, "secret", "", {"secretsmanager:GetSecretValue"}),
    ],
    ids=["passwords", "iam", "secrets"],
)
def test_functions_sign_in_to_existing_stores(
    parameters: dict[str, str], auth: str, password: Any, actions: set[str]
) -> None:
    """The functions sign in by password, IAM or secret. Each role has exactly the permissions for that."""
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, **_EXISTING_STORES, **parameters)
    environment = evaluated.environment()
    assert (environment["DATABASE__AUTH"], environment["REDIS__AUTH"]) == (auth, auth)
    assert environment["REDIS__PASSWORD"] == password
    for role in ("AgentRole", "SyncRole", "DeriveRole"):
        allowed_statements = statements(evaluated.evaluate(evaluated.template["Resources"][role]))
        assert {
            action for statement in allowed_statements for action in statement["Action"]
        } & _SIGN_IN_ACTIONS == actions
        # The permissions must not refer to stacks that the deployment does not create.
        assert "Stack" not in str(
            [statement for statement in allowed_statements if set(statement["Action"]) & _SIGN_IN_ACTIONS]
        )


def test_functions_sign_in_to_created_stores_by_iam() -> None:
    """The functions sign in by IAM to stores that the deployment creates.

    The deployment then ignores the parameters for existing stores.
    """
    environment = EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod", **_SECRET_PARAMETERS).environment()
    assert (environment["DATABASE__AUTH"], environment["REDIS__AUTH"]) == ("iam", "iam")
    assert (environment["DATABASE__SECRET_ARN"], environment["REDIS__SECRET_ARN"]) == ("", "")


@pytest.mark.parametrize("url", ["", "postgresql://owner@host/memory"])
def test_a_migration_url_makes_the_deployment_migrate(url: str) -> None:
    """With a migration URL, the deployment migrates, and the functions depend on the migration.

    Without a migration URL, an operator migrates.
    """
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, **_EXISTING_STORES, MigrationDatabaseUrl=url)
    assert evaluated.is_true(evaluated.template["Resources"]["MigrationStack"]["Condition"]) == bool(url)
    assert ("MigrationStack" in str(evaluated.environment()["SCHEMA_REVISION"])) == bool(url)


def test_the_migration_creates_no_user_in_an_existing_database() -> None:
    """With an existing database, the migration creates no user: the user that gets access to the tables must exist."""
    evaluated = EvaluatedTemplate(
        _AWS_ACCOUNT, **_EXISTING_STORES, MigrationDatabaseUrl="postgresql://o@h/d", MigrationIamUser="db-A/o"
    )
    migration = evaluated.evaluate(evaluated.template["Resources"]["MigrationStack"]["Properties"]["Parameters"])
    assert migration["DatabaseUrl"] == {"Ref": "MigrationDatabaseUrl"}
    assert migration["OwnerUserArn"]["Fn::Sub"].endswith(":dbuser:${MigrationIamUser}")
    assert (migration["MakesUser"], migration["FunctionUser"]) == ("false", {"Ref": "DatabaseFunctionUser"})
    created = EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod")
    migration = created.evaluate(created.template["Resources"]["MigrationStack"]["Properties"]["Parameters"])
    assert (migration["MakesUser"], migration["FunctionUser"]) == ("true", "memory")


@pytest.mark.parametrize("name", ["DatabaseUrl", "MigrationDatabaseUrl", "RedisPassword"])
def test_a_secret_is_not_shown(name: str) -> None:
    """The console does not show the secret, and a nested stack that gets the secret does not show it either."""
    assert EvaluatedTemplate(_AWS_ACCOUNT).template["Parameters"][name]["NoEcho"] is True
    assert _stack("migration")["Parameters"]["DatabaseUrl"]["NoEcho"] is True


@pytest.mark.parametrize(
    ("parameters", "protected"),
    [
        ({"Stage": "prod"}, "true"),
        ({"Stage": "dev"}, "false"),
        ({"Stage": "prod", "DatabaseDeletionProtection": "false"}, "false"),
        ({"Stage": "dev", "DatabaseDeletionProtection": "true"}, "true"),
    ],
)
def test_the_database_is_protected_from_deletion(parameters: dict[str, str], protected: str) -> None:
    """The parameter decides on the protection. Without it, the stage decides. A deletion leaves a snapshot."""
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, **parameters)
    database = evaluated.evaluate(evaluated.template["Resources"]["DatabaseStack"]["Properties"]["Parameters"])
    assert database["DeletionProtection"] == protected
    cluster = _stack("database")["Resources"]["Cluster"]
    assert cluster["Properties"]["DeletionProtection"] == {"Fn::If": ["IsProtected", True, False]}
    assert (cluster["DeletionPolicy"], cluster["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")


def test_the_function_gets_the_plugins_and_their_layer() -> None:
    """The function gets the names of the plug-in modules, and a layer contains the modules."""
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod", AgentPlugins="my.module", AgentLayerArn="arn:layer")
    assert evaluated.environment()["AGENT__PLUGINS"] == {"Ref": "AgentPlugins"}
    assert evaluated.environment()["AGENT__ENTRY_POINTS"] == {"Ref": "AgentEntryPoints"}
    agent = transform(Stage="prod", AgentPlugins="my.module")["Resources"]["AgentFunction"]["Properties"]
    assert agent["Layers"] == [{"Fn::If": ["HasAgentLayer", {"Ref": "AgentLayerArn"}, {"Ref": "AWS::NoValue"}]}]
    assert not EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod").is_true("HasAgentLayer")


@pytest.mark.parametrize(
    ("role", "queues"),
    [("SyncRole", ["ExchangeDeadLetterQueue", "DeriveQueue"]), ("DeriveRole", ["DeriveDeadLetterQueue"])],
)
def test_a_function_cannot_trigger_itself(role: str, queues: list[str]) -> None:
    """A function sends nothing to the queue that triggers it, so Lambda's recursion detection does not apply."""
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod")
    allowed_statements = statements(evaluated.evaluate(evaluated.template["Resources"][role]))
    sends = [statement["Resource"] for statement in allowed_statements if "sqs:SendMessage" in statement["Action"]]
    assert [resource for resources in sends for resource in resources] == [
        {"Fn::GetAtt": [queue, "Arn"]} for queue in queues
    ]


@pytest.mark.parametrize("model", ["", "amazon.titan-embed-text-v2:0"])
def test_only_embeddings_of_bedrock_permit_its_models(model: str) -> None:
    """Only with a model of Bedrock, both functions that embed texts may use it, and a created network reaches it."""
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod", SearchEmbeddings="local", BedrockEmbeddingsId=model)
    for role, may_embed in (("AgentRole", True), ("DeriveRole", True), ("SyncRole", False)):
        allowed_statements = statements(evaluated.evaluate(evaluated.template["Resources"][role]))
        actions = {action for statement in allowed_statements for action in statement["Action"]}
        assert ("bedrock:InvokeModel" in actions) == (bool(model) and may_embed)
    assert evaluated.is_true("MakesBedrockEndpoint") == bool(model)
    embeddings = {"Fn::Sub": "bedrock:${BedrockEmbeddingsId}"} if model else {"Ref": "SearchEmbeddings"}
    assert evaluated.environment()["SEARCH__EMBEDDINGS"] == embeddings


@pytest.mark.parametrize("model", ["", "anthropic.claude-haiku-4-5-20251001-v1:0"])
def test_only_learning_by_bedrock_permits_its_model(model: str) -> None:
    """Only with a model of Bedrock, the derive function may use it, and a created network reaches it."""
    evaluated = EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod", BedrockLearningId=model)
    for role in ("AgentRole", "DeriveRole", "SyncRole"):
        allowed_statements = statements(evaluated.evaluate(evaluated.template["Resources"][role]))
        actions = {action for statement in allowed_statements for action in statement["Action"]}
        assert ("bedrock:InvokeModel" in actions) == (bool(model) and role == "DeriveRole")
    assert evaluated.is_true("MakesBedrockEndpoint") == bool(model)
    learning = {"Fn::Sub": "bedrock:${BedrockLearningId}"} if model else {"Ref": "MemoryLearning"}
    assert evaluated.environment()["MEMORY__LEARNING"] == learning


def test_the_derive_function_receives_again_after_its_timeout() -> None:
    """SQS redelivers a batch only after six times the function's timeout, and limits the concurrent batches."""
    resources = EvaluatedTemplate(_AWS_ACCOUNT).template["Resources"]
    function, queue = resources["DeriveFunction"]["Properties"], resources["DeriveQueue"]["Properties"]
    assert 6 * function["Timeout"] <= queue["VisibilityTimeout"]
    dead_letters = resources["DeriveDeadLetterQueue"]["Properties"]
    assert queue["MessageRetentionPeriod"] < dead_letters["MessageRetentionPeriod"]
    source = function["Events"]["DueThreads"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    deployed = EvaluatedTemplate(_AWS_ACCOUNT, Stage="prod")
    assert deployed.evaluate(source["ScalingConfig"]) == {"MaximumConcurrency": {"Ref": "DeriveConcurrency"}}
    assert deployed.template["Parameters"]["DeriveConcurrency"]["Default"] == 2
