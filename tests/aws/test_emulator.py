"""A deployment of the whole system with its nested stacks to the emulator, as far as the emulator supports it.

The emulator creates the network, the cluster, the cache, the roles and the alarms. It has no RDS Proxy, NAT gateway or
flow logs, and its cluster has no PostgreSQL. The stage is therefore `dev` without a NAT gateway, and the cluster's host
name resolves to the embedded PostgreSQL. The emulator's CloudFormation invokes the migration function, which migrates
that database. The emulator has no TLS and accepts any credentials: only AWS can verify a token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from psycopg import sql

from infra.local.environment import ACCESS_KEY, REGION
from infra.local.servers import PostgresServer
from infra.local.servers.emulator import EmulatorServer
from tests.aws.packaged import Package
from tests.support.servers import admin

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

STACK = "hybrid-memory-dev"
PARAMETERS = {
    "Stage": "dev",
    "AuthJwksUrl": "https://issuer.example.com/keys",
    "AuthIssuer": "https://issuer.example.com",
    "AuthAudience": "memory",
    "NatGateways": "0",
    "DatabaseMinCapacity": "0",
    "DatabaseProxy": "false",
    "AgentConcurrency": "20",
    "ApiKeyRequired": "true",
    "ApiAccessLogs": "true",
    "AlarmEmail": "operator@example.com",
}
NESTED = {
    "NetworkStack",
    "DatabaseStack",
    "CacheStack",
    "MigrationStack",
    "StampStack",
    "ReleaseStack",
    "AlarmStack",
    "StoreAlarmStack",
    "DashboardStack",
}


@dataclass(frozen=True)
class Emulator:
    """The emulator with the deployed stacks."""

    endpoint_url: str
    database_url: str
    template_url: str
    port: int = 0

    def client(self, service: str) -> Any:
        """Return a client."""
        session = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=REGION)
        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={})
        return session.client(service, endpoint_url=self.endpoint_url, config=config)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Run the emulator, and a PostgreSQL with the roles that a cluster on AWS has."""
    state = tmp_path_factory.mktemp("aws")
    with PostgresServer(state / "postgres") as postgres:
        _prepare_as_aurora(postgres)
        # With this setting, psycopg connects to this address for every host name.
        settings = {"PGHOSTADDR": "127.0.0.1"}
        with EmulatorServer(state / "emulator", settings) as server:
            running = Emulator(server.url, f"postgresql://memory_owner@127.0.0.1:{postgres.port}/memory", "")
            changes = {":5432/memory": f":{postgres.port}/memory", "sslmode=require": "sslmode=disable"}
            changes["sslmode=${SslMode}"] = "sslmode=disable"
            url = Package(running.client("s3"), server.url, changes).upload()
            yield Emulator(running.endpoint_url, running.database_url, url, postgres.port)


def _prepare_as_aurora(postgres: PostgresServer) -> None:
    with admin(postgres) as operator:
        operator.execute("create role rds_iam")
        operator.execute("create role memory_owner login superuser")
        row = operator.execute("show hba_file").fetchone()
        assert row is not None
        rules = Path(str(row[0]))
        rules.write_text("host memory memory_owner,memory 127.0.0.1/32 trust\n" + rules.read_text())
        operator.execute("select pg_reload_conf()")
        # These roles are the owner and the functions' user of an existing cluster. Both have passwords.
        for name in ("yours", "app"):
            operator.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(name), f"{name}-secret"))
        operator.execute("create database yours owner yours")


def _create(emulator: Emulator, name: str, parameters: dict[str, str]) -> dict[str, Any]:
    """Create and return the stack. If this fails, the error lists the reasons of the root and nested stacks."""
    cloudformation: CloudFormationClient = emulator.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=emulator.template_url,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    try:
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    except Exception as error:
        raise AssertionError("\n".join(_reasons(cloudformation))) from error
    return dict(cloudformation.describe_stacks(StackName=name)["Stacks"][0])


def _reasons(cloudformation: CloudFormationClient) -> list[str]:
    reasons = []
    for stack in cloudformation.describe_stacks()["Stacks"]:
        events = cloudformation.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
        reasons += [
            f"{stack['StackName']}/{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in events
            if event.get("ResourceStatus", "").endswith("FAILED")
        ]
    return reasons


