"""A Docker engine, a substitute for Lambda's image, and the servers of the compose network."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from infra.build.artifact.build import ROOT, runtime_version
from infra.build.artifact.interpreter import OVERRIDE, find_python
from infra.local.servers import PostgresServer, ValkeyServer
from infra.migrations import upgrade
from tests.e2e.stores import Layers
from tests.sam_local import base_image
from tests.sam_local.engine import Engine, NoEngineError
from tests.sam_local.relay import Relay
from tests.support.servers import admin
from tests.support.sqs_server import SqsServer

ENVIRONMENT_FILE = ROOT / "tests" / "events" / "env.json"
_BUILD = ROOT / ".venv-build"
_IMAGE = "hybrid-memory-test/lambda"
_NETWORK = "hybrid-memory-test"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Return a Docker engine. Without an engine, the tests are skipped with a message."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(Engine(tmp_path_factory.mktemp("engine")))
        except NoEngineError as reason:
            pytest.skip(f"`sam local` is NOT TESTED: {reason}")
        yield running


@pytest.fixture(scope="session")
def image(engine: Engine) -> Iterator[str]:
    """Return the substitute for Lambda's image, which is removed after the tests."""
    version = runtime_version()
    python = find_python(version)
    assert python, f"Python {version}, which the image contains, was not found: install it or set {OVERRIDE}"
    base_image.build_image(engine, f"{_IMAGE}:base", python=python, version=version, runtime=_BUILD / "runtime")
    yield f"{_IMAGE}:base"
    # The reverse order removes the image with the SAM CLI's layer first.
    names = engine.run("images", "--format", "{{.Repository}}:{{.Tag}}", _IMAGE).split()
    engine.run("rmi", "--force", *sorted(names, reverse=True))


@pytest.fixture(scope="session")
def sqs_queues(running_sqs: SqsServer) -> dict[str, str]:
    """Return this machine's URLs of the queues in the environment file, by variable."""
    client = running_sqs.client()
    parameters = json.loads(ENVIRONMENT_FILE.read_text())["Parameters"]
    names = {variable: parameters[variable].rpartition("/")[2] for variable in ("SYNC__QUEUE_URL", "SYNC__DLQ_URL")}
    return {variable: client.create_queue(QueueName=name)["QueueUrl"] for variable, name in names.items()}


@pytest.fixture(scope="session")
def layers(running_postgres: PostgresServer, running_valkey: ValkeyServer) -> Layers:
    """Return readers of both stores, with the compose file's role and database."""
    with admin(running_postgres) as connection:
        connection.execute("alter role memory password 'memory'")
    port = running_postgres.port
    url = f"postgresql://memory:memory@127.0.0.1:{port}/memory"
    upgrade(url)
    return Layers(f"redis://127.0.0.1:{running_valkey.port}/0", url)


@pytest.fixture(scope="session")
def invoke(
    engine: Engine,
    image: str,
    layers: Layers,
    sqs_queues: dict[str, str],
    running_postgres: PostgresServer,
    running_valkey: ValkeyServer,
    running_sqs: SqsServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str, str], Any]]:
    """Return a function that invokes a Lambda function with a sample event, as in the README."""
    assert layers
    assert sqs_queues
    home = tmp_path_factory.mktemp("home")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "SAM_CLI_TELEMETRY": "0"}
    environment |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    environment |= {"DOCKER_HOST": engine.host} if engine.host else {}
    command = [str(_BUILD / "bin" / "sam"), "local", "invoke", "--skip-pull-image", "--invoke-image", image]
    command += ["--docker-network", _NETWORK, "--env-vars", "tests/events/env.json"]
    targets = {6379: running_valkey.port, 5432: running_postgres.port, 4566: running_sqs.port}
    with engine.network(_NETWORK) as gateway, ExitStack() as relays:
        for port, target in targets.items():
            relays.enter_context(Relay((gateway, port), target))
        for name in ("redis", "postgres", "localstack"):
            # In the compose network, these host names belong to the containers.
            command += ["--add-host", f"{name}:{gateway}"]

        def run(function: str, event: str) -> Any:
            process = subprocess.run(
                [*command, function, "-e", f"tests/events/{event}"],
                cwd=ROOT,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
            )
            assert process.returncode == 0, f"{process.stdout}\n{process.stderr}"
            answer = json.loads(process.stdout)
            assert "errorType" not in answer, f"{answer}\n{process.stderr}"
            return answer

        yield run
