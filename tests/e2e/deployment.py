"""The deployed system: this test run's embedded stack, or a deployment at AWS_ENDPOINT_URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import pytest
from botocore.config import Config
from localstack_client.session import Session

from shared.settings import DatabaseSettings, RedisSettings, load

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

STACK: Final = "hybrid-memory"
# Local servers need no proxy and respond quickly.
_CONFIG: Final = Config(proxies={}, connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2})


@dataclass(frozen=True)
class Deployment:
    """The system's addresses, named like those in `stack.json`."""

    api_url: str
    endpoint_url: str
    region: str
    queue_url: str
    dlq_url: str
    agent_function: str
    sync_function: str
    derive_function: str
    derive_queue_url: str
    derive_dlq_url: str
    redis_url: str
    database_url: str


@dataclass(frozen=True)
class Aws:
    """The tests' AWS clients, all from localstack-client."""

    cloudformation: CloudFormationClient
    functions: LambdaClient
    sqs: SQSClient

    def close(self) -> None:
        """Close the connections."""
        for client in (self.cloudformation, self.functions, self.sqs):
            client.close()


def connect(endpoint_url: str, region: str) -> Aws:
    """Return clients of the endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint_url)  # the only place where localstack-client reads a port
        session = Session(region_name=region)
    return Aws(
        cloudformation=session.client("cloudformation", config=_CONFIG),
        functions=session.client("lambda", config=_CONFIG),
        sqs=session.client("sqs", config=_CONFIG),
    )


def from_stack(info: Mapping[str, Any]) -> Deployment:
    """Return the deployment in a `stack.json`."""
    return Deployment(**{field.name: info[field.name] for field in fields(Deployment)})


def from_endpoint(endpoint_url: str, region: str) -> Deployment:
    """Return the deployment of the stack `hybrid-memory` at an AWS endpoint.

    Redis and PostgreSQL are at REDIS__* and DATABASE__URL, as seen from here, or at their default local ports.
    """
    aws = connect(endpoint_url, region)
    stack = aws.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    aws.close()
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return Deployment(
        api_url=_path_style(endpoint_url, outputs["ApiUrl"]),
        endpoint_url=endpoint_url,
        region=region,
        queue_url=outputs["ExchangeQueueUrl"],
        dlq_url=outputs["ExchangeDeadLetterQueueUrl"],
        agent_function=outputs["AgentFunctionName"],
        sync_function=outputs["SyncFunctionName"],
        derive_function=outputs["DeriveFunctionName"],
        derive_queue_url=outputs["DeriveQueueUrl"],
        derive_dlq_url=outputs["DeriveDeadLetterQueueUrl"],
        redis_url=_redis_url(load(RedisSettings)),
        database_url=load(DatabaseSettings).url,
    )


def _path_style(endpoint_url: str, api_url: str) -> str:
    """Return an API's URL in path style, which needs no DNS; the emulator and LocalStack both support it."""
    parts = urlsplit(api_url)
    api_id = (parts.hostname or "").split(".")[0]
    return f"{endpoint_url.rstrip('/')}/_aws/execute-api/{api_id}{parts.path.rstrip('/')}"


def _redis_url(settings: RedisSettings) -> str:
    scheme = "rediss" if settings.tls else "redis"
    password = f":{quote(settings.password, safe='')}@" if settings.password else ""
    return f"{scheme}://{password}{settings.host}:{settings.port}/{settings.db}"