@pytest.fixture(scope="module")
def stack(emulator: Emulator) -> dict[str, Any]:
    """Deploy the system."""
    return _create(emulator, STACK, PARAMETERS)


@pytest.fixture(scope="module")
def outputs(stack: dict[str, Any]) -> dict[str, str]:
    """Return the stack's outputs."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_every_stack_is_complete(emulator: Emulator, stack: dict[str, Any]) -> None:
    """The root and all nested stacks are complete."""
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    cloudformation = emulator.client("cloudformation")
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    nested = {
        each["LogicalResourceId"]: each for each in resources if each["ResourceType"] == "AWS::CloudFormation::Stack"
    }
    assert set(nested) == NESTED
    assert {each["ResourceStatus"] for each in nested.values()} == {"CREATE_COMPLETE"}


def test_the_stack_has_the_contracts_outputs(outputs: dict[str, str]) -> None:
    """The stack has all outputs of the contract, as in other environments, and the outputs that only AWS has."""
    contract = {"ApiUrl", "ExchangeQueueUrl", "ExchangeDeadLetterQueueUrl", "AgentFunctionName", "SyncFunctionName"}
    contract |= {"DeriveQueueUrl", "DeriveDeadLetterQueueUrl", "DeriveFunctionName"}
    assert contract | {"AgentAliasArn", "AlarmTopicArn", "DashboardName", "DatabaseHost", "RedisAddress"} <= set(
        outputs
    )


def test_the_database_is_migrated_before_the_functions_are_created(emulator: Emulator, outputs: dict[str, str]) -> None:
    """CloudFormation invoked the migration function, and the functions' environment has its result."""
    with psycopg.connect(emulator.database_url) as connection:
        row = connection.execute("select version_num from alembic_version").fetchone()
        assert connection.execute("select pg_has_role('memory', 'rds_iam', 'member')").fetchone() == (True,)
    assert row is not None
    for name in _functions(outputs):
        assert _environment(emulator, name)["SCHEMA_REVISION"] == row[0]


def _functions(outputs: dict[str, str]) -> list[str]:
    return [outputs[f"{name}FunctionName"] for name in ("Agent", "Sync", "Derive")]


def _environment(emulator: Emulator, function: str) -> dict[str, str]:
    configuration = emulator.client("lambda").get_function_configuration(FunctionName=function)
    return dict(configuration["Environment"]["Variables"])


def test_the_stamp_is_published(emulator: Emulator, outputs: dict[str, str]) -> None:
    """The description of the alias's version and the function's environment contain the same stamp.

    The stamp identifies the function's settings. It has the names and version numbers of three layers.
    """
    live = emulator.client("lambda").get_function_configuration(
        FunctionName=outputs["AgentFunctionName"], Qualifier="live"
    )
    stamp = _environment(emulator, outputs["AgentFunctionName"])["RELEASE"]
    assert len([layer for layer in stamp.split() if re.fullmatch(r"[\w-]+:\d+", layer)]) == 3
    assert live["Description"] == stamp


def test_no_secret_is_in_an_environment(emulator: Emulator, outputs: dict[str, str]) -> None:
    """The functions sign in to both stores by IAM, with TLS."""
    for name in _functions(outputs):
        environment = _environment(emulator, name)
        assert (environment["DATABASE__AUTH"], environment["REDIS__AUTH"]) == ("iam", "iam")
        assert environment["DATABASE__URL"].startswith("postgresql://memory@")
        assert (environment["REDIS__TLS"], environment["REDIS__PASSWORD"]) == ("true", "")


def test_the_functions_sign_in_to_postgresql(emulator: Emulator, outputs: dict[str, str]) -> None:
    """The alias's function connects to PostgreSQL as `memory`, and reports that Valkey does not respond."""
    functions = emulator.client("lambda")
    health = _invoke_health(functions, outputs)
    states = {"redis": "unavailable", "postgres": "ok", "queue": "ok"}
    assert health == {"status": "degraded", **states, "search": {"unindexed": 0}}


