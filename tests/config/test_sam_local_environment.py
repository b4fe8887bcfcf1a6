"""tests/events/env.json has the template's variables and the compose network's host names."""

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
    """Return the parsed template."""
    return dict(yaml_parse((_ROOT / "template.yaml").read_text()))


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """Return the variables that the file sets for every function."""
    return dict(json.loads((_ROOT / "tests" / "events" / "env.json").read_text())["Parameters"])


@pytest.fixture(scope="module")
def template_variables(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template's environment of the functions, as written."""
    sections = [template["Globals"]["Function"]]
    sections += [template["Resources"][f"{name}Function"]["Properties"] for name in ("Derive", "Sync", "Agent")]
    return {name: value for each in sections for name, value in each["Environment"]["Variables"].items()}


def test_every_variable_is_in_the_template(template_variables: dict[str, Any], variables: dict[str, str]) -> None:
    """The file has only variables of the template, because SAM silently ignores other variables."""
    assert variables.keys() <= template_variables.keys()


def test_variables_with_conditions_are_set(template_variables: dict[str, Any], variables: dict[str, str]) -> None:
    """`sam local` does not evaluate conditions, so the file sets every variable that depends on a condition."""
    conditional = {name for name, value in template_variables.items() if isinstance(value, dict) and "Fn::If" in value}

    assert conditional - {"POWERTOOLS_SERVICE_NAME"} <= variables.keys()


def test_every_host_is_a_compose_service(variables: dict[str, str]) -> None:
    """Each host is a compose service. PostgreSQL's URL has the service's port, user, password and database."""
    services = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]
    hosts = {urlsplit(value).hostname for value in variables.values() if "://" in value} | {variables["REDIS__HOST"]}
    postgres = services["postgres"]["environment"]

    assert hosts == {"redis", "postgres", "localstack"}
    assert hosts <= services.keys()
    user, password, database = (postgres[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB"))
    assert variables["DATABASE__URL"] == f"postgresql://{user}:{password}@postgres:5432/{database}"


def test_the_queue_names_are_the_templates(template: dict[str, Any], variables: dict[str, str]) -> None:
    """The file has the queue names that the template uses in the stage local."""
    queue_names = {"SYNC__QUEUE_URL": "ExchangeQueue", "SYNC__DLQ_URL": "ExchangeDeadLetterQueue"}
    queue_names |= {"DERIVE__QUEUE_URL": "DeriveQueue", "DERIVE__DLQ_URL": "DeriveDeadLetterQueue"}
    for variable, queue in queue_names.items():
        _, _, local = template["Resources"][queue]["Properties"]["QueueName"]["Fn::If"]
        assert variables[variable].rpartition("/")[2] == local["Fn::Sub"].replace("${AWS::StackName}", STACK)
