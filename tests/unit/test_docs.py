"""The documents agree with the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from starlette.routing import Route

from cli.main import app as cli
from functions.agent.http.api import create_app
from functions.agent.operations import Operations
from shared import settings

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
DECISION_PARTS = ("## Status", "## Context", "## Decision", "## Consequences")
MAX_DECISION_WORDS = 350


def _section(document: str, heading: str) -> str:
    text = (ROOT / document).read_text()
    match = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert match, f"{document} has no section {heading!r}"
    return match.group(1)


def _rows(section: str) -> list[list[str]]:
    """Return the tables' rows without headings."""
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines]


def _settings() -> dict[str, str]:
    """Return each variable with its default in the format of the configuration page."""
    defaults = {}
    for _, settings_class in inspect.getmembers(settings, inspect.isclass):
        if issubclass(settings_class, BaseSettings) and settings_class is not BaseSettings:
            for name, field in settings_class.model_fields.items():
                variable = f"{settings_class.model_config.get('env_prefix', '')}{name}".upper()
                defaults[variable] = _formatted(field.default)
    return defaults


def _formatted(default: object) -> str:
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_setting_is_documented_with_its_default() -> None:
    """The configuration page has exactly the settings that the code reads, with their defaults."""
    rows = _rows(_section("docs/configuration.md", "The functions"))
    listed_settings = {row[0].strip("`"): row[1] for row in rows if not row[0].startswith("`OTEL_")}
    assert listed_settings == _settings()


def test_every_route_is_documented() -> None:
    """The page about the API lists exactly the application's routes."""
    app = create_app(cast("Operations", object()))
    served_routes = {
        f"{method} {re.sub(r':path}', '}', route.path)}"
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    rows = _rows(_section("docs/http-api.md", "Routes"))
    listed_routes = {route for row in rows for route in re.findall(r"`([A-Z]+ /[^`]*)`", row[0])}
    assert listed_routes == served_routes


def test_every_make_target_in_the_documents_exists() -> None:
    """The Makefile has every target that the documents name."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        code = "\n".join(CODE.findall(document.read_text()))
        documented_targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
        assert documented_targets <= targets, f"{document.name}: {documented_targets - targets}"


def test_every_public_make_target_is_documented() -> None:
    """The page for contributors lists exactly the targets of `make help`."""
    documented = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    rows = _rows(_section("CONTRIBUTING.md", "Commands"))
    listed_targets = {target for row in rows for target in re.findall(r"`make ([a-z-]+)", row[0])}
    assert listed_targets == documented


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_name_existing_files_and_headings(document: Path) -> None:
    """Relative links name existing files, and their anchors name existing headings."""
    prose = CODE.sub("", document.read_text())
    for link in LINK.findall(prose):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document.name}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert anchor in map(_slug, headings), f"{document.name}: {link}"


def test_files_in_the_map_exist() -> None:
    """The section *Where things live* names only existing files."""
    block = re.search(r"^```$(.*?)^```$", _section("CONTRIBUTING.md", "Where things live"), re.DOTALL | re.MULTILINE)
    assert block
    for line in block.group(1).strip().splitlines():
        assert (ROOT / line.split()[0].removesuffix("…")).exists(), line


def test_all_sample_events_are_documented() -> None:
    """The table of events lists exactly the existing files."""
    rows = _rows(_section("docs/local.md", "Direct invocation"))
    listed_files = set(re.findall(r"`([a-z-]+\.json)`", "\n".join(" ".join(row) for row in rows)))
    assert listed_files == {path.name for path in (ROOT / "tests" / "events").glob("*.json")}


def test_every_operator_command_is_documented() -> None:
    """The page about the command line lists exactly its commands."""
    root = typer.main.get_command(cli)
    existing = {f"hybrid-memory {name}" for name in _leaves(root)}
    assert {row[0].strip("`") for row in _rows(_section("docs/cli.md", "Commands"))} == existing


def _leaves(command: Any) -> list[str]:
    """Return the full names of the commands in a group."""
    children: dict[str, Any] = getattr(command, "commands", {})
    names = []
    for name, child in children.items():
        names += [f"{name} {leaf}" for leaf in _leaves(child)] or [name]
    return names


def test_decisions_are_numbered_and_listed() -> None:
    """Each decision has a unique number, in its file name and in its title. The index lists each decision."""
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    numbers = [int(path.name.partition("-")[0]) for path in DECISIONS]
    assert len(set(numbers)) == len(numbers)
    for number, path in zip(numbers, DECISIONS, strict=True):
        title = path.read_text().splitlines()[0]
        assert title.startswith(f"# {number}. ")
        assert f"| {number} | [{title.partition('. ')[2]}]({path.name}) |" in index


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_parts(decision: Path) -> None:
    """A decision has status, context, decision and consequences, in this order, and is short."""
    text = decision.read_text()
    assert tuple(re.findall(r"^## .+$", text, re.MULTILINE)) == DECISION_PARTS
    assert sum(bool(re.search(r"\w", word)) for word in text.split()) <= MAX_DECISION_WORDS
