"""samconfig.toml: an environment a stage, and nothing that the template does not know."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_STAGES = {"localstack": "local", "dev": "dev", "prod": "prod"}


@pytest.fixture(scope="module")
def samconfig() -> dict[str, Any]:
    """Return the file as it is parsed."""
    return tomllib.loads((_ROOT / "samconfig.toml").read_text())


@pytest.mark.parametrize("name", _STAGES)
def test_each_environment_deploys_its_stage(samconfig: dict[str, Any], name: str) -> None:
    """Every override is a parameter of the template, the stage among them, and no secret."""
    parameters = samconfig[name]["deploy"]["parameters"]
    overrides = dict(override.split("=", 1) for override in parameters["parameter_overrides"])
    template = (_ROOT / "template.yaml").read_text()

    assert overrides["Stage"] == _STAGES[name]
    assert all(re.search(rf"^  {parameter}:$", template, re.MULTILINE) for parameter in overrides)
    assert "RedisPassword" not in overrides
    assert name == "localstack" or "DatabaseUrl" not in overrides


def test_production_is_asked_about(samconfig: dict[str, Any]) -> None:
    """A change of production is shown and confirmed before it is made."""
    assert samconfig["prod"]["deploy"]["parameters"]["confirm_changeset"] is True
    assert (
        samconfig["prod"]["deploy"]["parameters"]["stack_name"]
        != samconfig["dev"]["deploy"]["parameters"]["stack_name"]
    )
