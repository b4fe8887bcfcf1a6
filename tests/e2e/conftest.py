"""Fixtures of the end-to-end tests: one deployed system a session, its API, its stores, its queues."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from infra.local.client import StackProcess
from tests.e2e.deployment import Aws, Deployment, connect, from_endpoint, from_stack
from tests.e2e.invocation import Functions
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers

# Whatever the person who runs the tests has set: what the tests expect are the defaults.
DEFAULTS = {
    "MEMORY__THREAD_TTL_HOURS": "24",
    "MEMORY__USER_TTL_DAYS": "30",
    "MEMORY__MAX_THREAD_MESSAGES": "50",
    "AGENT__MODEL": "offline",
    "AUTH__MODE": "none",
}


@pytest.fixture(scope="session")
def endpoint_url() -> str:
    """Return the endpoint of a system that runs already, '' when there is none."""
    return os.environ.get("AWS_ENDPOINT_URL", "")


@pytest.fixture(scope="session")
def stack(endpoint_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess | None]:
    """Run the embedded stack, unless the tests are to run against another system."""
    if endpoint_url:
        yield None
        return
    with StackProcess(tmp_path_factory.mktemp("stack"), env=DEFAULTS) as running:
        yield running


@pytest.fixture(scope="session")
def deployment(endpoint_url: str, stack: StackProcess | None) -> Deployment:
    """Return where the system under test is."""
    if stack is not None:
        return from_stack(stack.info)
    return from_endpoint(endpoint_url, os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))


@pytest.fixture(scope="session")
def aws(deployment: Deployment) -> Iterator[Aws]:
    """Return AWS clients of the system under test."""
    made = connect(deployment.endpoint_url, deployment.region)
    yield made
    made.close()


@pytest.fixture(scope="session")
def api(deployment: Deployment) -> Iterator[MemoryApi]:
    """Return a client of the API under test."""
    made = MemoryApi(deployment.api_url)
    yield made
    made.http.close()


@pytest.fixture(scope="session")
def layers(deployment: Deployment) -> Layers:
    """Return both stores, to look into directly."""
    return Layers(deployment.redis_url, deployment.database_url)


@pytest.fixture(scope="session")
def queues(aws: Aws, deployment: Deployment) -> Queues:
    """Return the queues."""
    return Queues(aws, deployment)


@pytest.fixture(scope="session")
def functions(aws: Aws, deployment: Deployment) -> Functions:
    """Return both functions, to invoke directly."""
    return Functions(aws, deployment)


@pytest.fixture
def servers(stack: StackProcess | None) -> Servers:
    """Return the servers' processes, which only the embedded stack has within reach."""
    if stack is None:
        pytest.skip("the servers of a deployment that runs elsewhere cannot be stopped from here")
    return Servers(stack)


@pytest.fixture
def thread_id() -> str:
    """Return the id of a thread that nobody has used."""
    return f"conv_{uuid4().hex}"


@pytest.fixture
def user_id() -> str:
    """Return the id of a user that nobody has been."""
    return f"user_{uuid4().hex}"
