"""Fixtures of the end-to-end tests: one deployed system per session, its API, stores and queues."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.client import StackProcess
from tests.e2e.deployment import STACK, Aws, Deployment, connect, from_endpoint, from_stack
from tests.e2e.invocation import Functions
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers

_HERE = Path(__file__).parent
# The tests expect default settings, so the user's own settings are removed.
DEFAULT_SETTINGS = {
    "MEMORY__THREAD_TTL_HOURS": "24",
    "MEMORY__USER_TTL_DAYS": "30",
    "MEMORY__MAX_THREAD_MESSAGES": "50",
    "AGENT__MODEL": "offline",
    "AUTH__MODE": "none",
}


_SKIPPED_TESTS = pytest.StashKey[Counter[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that need the embedded stack if the tests run against another deployment."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        return
    e2e_items = (item for item in items if item.path.is_relative_to(_HERE))
    skipped = {item: reason for item in e2e_items if (reason := _reason_to_skip(item))}
    if skipped:
        config.stash[_SKIPPED_TESTS] = Counter(skipped.values())
        config.hook.pytest_deselected(items=list(skipped))
        items[:] = [item for item in items if item not in skipped]


def _reason_to_skip(item: pytest.Item) -> str | None:
    """Return why a test needs the embedded stack: the test has a mark, or uses the servers' processes."""
    if (marker := item.get_closest_marker("embedded")) is not None:
        return str(marker.args[0])
    return "which kill or freeze servers" if "servers" in getattr(item, "fixturenames", ()) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the skipped tests and the reasons."""
    for reason, count in sorted(config.stash.get(_SKIPPED_TESTS, Counter()).items()):
        terminalreporter.write_line(
            f"Skipped, because this deployment is not the embedded stack: {count} tests {reason}"
        )


@pytest.fixture(scope="session")
def endpoint_url() -> str:
    """Return the endpoint of a running system, or '' if there is none."""
    return os.environ.get("AWS_ENDPOINT_URL", "")


@pytest.fixture(scope="session")
def stack(endpoint_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess | None]:
    """Run the embedded stack, unless the tests run against another system."""
    if endpoint_url:
        yield None
        return
    with StackProcess(tmp_path_factory.mktemp("stack"), env=DEFAULT_SETTINGS) as running:
        yield running


@pytest.fixture(scope="session")
def deployment(endpoint_url: str, stack: StackProcess | None) -> Deployment:
    """Return the addresses of the system under test."""
    if stack is not None:
        return from_stack(stack.info)
    try:
        return from_endpoint(endpoint_url, os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
    except (BotoCoreError, ClientError) as error:
        # Exit with one message instead of one error per test.
        pytest.exit(f"There is no stack {STACK} at {endpoint_url}. Run `docker compose up`. ({error})", returncode=1)


@pytest.fixture(scope="session")
def aws(deployment: Deployment) -> Iterator[Aws]:
    """Return AWS clients of the system under test."""
    clients = connect(deployment.endpoint_url, deployment.region)
    yield clients
    clients.close()


@pytest.fixture(scope="session")
def api(deployment: Deployment) -> Iterator[MemoryApi]:
    """Return a client of the API under test."""
    client = MemoryApi(deployment.api_url)
    yield client
    client.http.close()


@pytest.fixture(scope="session")
def layers(deployment: Deployment) -> Layers:
    """Return readers of both stores."""
    return Layers(deployment.redis_url, deployment.database_url)


@pytest.fixture(scope="session")
def queues(aws: Aws, deployment: Deployment) -> Queues:
    """Return the queues."""
    return Queues(aws, deployment)


@pytest.fixture
def drained(queues: Queues) -> None:
    """Wait until earlier tests' messages are drained.

    While messages are queued, a turn after a loss in Redis would report the queue as degraded.
    """
    queues.wait_empty()


@pytest.fixture(scope="session")
def functions(aws: Aws, deployment: Deployment) -> Functions:
    """Return both functions for direct invocations."""
    return Functions(aws, deployment)


@pytest.fixture
def servers(stack: StackProcess | None) -> Servers:
    """Return the servers' processes. Only the embedded stack gives access to them."""
    assert stack is not None, "tests with the fixture `servers` need the embedded stack"
    return Servers(stack)


@pytest.fixture
def thread_id() -> str:
    """Return a new thread id."""
    return f"conv_{uuid4().hex}"


@pytest.fixture
def user_id() -> str:
    """Return a new user id."""
    return f"user_{uuid4().hex}"
