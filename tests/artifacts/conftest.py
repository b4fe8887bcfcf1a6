"""Fixtures for the built artifacts, an interpreter that can run them, and a stack whose servers the artifacts use."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from infra.build.artifact.build import ROOT, runtime_version
from infra.build.artifact.interpreter import OVERRIDE, find_python
from infra.local.client import StackProcess
from infra.local.environment import ACCESS_KEY
from tests.artifacts.runtime_interface import Invocable
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.e2e.deployment import Aws, Deployment, connect, from_stack
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers

BUILD = ROOT / ".aws-sam" / "build"
BUILD_ENVIRONMENT = ROOT / ".venv-build"
FUNCTIONS = {"agent": "AgentFunction", "derive": "DeriveFunction", "sync": "SyncFunction"}


@pytest.fixture(scope="session")
def built_template() -> dict[str, Any]:
    """Return the template that `sam build` wrote."""
    path = BUILD / "template.yaml"
    assert path.exists(), "no artifact is built: run `make test-artifacts`, which builds the artifacts first"
    return dict(yaml_parse(path.read_text()))


@pytest.fixture(scope="session")
def artifacts(built_template: dict[str, Any]) -> dict[str, Path]:
    """Return each function's artifact for this machine's architecture."""
    machine = platform.machine().replace("aarch64", "arm64")
    built_for = built_template["Parameters"]["Architecture"]["Default"]
    assert built_for == machine, f"the artifacts are for {built_for}: `make test-artifacts` builds them for {machine}"
    resources = built_template["Resources"]
    built = {name: (BUILD / resources[logical_id]["Properties"]["CodeUri"]) for name, logical_id in FUNCTIONS.items()}
    # The artifact of a nested stack is built into that stack's directory.
    return {**built, "migrate": BUILD / "MigrationStack" / "MigrateFunction"}


@pytest.fixture(scope="session")
def runtime_python() -> Path:
    """Return an interpreter of the runtime's version, which the tests need."""
    version = runtime_version()
    if python := find_python(version):
        return python
    message = f"Python {version}, which runs the artifacts, was not found: install it, or set its path in {OVERRIDE}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return a running stack with extra queues for the tests, because the stack's function drains the stack's queue."""
    with StackProcess(tmp_path_factory.mktemp("stack"), env=DEFAULT_SETTINGS) as stack:
        running = from_stack(stack.info)
        aws = connect(running.endpoint_url, running.region)
        urls = [aws.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("built", "built-dead")]
        aws.close()
        yield replace(running, queue_url=urls[0], dlq_url=urls[1])


@pytest.fixture(scope="session")
def aws(deployment: Deployment) -> Iterator[Aws]:
    """Return clients of the stack's AWS."""
    clients = connect(deployment.endpoint_url, deployment.region)
    yield clients
    clients.close()


@pytest.fixture(scope="session")
def layers(deployment: Deployment) -> Layers:
    """Return readers of both stores."""
    return Layers(deployment.redis_url, deployment.database_url)


@pytest.fixture(scope="session")
def queues(aws: Aws, deployment: Deployment) -> Queues:
    """Return the tests' own queues."""
    return Queues(aws, deployment)


@pytest.fixture(scope="session")
def function_environment(deployment: Deployment) -> dict[str, str]:
    """Return the functions' environment from the template, with the stack's addresses."""
    return function_settings(deployment) | {
        "AWS_ENDPOINT_URL": deployment.endpoint_url,
        "AWS_REGION": deployment.region,
        "AWS_DEFAULT_REGION": deployment.region,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }


def function_settings(deployment: Deployment, host: str = "127.0.0.1") -> dict[str, str]:
    """Return the project's settings for a function that reaches this machine as `host`."""
    redis_host, _, redis_port = deployment.redis_url.removeprefix("redis://").removesuffix("/0").partition(":")
    settings = {"STAGE": "local", "REDIS__HOST": redis_host, "REDIS__PORT": redis_port, **DEFAULT_SETTINGS}
    settings |= {"DATABASE__URL": deployment.database_url}
    settings |= {"SYNC__QUEUE_URL": deployment.queue_url, "SYNC__DLQ_URL": deployment.dlq_url}
    settings |= {"DERIVE__QUEUE_URL": deployment.queue_url, "DERIVE__DLQ_URL": deployment.dlq_url}
    return {name: value.replace("127.0.0.1", host) for name, value in settings.items()}


@pytest.fixture(scope="session")
def run(
    artifacts: dict[str, Path],
    built_template: dict[str, Any],
    runtime_python: Path,
    function_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Invocable]]:
    """Return a function that starts a built function. Keyword arguments are additional environment variables."""
    directory = tmp_path_factory.mktemp("functions")
    with ExitStack() as running:

        def start(name: str, **environment: str) -> Invocable:
            function = Invocable(
                python=runtime_python,
                artifact=artifacts[name],
                build_environment=BUILD_ENVIRONMENT,
                handler=built_template["Resources"][FUNCTIONS[name]]["Properties"]["Handler"],
                environment=function_environment | {"POWERTOOLS_SERVICE_NAME": name} | environment,
                log=directory / f"{name}-{len(list(directory.iterdir()))}.log",
            )
            return running.enter_context(function)

        yield start


@pytest.fixture(scope="session")
def agent(run: Callable[..., Invocable]) -> Invocable:
    """Run the built agent function."""
    return run("agent")


@pytest.fixture(scope="session")
def sync(run: Callable[..., Invocable]) -> Invocable:
    """Run the built sync function."""
    return run("sync")
