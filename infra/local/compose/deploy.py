"""`python -m infra.local.compose.deploy`: migrates the database, builds the functions, deploys to LocalStack.

This module runs in the `deploy` service of docker-compose.yml. AWS_ENDPOINT_URL, REDIS__* and DATABASE__URL contain the
addresses inside the compose network, which the functions' containers use too.
"""

import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from infra.local import PROJECT_ROOT
from infra.local.bundle import FIRST_ZIP_TIME
from infra.local.deploy import BUCKET, PARAMETERS, STACK, TEMPLATE_KEY
from infra.migrations import upgrade

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

FUNCTIONS = ("AgentFunction", "SyncFunction", "DeriveFunction")
# The template parameters that the embedded stack sets itself and compose takes from the environment.
ADDRESSES = {"REDIS__HOST": "RedisHost", "REDIS__PORT": "RedisPort", "DATABASE__URL": "DatabaseUrl"}
CAPABILITIES: Any = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
WAIT: Any = {"Delay": 1, "MaxAttempts": 300}


def main() -> int:
    """Deploy with the environment's settings; return the exit code."""
    print("Migrating the database ...", flush=True)
    upgrade(os.environ["DATABASE__URL"])
    with tempfile.TemporaryDirectory() as scratch:
        artifacts = {name: build(name, Path(scratch) / name) for name in FUNCTIONS}
    print("Deploying template.yaml ...", flush=True)
    try:
        outputs = deploy(STACK, artifacts, os.environ)
    except (BotoCoreError, ClientError) as error:
        print(f"template.yaml could not be deployed: {error}", file=sys.stderr)
        return 1
    api_id = outputs["ApiUrl"].split("//")[1].split(".")[0]
    # Inside the compose network LocalStack has another host name than outside.
    outside = os.environ.get("PUBLIC_ENDPOINT_URL") or os.environ["AWS_ENDPOINT_URL"]
    print(f"The API:  {outside}/_aws/execute-api/{api_id}/local")
    return 0


def build(function: str, directory: Path) -> bytes:
    """Return a function's artifact as a zip, with wheels for the runtime and this machine's architecture."""
    print(f"Building {function} ...", flush=True)
    architecture = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
    # uv is called by its name, because the mounted project's virtual environment does not run in this container.
    tools = ["UV=uv", f"HOST_PYTHON={sys.executable}"]
    if os.environ.get("SEARCH__EMBEDDINGS") == "local":
        tools.append("EMBEDDINGS=local")
    command = ["make", "--no-print-directory", f"build-{function}", *tools, f"ARCH={architecture}"]
    subprocess.run([*command, f"ARTIFACTS_DIR={directory}"], cwd=PROJECT_ROOT, check=True)
    return zipped(directory)


def zipped(directory: Path) -> bytes:
    """Return a directory's files as a zip; equal files produce equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), FIRST_ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def deploy(stack: str, artifacts: Mapping[str, bytes], environment: Mapping[str, str]) -> dict[str, str]:
    """Create or update the stack, and return its outputs.

    Args:
        stack: The stack's name.
        artifacts: Each function's zip.
        environment: Addresses and settings, named like the functions' environment variables.

    Raises:
        botocore.exceptions.BotoCoreError: The endpoint does not respond, or a resource failed.
        botocore.exceptions.ClientError: CloudFormation refuses the template.
    """
    template = yaml_parse((PROJECT_ROOT / "template.yaml").read_text())
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket=BUCKET)
    for name, content in artifacts.items():
        key = f"{stack}/{name}-{sha256(content).hexdigest()}.zip"
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        template["Resources"][name]["Properties"]["CodeUri"] = f"s3://{BUCKET}/{key}"
    values = {"Stage": "local"} | {
        parameter: environment[name] for name, parameter in (ADDRESSES | PARAMETERS).items() if environment.get(name)
    }
    key = f"{stack}/{TEMPLATE_KEY}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(template, default=str).encode())
    request: Any = {
        "StackName": stack,
        # The template exceeds the size limit of a request.
        "TemplateURL": f"{s3.meta.endpoint_url}/{BUCKET}/{key}",
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in values.items()
            if name in template["Parameters"]
        ],
        "Capabilities": CAPABILITIES,
    }
    cloudformation = boto3.client("cloudformation")
    try:
        _apply(cloudformation, request)
    except WaiterError:
        _print_failures(cloudformation, stack)
        raise
    description = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


def _apply(cloudformation: "CloudFormationClient", request: Any) -> None:
    name = request["StackName"]
    if not _exists(cloudformation, name):
        cloudformation.create_stack(**request)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=WAIT)
        return
    try:
        cloudformation.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return
        raise
    cloudformation.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=WAIT)


def _exists(cloudformation: "CloudFormationClient", name: str) -> bool:
    try:
        cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    return True


def _print_failures(cloudformation: "CloudFormationClient", stack: str) -> None:
    for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]:
        if event.get("ResourceStatus", "").endswith("_FAILED"):
            reason = event.get("ResourceStatusReason", "no reason given")
            print(f"{event.get('LogicalResourceId')}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
