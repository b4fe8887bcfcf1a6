"""The compose deployment works on any AWS endpoint, with the same template and the same code."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from infra.local.bundle import make_bundle
from infra.local.client import StackProcess
from infra.local.compose.deploy import ADDRESSES, FUNCTIONS, build, deploy, zipped
from infra.local.environment import ACCESS_KEY
from tests.e2e.deployment import Aws, Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.stores import Layers


@pytest.fixture
def stack_name(aws: Aws) -> Iterator[str]:
    """Return the name of a stack that is deleted after the test."""
    name = f"compose-{uuid4().hex[:8]}"
    yield name
    aws.cloudformation.delete_stack(StackName=name)


@pytest.fixture
def artifacts(stack: StackProcess | None, tmp_path: Path) -> dict[str, bytes]:
    """Return the functions' artifacts. For the emulator, an artifact is the project's code without its dependencies."""
    if stack is not None:
        return dict.fromkeys(FUNCTIONS, make_bundle().content)
    return {name: build(name, tmp_path / name) for name in FUNCTIONS}


def test_an_unchanged_template_is_not_updated(
    deployment: Deployment,
    aws: Aws,
    layers: Layers,
    artifacts: dict[str, bytes],
    stack_name: str,
    thread_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stack is created, an unchanged stack is not updated, and the functions reach their stores."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", deployment.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", deployment.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # The functions' addresses may differ from the addresses on this machine.
    running = aws.functions.get_function_configuration(FunctionName=deployment.agent_function)
    environment = {name: running["Environment"]["Variables"][name] for name in ADDRESSES}
    environment |= {"MEMORY__MAX_THREAD_MESSAGES": "1", "AGENT__MODEL": ""}

    outputs = deploy(stack_name, artifacts, environment)
    second_outputs = deploy(stack_name, artifacts, environment)

    assert outputs == second_outputs
    api_id = outputs["ApiUrl"].split("//")[1].split(".")[0]
    api = MemoryApi(f"{deployment.endpoint_url}/_aws/execute-api/{api_id}/local")
    for number in range(2):
        api.invoked(f"question {number}", f"answer {number}", thread_id=thread_id)
    api.http.close()
    assert layers.cached_contents(thread_id) == ["question 1", "answer 1"]
    assert len(layers.wait_stored(thread_id, 4)) == 4


def test_the_same_files_give_the_same_artifact(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An unchanged artifact has the same key, so the function is not updated."""
    zips = []
    for name in ("one", "two"):
        directory = tmp_path_factory.mktemp(name)
        for path in ("shared/a.py", "b.py"):
            (directory / path).parent.mkdir(exist_ok=True)
            (directory / path).write_text("x = 1\n")
        zips.append(zipped(directory))

    assert zips[0] == zips[1]
