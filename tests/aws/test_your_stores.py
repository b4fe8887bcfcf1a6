"""With existing stores, the functions and the migration can sign in, and their roles have the permissions for this."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from tests.aws.conditions import Evaluated
from tests.aws.policies import statements
from tests.aws.transformed import transform

_AWS: Final = "111122223333"
_SECRET: Final = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:memory"
_YOURS: Final = {"Stage": "prod", "DataStores": "existing"}
_IAM: Final = {
    "DatabaseIamUser": "cluster-A/memory",
    "RedisCacheName": "cache",
    "RedisUserName": "functions",
    "RedisTls": "true",
}
_SECRETS: Final = {"DatabaseSecretArn": _SECRET, "RedisSecretArn": _SECRET}
_SIGN_IN: Final = {"rds-db:connect", "elasticache:Connect", "secretsmanager:GetSecretValue"}


def _stack(name: str) -> dict[str, Any]:
    return dict(yaml_parse((Path(__file__).parents[2] / "infra" / "aws" / f"{name}.yaml").read_text()))


@pytest.mark.parametrize(
    ("given", "auth", "password", "actions"),
    [
        ({}, "password", {"Ref": "RedisPassword"}, set()),
        (_IAM, "iam", "", {"rds-db:connect", "elasticache:Connect"}),
        (_SECRETS, "secret", "", {"secretsmanager:GetSecretValue"}),
    ],
    ids=["passwords", "iam", "secrets"],
)
def test_the_functions_sign_in(given: dict[str, str], auth: str, password: Any, actions: set[str]) -> None:
    """The functions sign in by password, IAM or secret. Each role has exactly the permissions for that."""
    evaluated = Evaluated(_AWS, **_YOURS, **given)
    environment = evaluated.environment()
    assert (environment["DATABASE__AUTH"], environment["REDIS__AUTH"]) == (auth, auth)
    assert environment["REDIS__PASSWORD"] == password
    for role in ("AgentRole", "SyncRole"):
        allowed = statements(evaluated.chosen(evaluated.template["Resources"][role]))
        assert {action for one in allowed for action in one["Action"]} & _SIGN_IN == actions
        # The permissions must not refer to stacks that the deployment does not create.
        assert "Stack" not in str([one for one in allowed if set(one["Action"]) & _SIGN_IN])


def test_created_stores_are_signed_in_to_by_iam() -> None:
    """The functions sign in by IAM to stores that the deployment creates.

    The deployment then ignores the parameters for existing stores.
    """
    environment = Evaluated(_AWS, Stage="prod", **_SECRETS).environment()
    assert (environment["DATABASE__AUTH"], environment["REDIS__AUTH"]) == ("iam", "iam")
    assert (environment["DATABASE__SECRET_ARN"], environment["REDIS__SECRET_ARN"]) == ("", "")


@pytest.mark.parametrize("url", ["", "postgresql://owner@host/memory"])
def test_a_migration_of_yours(url: str) -> None:
    """With a migration URL, the deployment migrates, and the functions depend on the migration.

    Otherwise an operator migrates.
    """
    evaluated = Evaluated(_AWS, **_YOURS, MigrationDatabaseUrl=url)
    assert evaluated.holds(evaluated.template["Resources"]["MigrationStack"]["Condition"]) == bool(url)
    assert ("MigrationStack" in str(evaluated.environment()["SCHEMA_REVISION"])) == bool(url)


def test_the_migration_gets_yours_and_makes_no_user() -> None:
    """With an existing database, the migration creates no user: the user that gets access to the tables must exist."""
    evaluated = Evaluated(_AWS, **_YOURS, MigrationDatabaseUrl="postgresql://o@h/d", MigrationIamUser="db-A/o")
    given = evaluated.chosen(evaluated.template["Resources"]["MigrationStack"]["Properties"]["Parameters"])
    assert given["DatabaseUrl"] == {"Ref": "MigrationDatabaseUrl"}
    assert given["OwnerUserArn"]["Fn::Sub"].endswith(":dbuser:${MigrationIamUser}")
    assert (given["MakesUser"], given["FunctionUser"]) == ("false", {"Ref": "DatabaseFunctionUser"})
    own = Evaluated(_AWS, Stage="prod")
    made = own.chosen(own.template["Resources"]["MigrationStack"]["Properties"]["Parameters"])
    assert (made["MakesUser"], made["FunctionUser"]) == ("true", "memory")


@pytest.mark.parametrize("name", ["DatabaseUrl", "MigrationDatabaseUrl", "RedisPassword"])
def test_a_secret_is_not_shown(name: str) -> None:
    """The console does not show the secret, and a nested stack that gets the secret does not show it either."""
    assert Evaluated(_AWS).template["Parameters"][name]["NoEcho"] is True
    assert _stack("migration")["Parameters"]["DatabaseUrl"]["NoEcho"] is True


@pytest.mark.parametrize(
    ("given", "protected"),
    [
        ({"Stage": "prod"}, "true"),
        ({"Stage": "dev"}, "false"),
        ({"Stage": "prod", "DatabaseDeletionProtection": "false"}, "false"),
        ({"Stage": "dev", "DatabaseDeletionProtection": "true"}, "true"),
    ],
)
def test_the_database_is_protected_from_deletion(given: dict[str, str], protected: str) -> None:
    """The stage or the parameter decides on the protection. A deletion leaves a snapshot."""
    evaluated = Evaluated(_AWS, **given)
    handed = evaluated.chosen(evaluated.template["Resources"]["DatabaseStack"]["Properties"]["Parameters"])
    assert handed["DeletionProtection"] == protected
    cluster = _stack("database")["Resources"]["Cluster"]
    assert cluster["Properties"]["DeletionProtection"] == {"Fn::If": ["IsProtected", True, False]}
    assert (cluster["DeletionPolicy"], cluster["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")


def test_agents_and_tools_of_your_own() -> None:
    """The function gets the names of the plug-in modules, and a layer contains the modules."""
    evaluated = Evaluated(_AWS, Stage="prod", AgentPlugins="my.module", AgentLayerArn="arn:layer")
    assert evaluated.environment()["AGENT__PLUGINS"] == {"Ref": "AgentPlugins"}
    agent = transform(Stage="prod", AgentPlugins="my.module")["Resources"]["AgentFunction"]["Properties"]
    assert agent["Layers"] == [{"Fn::If": ["HasAgentLayer", {"Ref": "AgentLayerArn"}, {"Ref": "AWS::NoValue"}]}]
    assert not Evaluated(_AWS, Stage="prod").holds("HasAgentLayer")


def test_the_drain_cannot_wake_itself() -> None:
    """The drain sends nothing to its own trigger, so Lambda's recursion detection does not apply."""
    evaluated = Evaluated(_AWS, Stage="prod")
    allowed = statements(evaluated.chosen(evaluated.template["Resources"]["SyncRole"]))
    sends = [one["Resource"] for one in allowed if "sqs:SendMessage" in one["Action"]]
    assert ["ExchangeDeadLetterQueue" in str(one) for one in sends] == [True]
