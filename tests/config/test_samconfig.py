"""samconfig.toml has one environment per stage, and sets only parameters of the template."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
# An override as SAM parses it: quoted, or without spaces. SAM silently cuts an unquoted value at its first space.
_OVERRIDE = re.compile(r"""([A-Za-z0-9]+)=(?:"([^"\\]+)"|([^\s"'\\]+))""")
_STAGES = {"localstack": "local", "dev": "dev", "prod": "prod"}


@pytest.fixture(scope="module")
def samconfig() -> dict[str, Any]:
    """Return the parsed file."""
    return tomllib.loads((_ROOT / "samconfig.toml").read_text())


def _parse(override: str) -> tuple[str, str]:
    """Return an override's name and value as SAM parses them.

    Raises:
        AssertionError: SAM would parse another value.
    """
    match = _OVERRIDE.fullmatch(override)
    assert match is not None, f"SAM cuts the value of {override!r} at a space: quote its value"
    return match[1], match[2] or match[3]


def test_a_value_with_spaces_must_be_quoted() -> None:
    """The test's parser refuses a value that SAM would cut, and parses other values as SAM does."""
    with pytest.raises(AssertionError, match="quote its value"):
        _parse("SweepSchedule=rate(6 hours)")
    assert _parse('SweepSchedule="rate(6 hours)"') == ("SweepSchedule", "rate(6 hours)")
    assert _parse("DatabaseMinCapacity=0.5") == ("DatabaseMinCapacity", "0.5")


@pytest.mark.parametrize("name", _STAGES)
def test_each_environment_deploys_its_stage(samconfig: dict[str, Any], name: str) -> None:
    """Each environment sets its stage. Every override is a parameter of the template and not a secret."""
    parameters = samconfig[name]["deploy"]["parameters"]
    overrides = dict(_parse(override) for override in parameters["parameter_overrides"])
    template = (_ROOT / "template.yaml").read_text()

    assert overrides["Stage"] == _STAGES[name]
    assert all(re.search(rf"^  {parameter}:$", template, re.MULTILINE) for parameter in overrides)
    assert "RedisPassword" not in overrides
    assert name == "localstack" or "DatabaseUrl" not in overrides


def test_production_must_be_confirmed(samconfig: dict[str, Any]) -> None:
    """SAM shows a change of production, and the operator must confirm the change."""
    assert samconfig["prod"]["deploy"]["parameters"]["confirm_changeset"] is True
    assert (
        samconfig["prod"]["deploy"]["parameters"]["stack_name"]
        != samconfig["dev"]["deploy"]["parameters"]["stack_name"]
    )


@pytest.mark.parametrize("name", _STAGES)
def test_the_commands_need_no_options(samconfig: dict[str, Any], name: str) -> None:
    """`sam build` and `sam deploy --config-env …` need no options, because SAM reads no other environment's section."""
    assert re.fullmatch(r"[a-z]{2}-[a-z]+-\d", samconfig[name]["deploy"]["parameters"]["region"])
    assert samconfig[name]["build"]["parameters"] == samconfig["default"]["build"]["parameters"]
    assert "CAPABILITY_IAM" in samconfig[name]["deploy"]["parameters"]["capabilities"]
