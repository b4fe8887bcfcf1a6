"""A build has optional ingredients, such as bytecode and the page.

A switch controls each ingredient, a warning reports a missing ingredient, and a record lists the ingredients.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import pytest

from infra.build import page
from infra.build.artifact import __main__ as command
from infra.build.artifact import ingredients
from infra.build.artifact.ingredients import MissingIngredientError, gather, release
from infra.build.artifact.interpreter import OVERRIDE

_INSTALLED_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_MISSING_PYTHON: Final = "3.99"


@pytest.fixture(autouse=True)
def _without_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine without Node.js."""

    def build() -> bool:
        raise page.PageError("Node.js was not found: install 20.19 or newer, with npm")

    monkeypatch.setattr(page, "build", build)


def test_missing_ingredients_are_reported() -> None:
    """The build reports each missing ingredient once, with its effect and the fix."""
    ingredients = gather(_MISSING_PYTHON, environment={})
    assert (ingredients.python, ingredients.page) == (None, False)
    bytecode, no_page = ingredients.warnings
    assert f"Python {_MISSING_PYTHON} was not found" in bytecode
    assert OVERRIDE in bytecode
    assert "BYTECODE=off" in bytecode
    assert "Node.js was not found" in no_page
    assert "PAGE=off" in no_page


@pytest.mark.parametrize(("switch", "fix"), [("BYTECODE", "BYTECODE=off"), ("PAGE", "PAGE=off")])
def test_a_missing_required_ingredient_stops_the_build(switch: str, fix: str) -> None:
    """If a required ingredient is missing, the build stops. The message names the switch that omits the ingredient."""
    with pytest.raises(MissingIngredientError, match=fix):
        gather(_MISSING_PYTHON, environment={switch: "required"})


def test_a_build_omits_an_ingredient_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build omits an ingredient that is switched off, even if the machine has the ingredient."""
    monkeypatch.setattr(page, "build", lambda: True)
    ingredients = gather(_INSTALLED_PYTHON, environment={})
    assert (ingredients.python_version, ingredients.page, ingredients.warnings) == (sys.version.split()[0], True, ())
    ingredients = gather(_INSTALLED_PYTHON, environment={"BYTECODE": "off", "PAGE": "off"})
    assert (ingredients.python, ingredients.page, ingredients.warnings) == (None, False, ())


@pytest.mark.parametrize("switch", ["BYTECODE", "PAGE", "EMBEDDINGS"])
def test_an_unknown_value_of_a_switch_is_refused(switch: str) -> None:
    """An unknown value of a switch is refused, and the message names the switch."""
    with pytest.raises(ValueError, match=f"{switch} is 'on'"):
        gather(_INSTALLED_PYTHON, environment={switch: "on"})


def test_an_artifact_lists_its_ingredients(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record lists the artifact's ingredients. Only the agent function's record has the page."""
    monkeypatch.setattr(page, "build", lambda: True)
    ingredients = gather(_INSTALLED_PYTHON, environment={})
    record = json.loads(ingredients.record("agent", "arm64", _INSTALLED_PYTHON))
    assert record == {
        "function": "agent",
        "architecture": "arm64",
        "runtime": f"python{_INSTALLED_PYTHON}",
        "bytecode": sys.version.split()[0],
        "page": True,
        "embeddings": False,
    }
    assert not {"page", "embeddings"} & set(json.loads(ingredients.record("sync", "arm64", _INSTALLED_PYTHON)))
    assert "embeddings" in json.loads(ingredients.record("derive", "arm64", _INSTALLED_PYTHON))


def test_only_functions_that_embed_texts_have_the_local_model() -> None:
    """With `EMBEDDINGS=local`, the agent function and the derive function have the local model. The default is off."""
    assert not gather(_INSTALLED_PYTHON, environment={}).embeddings
    assert not gather(_INSTALLED_PYTHON, environment={"EMBEDDINGS": "off"}).embeddings
    assert gather(_INSTALLED_PYTHON, environment={"EMBEDDINGS": "local"}).embeddings
    assert not gather(_INSTALLED_PYTHON, with_embeddings=False, environment={"EMBEDDINGS": "local"}).embeddings


def test_the_stamp_depends_on_the_ingredients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds with different ingredients have different stamps.

    A build whose stamp equals the previous build's stamp is not published.
    """
    stamps = {
        release(_INSTALLED_PYTHON, architecture, {"BYTECODE": bytecode, "PAGE": "off"})
        for architecture in ("arm64", "x86_64")
        for bytecode in ("auto", "off")
    }
    monkeypatch.setattr(page, "build", lambda: True)
    stamps.add(release(_INSTALLED_PYTHON, "arm64", {}))
    assert len(stamps) == 5
    stamps.add(release(_INSTALLED_PYTHON, "arm64", {"EMBEDDINGS": "local"}))
    assert len(stamps) == 6


@pytest.mark.parametrize(
    "changed",
    [
        "Makefile",
        "clients/page/src/a.tsx",
        "functions/agent/a.py",
        "infra/build/artifact/contents.py",
        "infra/build/page.py",
        "infra/aws/alarms.yaml",
        "requirements/agent.txt",
        "requirements/bootstrap.txt",
        "requirements/embeddings.txt",
        "shared/a.py",
        "shared/embeddings/local/vocabulary.txt",
        "shared/a.lua",
        "template.yaml",
    ],
)
def test_the_stamp_depends_on_every_file_of_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """The stamp depends on the files that build the artifact and on the files inside the artifact."""
    monkeypatch.setattr(ingredients, "ROOT", tmp_path)
    file = tmp_path / changed
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("one")
    (file.parent / "__pycache__").mkdir()
    (file.parent / "__pycache__" / "a.pyc").write_bytes(b"not a source")
    before = release(_INSTALLED_PYTHON, "arm64", {})
    assert changed in before
    assert ".pyc" not in before
    file.write_text("two")
    assert release(_INSTALLED_PYTHON, "arm64", {}) != before


def test_the_stamp_does_not_depend_on_in_memory_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp does not depend on `shared/testing`, because no artifact contains these files."""
    monkeypatch.setattr(ingredients, "ROOT", tmp_path)
    file = tmp_path / "shared" / "testing" / "a.py"
    file.parent.mkdir(parents=True)
    file.write_text("one")
    before = release(_INSTALLED_PYTHON, "arm64", {})
    file.write_text("two")
    assert release(_INSTALLED_PYTHON, "arm64", {}) == before


def test_the_stamp_does_not_depend_on_the_local_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp does not depend on `infra/local`, because no artifact contains these files."""
    monkeypatch.setattr(ingredients, "ROOT", tmp_path)
    file = tmp_path / "infra" / "local" / "a.py"
    file.parent.mkdir(parents=True)
    file.write_text("one")
    assert "infra/local" not in release(_INSTALLED_PYTHON, "arm64", {})


def test_warnings_go_to_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning goes to standard output, because `sam build` shows standard error only if a build fails."""
    ingredients = gather(_MISSING_PYTHON, environment={"PAGE": "off"})
    monkeypatch.setattr(command, "build", lambda *_: ingredients)
    assert command.main(["agent", "--to", str(tmp_path)]) == 0
    output = capsys.readouterr()
    assert "Warning: the agent artifact. No bytecode." in output.out
    assert output.err == ""
