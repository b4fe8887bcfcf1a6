"""tests/events/env.json: variables of the template, names of the compose network."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from infra.local.deploy import STACK

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """Return the template as it is parsed."""
    return dict(yaml_parse((_ROOT / "template.yaml").read_text()))


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """Return what the file gives every function."""
    return dict(json.loads((_ROOT / "tests" / "events" / "env.json").read_text())["Parameters"])


def test_every_variable_is_one_that_sam_hands_on(template: dict[str, Any], variables: dict[str, str]) -> None:
    """Others would be left out without a word."""
    assert variables.keys() <= template["Globals"]["Function"]["Environment"]["Variables"].keys()


def test_every_host_is_a_service_of_the_compose_file(variables: dict[str, str]) -> None:
    """With the port that the service listens on, and PostgreSQL's user, password and database."""
    services = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]
    hosts = {urlsplit(value).hostname if "://" in value else value for value in variables.values()}
    postgres = services["postgres"]["environment"]

    assert hosts == {"redis", "postgres", "localstack"}
    assert hosts <= services.keys()
    user, password, database = (postgres[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB"))
    assert variables["DATABASE__URL"] == f"postgresql://{user}:{password}@postgres:5432/{database}"


def test_the_queues_are_the_local_stack_s(template: dict[str, Any], variables: dict[str, str]) -> None:
    """The template names them so when the stage is local."""
    named = {"SYNC__QUEUE_URL": "ExchangeQueue", "SYNC__DLQ_URL": "ExchangeDeadLetterQueue"}
    for variable, queue in named.items():
        _, _, local = template["Resources"][queue]["Properties"]["QueueName"]["Fn::If"]
        assert variables[variable].rpartition("/")[2] == local["Fn::Sub"].replace("${AWS::StackName}", STACK)
