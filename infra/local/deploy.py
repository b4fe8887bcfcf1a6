"""Deploys the template to the emulator through CloudFormation, as on AWS."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import LocalStackError
from infra.local.bundle import make_bundle, packaged_template
from infra.local.environment import ACCESS_KEY, REGION

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

STACK = "hybrid-memory"
BUCKET = "hybrid-memory-artifacts"
TEMPLATE_KEY = "template.json"
STAGE = "local"
# A user of the local stack waits for the result.
DERIVE_DELAY_SECONDS = 2
DEPLOY_SECONDS = 60
# The template parameter of each setting. The functions inherit settings without a parameter from the environment.
PARAMETERS = {
    "REDIS__TIMEOUT_MS": "RedisTimeoutMs",
    "DATABASE__TIMEOUT_MS": "DatabaseTimeoutMs",
    "AGENT__TIMEOUT_SECONDS": "AgentTimeoutSeconds",
    "MEMORY__THREAD_TTL_HOURS": "ThreadTtlHours",
    "MEMORY__USER_TTL_DAYS": "UserTtlDays",
    "MEMORY__MAX_THREAD_MESSAGES": "MaxThreadMessages",
    "MEMORY__MAX_CONTEXT_TOKENS": "MaxContextTokens",
    "MEMORY__RELATED": "MemoryRelated",
    "MEMORY__LEARNING": "MemoryLearning",
    "MEMORY__INJECT_LEARNED": "MemoryInjectLearned",
    "SEARCH__EMBEDDINGS": "SearchEmbeddings",
    "DERIVE__DELAY_SECONDS": "DeriveDelaySeconds",
    "DERIVE__DAILY_CHARACTERS": "DeriveDailyCharacters",
    "AGENT__MODEL": "AgentModel",
    "AGENT__PLUGINS": "AgentPlugins",
    "AGENT__ENTRY_POINTS": "AgentEntryPoints",
    "AGENT__BASE_PATH": "BasePath",
    "AGENT__CORS_ORIGINS": "CorsOrigins",
    "AUTH__MODE": "AuthMode",
    "AUTH__JWKS_URL": "AuthJwksUrl",
    "AUTH__ISSUER": "AuthIssuer",
    "AUTH__AUDIENCE": "AuthAudience",
    "AUTH__AUDIENCE_CLAIM": "AuthAudienceClaim",
    "AUTH__USER_CLAIM": "AuthUserClaim",
    "AUTH__SCOPE_CLAIMS": "AuthScopeClaims",
    "AUTH__OPERATOR_SCOPE": "AuthOperatorScope",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "OtelEndpoint",
    "OTEL_EXPORTER_OTLP_HEADERS": "OtelHeaders",
    "OTEL_TRACES_SAMPLER": "OtelSampler",
    "OTEL_TRACES_SAMPLER_ARG": "OtelSamplerArg",
}


@dataclass(frozen=True)
class Deployment:
    """The addresses of a deployed template."""

    api_url: str
    queue_url: str
    dlq_url: str
    agent_function: str
    sync_function: str
    derive_function: str
    derive_queue_url: str
    derive_dlq_url: str


class Deployer:
    """Deploys to one emulator: at its first start, and again after each restart."""

    def __init__(self, endpoint_url: str, settings: Mapping[str, str], api_id: str) -> None:
        self._endpoint_url = endpoint_url
        self._settings = settings
        self._api_id = api_id
        self._session = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=REGION)

    def deploy(self, *, redis_port: int, database_url: str) -> Deployment:
        """Upload the code, create the stack, and wait until it is complete.

        Raises:
            LocalStackError: A resource failed; the message gives its reason.
        """
        bundle = make_bundle()
        template = packaged_template(BUCKET, bundle)
        values = {"Stage": STAGE, "RedisHost": "127.0.0.1", "RedisPort": str(redis_port), "DatabaseUrl": database_url}
        values["DeriveDelaySeconds"] = str(DERIVE_DELAY_SECONDS)
        values |= {PARAMETERS[name]: value for name, value in self._settings.items() if value and name in PARAMETERS}
        template_parameters = template.get("Parameters", {})
        try:
            self._s3.create_bucket(Bucket=BUCKET)
            self._s3.put_object(Bucket=BUCKET, Key=bundle.key, Body=bundle.content)
            self._s3.put_object(Bucket=BUCKET, Key=TEMPLATE_KEY, Body=json.dumps(template).encode())
            self._cloudformation.create_stack(
                StackName=STACK,
                # CloudFormation accepts 51,200 bytes in a request, and a megabyte from a bucket, which `sam deploy`
                # uses too.
                TemplateURL=f"{self._endpoint_url}/{BUCKET}/{TEMPLATE_KEY}",
                Parameters=[
                    {"ParameterKey": name, "ParameterValue": value}
                    for name, value in values.items()
                    if name in template_parameters
                ],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
                # With this tag the emulator uses a fixed API id, which stays the same after a restart.
                Tags=[{"Key": "ms-custom-id", "Value": self._api_id}],
            )
            self._wait()
            return self._describe()
        except (BotoCoreError, ClientError) as error:
            raise LocalStackError(f"template.yaml could not be deployed to the emulator: {error}") from error

    def queue_depth(self, queue_url: str) -> int:
        """Count the messages that wait in the queue or are being drained; raises boto3's errors."""
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return sum(int(count) for count in attributes["Attributes"].values())

    def _wait(self) -> None:
        deadline = time.monotonic() + DEPLOY_SECONDS
        while True:
            stack = self._cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
            if stack["StackStatus"] == "CREATE_COMPLETE":
                return
            if stack["StackStatus"] != "CREATE_IN_PROGRESS":
                raise LocalStackError(f"template.yaml could not be deployed to the emulator: {self._reason()}")
            if time.monotonic() > deadline:
                raise LocalStackError(f"template.yaml was not deployed to the emulator within {DEPLOY_SECONDS} s.")
            time.sleep(0.02)

    def _reason(self) -> str:
        events = self._cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        failed = [event for event in events if event.get("ResourceStatus", "").endswith("_FAILED")]
        failed.sort(key=lambda event: event["Timestamp"])
        if not failed:
            return "the emulator gives no reason."
        first = failed[0]
        return f"{first.get('LogicalResourceId')}: {first.get('ResourceStatusReason', 'no reason given')}"

    def _describe(self) -> Deployment:
        return Deployment(
            api_url=f"{self._endpoint_url}/_aws/execute-api/{self._physical('Api')}/{STAGE}",
            queue_url=self._physical("ExchangeQueue"),
            dlq_url=self._physical("ExchangeDeadLetterQueue"),
            agent_function=self._physical("AgentFunction"),
            sync_function=self._physical("SyncFunction"),
            derive_function=self._physical("DeriveFunction"),
            derive_queue_url=self._physical("DeriveQueue"),
            derive_dlq_url=self._physical("DeriveDeadLetterQueue"),
        )

    def _physical(self, logical: str) -> str:
        answer = self._cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId=logical)
        return answer["StackResourceDetail"]["PhysicalResourceId"]

    @cached_property
    def _config(self) -> Config:
        return Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 2}, proxies={})

    @cached_property
    def _cloudformation(self) -> "CloudFormationClient":
        return self._session.client("cloudformation", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def _s3(self) -> "S3Client":
        config = self._config.merge(Config(s3={"addressing_style": "path"}))
        return self._session.client("s3", endpoint_url=self._endpoint_url, config=config)

    @cached_property
    def _sqs(self) -> "SQSClient":
        return self._session.client("sqs", endpoint_url=self._endpoint_url, config=self._config)
