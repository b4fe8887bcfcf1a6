"""The compose deployment, against whatever AWS endpoint there is: the same template, deployed by the same code."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from infra.compose.deploy import FUNCTIONS, deploy, zipped
from infra.local.bundle import make_bundle
from infra.local.environment import ACCESS_KEY
from tests.e2e.deployment import Aws, Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers


@pytest.fixture
def stack_name(aws: Aws) -> Iterator[str]:
    """Return the name of a stack, which is deleted after the test."""
    name = f"compose-{uuid4().hex[:8]}"
    yield name
    aws.cloudformation.delete_stack(StackName=name)


def test_the_template_is_deployed_and_deployed_again(
    deployment: Deployment,
    layers: Layers,
    servers: Servers,
    stack_name: str,
    thread_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stack is created, an unchanged one is left as it is, and the functions reach their stores."""
    assert servers  # the emulator runs the code without its dependencies, which LocalStack's containers would not
    monkeypatch.setenv("AWS_ENDPOINT_URL", deployment.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", deployment.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    artifacts = dict.fromkeys(FUNCTIONS, make_bundle().content)
    host, _, port = deployment.redis_url.removeprefix("redis://").removesuffix("/0").partition(":")
    environment = {"REDIS__HOST": host, "REDIS__PORT": port, "DATABASE__URL": deployment.database_url}
    environment |= {"MEMORY__MAX_THREAD_MESSAGES": "1", "AGENT__MODEL": ""}

    outputs = deploy(stack_name, artifacts, environment)
    again = deploy(stack_name, artifacts, environment)

    assert outputs == again
    api_id = outputs["ApiUrl"].split("//")[1].split(".")[0]
    api = MemoryApi(f"{deployment.endpoint_url}/_aws/execute-api/{api_id}/local")
    for number in range(2):
        api.invoked(f"question {number}", f"answer {number}", thread_id=thread_id)
    api.http.close()
    assert layers.cached_contents(thread_id) == ["question 1", "answer 1"]
    assert len(layers.wait_stored(thread_id, 4)) == 4


def test_the_same_files_give_the_same_artifact(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An artifact that did not change has the same key, so that the function is not updated."""
    zips = []
    for name in ("one", "two"):
        directory = tmp_path_factory.mktemp(name)
        for path in ("shared/a.py", "b.py"):
            (directory / path).parent.mkdir(exist_ok=True)
            (directory / path).write_text("x = 1\n")
        zips.append(zipped(directory))

    assert zips[0] == zips[1]