def _invoke_health(functions: Any, outputs: dict[str, str]) -> Any:
    functions.get_waiter("published_version_active").wait(
        FunctionName=outputs["AgentFunctionName"], Qualifier="live", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    answer = json.loads(
        functions.invoke(FunctionName=outputs["AgentAliasArn"], Payload=_health_event())["Payload"].read()
    )
    return json.loads(answer["body"])


def _health_event() -> bytes:
    event = {
        "resource": "/{proxy+}",
        "path": "/health",
        "httpMethod": "GET",
        "headers": {},
        "queryStringParameters": None,
        "requestContext": {"requestId": "r", "stage": "dev", "identity": {"sourceIp": "127.0.0.1"}},
        "body": None,
        "isBase64Encoded": False,
    }
    return json.dumps(event).encode()


def test_the_api_calls_the_alias(emulator: Emulator, outputs: dict[str, str]) -> None:
    """Every method of the API calls the agent function's alias."""
    gateway = emulator.client("apigateway")
    api = outputs["ApiUrl"].split("//")[1].split(".")[0]
    targets = set()
    for resource in gateway.get_resources(restApiId=api, embed=["methods"])["items"]:
        for method in resource.get("resourceMethods", {}):
            integration = gateway.get_integration(restApiId=api, resourceId=resource["id"], httpMethod=method)
            targets.add(integration["uri"].split("functions/")[1].removesuffix("/invocations"))
    assert targets == {outputs["AgentAliasArn"]}


def test_alarms_notify_the_topic(emulator: Emulator, outputs: dict[str, str]) -> None:
    """Every alarm notifies the topic, and the topic has the configured mailbox."""
    cloudwatch = emulator.client("cloudwatch")
    alarms = cloudwatch.describe_alarms(MaxRecords=100)["MetricAlarms"]
    assert len(alarms) > 20
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {outputs["AlarmTopicArn"]}
    topic = emulator.client("sns").list_subscriptions_by_topic(TopicArn=outputs["AlarmTopicArn"])
    assert [each["Endpoint"] for each in topic["Subscriptions"]] == ["operator@example.com"]


def _secret(emulator: Emulator, user: str) -> str:
    text = json.dumps({"username": user, "password": f"{user}-secret"})
    return str(emulator.client("secretsmanager").create_secret(Name=user, SecretString=text)["ARN"])


def test_existing_stores_are_migrated(emulator: Emulator) -> None:
    """The deployment migrates existing stores and grants the functions access.

    Passwords are only in Secrets Manager.
    """
    url = f"127.0.0.1:{emulator.port}/yours"
    created = _create(
        emulator,
        "yours",
        {
            **{name: value for name, value in PARAMETERS.items() if name.startswith(("Stage", "Auth"))},
            "DataStores": "existing",
            "DatabaseUrl": f"postgresql://{url}",
            "DatabaseSecretArn": _secret(emulator, "app"),
            "MigrationDatabaseUrl": f"postgresql://{url}",
            "MigrationSecretArn": _secret(emulator, "yours"),
            "DatabaseFunctionUser": "app",
            "RedisHost": "127.0.0.1",
            "RedisPort": "1",
        },
    )
    outputs = {output["OutputKey"]: output["OutputValue"] for output in created["Outputs"]}
    with psycopg.connect(f"postgresql://yours:yours-secret@{url}") as connection:
        row = connection.execute("select version_num from alembic_version").fetchone()
        insert_privilege = connection.execute("select has_table_privilege('app', 'messages', 'insert')").fetchone()
        select_privilege = connection.execute(
            "select has_table_privilege('app', 'alembic_version', 'select')"
        ).fetchone()
    assert row is not None
    assert (insert_privilege, select_privilege) == ((True,), (False,))
    for name in (*_functions(outputs), outputs["MigrateFunctionName"]):
        environment = _environment(emulator, name)
        assert environment["DATABASE__AUTH"] == "secret"
        assert "-secret" not in environment["DATABASE__URL"]
    assert _environment(emulator, outputs["SyncFunctionName"])["SCHEMA_REVISION"] == row[0]
    assert _invoke_health(emulator.client("lambda"), outputs)["postgres"] == "ok"


def test_a_stage_without_tokens_is_refused(emulator: Emulator) -> None:
    """A deployment without the tokens' parameters fails before it creates any resource.

    The message names the missing parameter.
    """
    with pytest.raises(ClientError, match="Set AuthJwksUrl, AuthIssuer and AuthAudience"):
        _create(emulator, "open", {"Stage": "prod"})
