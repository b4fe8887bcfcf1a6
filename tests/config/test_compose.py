"""docker-compose.yml has pinned images, health checks, one network, and ports on this machine only."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local.compose.deploy import ADDRESSES, FUNCTIONS
from infra.local.deploy import PARAMETERS

_ROOT = Path(__file__).parents[2]
_SERVERS = ("redis", "postgres", "localstack")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Return the parsed file."""
    return dict(yaml.safe_load((_ROOT / "docker-compose.yml").read_text()))


def test_every_image_is_pinned(compose: dict[str, Any]) -> None:
    """Each image has a full version, including the deploy image's base."""
    images = {name: compose["services"][name]["image"] for name in _SERVERS}
    base = re.search(r"^FROM (\S+)$", (_ROOT / "infra/local/compose/Dockerfile").read_text(), re.MULTILINE)

    assert images["redis"].startswith("redis/redis-stack:7.")
    assert images["postgres"].startswith("postgres:16.")
    assert images["localstack"] == "localstack/localstack:4.14.0"
    assert base
    for image in [*images.values(), base[1]]:
        assert re.search(r":\d+\.\d+[\w.-]*$", image), image


def test_the_deployment_waits_for_healthy_servers(compose: dict[str, Any]) -> None:
    """Every server has a health check, and the deployment starts once all servers are healthy."""
    deploy = compose["services"]["deploy"]

    assert all("test" in compose["services"][name]["healthcheck"] for name in _SERVERS)
    assert deploy["depends_on"] == {name: {"condition": "service_healthy"} for name in _SERVERS}
    assert deploy["restart"] == "no"


def test_ports_are_for_this_machine_only(compose: dict[str, Any]) -> None:
    """Every published port is bound to 127.0.0.1, including Redis Insight's."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert "127.0.0.1:8001:8001" in ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_functions_reach_the_servers_by_name(compose: dict[str, Any]) -> None:
    """Function containers join the compose network, in which the deployed addresses are valid."""
    environment = compose["services"]["deploy"]["environment"]

    assert (
        compose["services"]["localstack"]["environment"]["LAMBDA_DOCKER_NETWORK"]
        == (compose["networks"]["default"]["name"])
    )
    assert environment["REDIS__HOST"] in compose["services"]
    assert "@postgres:5432/" in environment["DATABASE__URL"]
    assert environment["AWS_ENDPOINT_URL"] == "http://localstack:4566"


def test_functions_run_in_their_own_containers(compose: dict[str, Any]) -> None:
    """LocalStack has the Docker socket and starts the function containers through it."""
    (volume,) = compose["services"]["localstack"]["volumes"]

    assert volume == "${DOCKER_SOCK:-/var/run/docker.sock}:/var/run/docker.sock"


def test_the_build_cache_is_in_a_volume(compose: dict[str, Any]) -> None:
    """The build cache is in a volume, independent of the image user's home."""
    deploy = compose["services"]["deploy"]
    name, _, path = next(volume for volume in deploy["volumes"] if "cache" in volume).partition(":")

    assert name in compose["volumes"]
    assert Path(deploy["environment"]["UV_CACHE_DIR"]).is_relative_to(path)


def test_every_setting_can_be_set_for_compose(compose: dict[str, Any]) -> None:
    """Every setting with a template parameter can be set for compose as for `make run`."""
    template = (_ROOT / "template.yaml").read_text()
    expected = {name for name, parameter in (ADDRESSES | PARAMETERS).items() if f"\n  {parameter}:\n" in template}

    assert expected <= compose["services"]["deploy"]["environment"].keys()


def test_the_makefile_builds_the_deployed_functions() -> None:
    """The deploy service builds each function with a make target, and the Makefile has these targets."""
    makefile = (_ROOT / "Makefile").read_text()

    assert all(f"\nbuild-{name}:" in makefile for name in FUNCTIONS)
