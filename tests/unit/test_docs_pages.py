"""The lists on the pages in `docs/` agree with the code."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.main import app as cli
from cli.options import CliOptions
from scripts import command_reference
from scripts.api_reference import FILE, describe, reference
from shared.stores.redis import generation as redis_generation
from shared.stores.redis import idempotency as redis_keys
from shared.stores.redis import names as redis_names
from tests.support.commands import blocks

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.glob("*.md")),
    *sorted((DOCS / "recipes").glob("*.md")),
]
# Each key is a reason for not running a block of commands. Each value is the maximum number of such blocks.
REASONS = {
    "later commands need Redis": 1,
    "starts the stack that this page is tested against": 3,
    "runs until Ctrl-C": 1,
    "`make test-page` runs it": 8,
    "needs an account at an identity provider": 2,
    "needs tokens of each provider, which its own test has": 3,
    "needs a stack with this page's plugins": 1,
    "installs a package into .venv": 1,
    "installs a command for the user": 1,
    "publishes a release": 2,
    "needs a model": 2,
    "needs LangGraph": 1,
    "starts or tests a stack itself, as CI does": 4,
    "needs Docker": 3,
    "needs the AWS CLI": 2,
    "needs a superuser": 1,
    "needs redis-cli": 1,
    "needs redis-cli, psql and jq": 1,
    "needs an AWS account": 9,
    "needs a deployment that asks for tokens": 1,
}
_COMMAND_LINE = re.compile(
    r"^(\$ |(make|curl|hybrid-memory|docker|sam|aws|pip|python|npm) |export [A-Z_]+=)", re.MULTILINE
)
_LAYERS = ("Redis", "Postgres", "Queue")
_FAMILIES = {
    "Durability": ("Queue", "Postgres", "Redis", "None"),
    "Degraded": _LAYERS,
    "CircuitOpen": _LAYERS,
}


def _page(name: str) -> str:
    return (DOCS / name).read_text()


def _first_cells(text: str, heading: str) -> set[str]:
    """Return the code spans in the first cells of the first table under a heading."""
    match = re.search(rf"^## {heading}$.*?(^\|.*?)(?:^[^|\n]|\Z)", text, re.DOTALL | re.MULTILINE)
    assert match, heading
    rows = [row.split("|")[1] for row in match.group(1).splitlines() if row.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_api_reference_is_up_to_date() -> None:
    """`make docs` would not change the API reference."""
    assert FILE.read_text() == reference(describe()), "docs/api.md does not match the API: run `make docs`"


def test_every_route_and_schema_is_in_the_api_reference() -> None:
    """The page has a heading for each route and schema, and a type for each field."""
    document, page = describe(), FILE.read_text()
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"\n## `{method.upper()} {path}`\n" in page
    for name, schema in document["components"]["schemas"].items():
        part = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert part
        for field in schema.get("properties", {}):
            (row,) = re.findall(rf"^\| `{field}` \| (.+) \| (.+) \|$", part, re.MULTILINE)
            assert all(row)
    assert "anything" not in page


def test_the_command_reference_is_up_to_date() -> None:
    """`make docs` would not change the command reference."""
    reference = command_reference.FILE.read_text()
    assert reference == command_reference.reference(), "docs/commands.md does not match the commands: run `make docs`"


def test_every_example_in_a_commands_help_is_valid() -> None:
    """Each example has an existing command, existing options and valid values."""
    page = command_reference.FILE.read_text()
    examples = re.findall(r"^    (hybrid-memory .+)$", page, re.MULTILINE)
    assert len(examples) > 30
    for example in examples:
        _parse(typer.main.get_command(cli), shlex.split(re.split(r" [|<>] ", example)[0])[1:])


def _parse(command: Any, words: list[str]) -> None:
    context = command.make_context(command.name, words)
    if hasattr(command, "commands"):
        _, child, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        _parse(child, rest)


def test_every_key_in_redis_is_documented() -> None:
    """The page about Redis keys lists exactly the keys that the code names."""
    names = {value for name, value in vars(redis_names).items() if name.isupper()}
    for name, function in inspect.getmembers(redis_names, inspect.isfunction):
        assert name.endswith("_key")
        (argument,) = inspect.signature(function).parameters
        names.add(function(f"{{{argument}}}"))
    names |= {redis_keys._name("{key}"), redis_keys._exchange_name("{key}")}
    assert _first_cells(_page("redis-keys.md"), "All of them") == names


def test_every_field_of_the_epoch_is_documented() -> None:
    """The page about Redis keys lists exactly the fields of `memory:epoch`."""
    assert _first_cells(_page("redis-keys.md"), "The generation record") == set(redis_generation._FIELDS)


def _metrics(file: str) -> set[str]:
    """Return the names of the metrics that a file writes."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {
            "add_metric",
            "single_metric",
            "_count",
        }:
            names |= _names(node.args[0])
    return names


def _names(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _names(node.body) | _names(node.orelse)
    if isinstance(node, ast.JoinedStr):
        prefix = node.values[0]
        assert isinstance(prefix, ast.Constant)
        name = str(prefix.value)
        return {f"{name}{suffix}" for suffix in _FAMILIES[name]}
    return set()  # a helper passes this parameter on, and the test checks the helper's calls


def test_every_metric_is_in_the_operating_guide() -> None:
    """The operating guide's table has exactly the metrics that the functions write."""
    files = ("agent/metrics.py", "agent/http/auth_keys.py", "derive/handler.py", "sync/handler.py")
    written_metrics = set().union(*(_metrics(f"functions/{file}") for file in files))
    assert len(written_metrics) > 15
    listed_metrics = _first_cells(_page("operating.md"), "Metrics")
    assert {name for name in listed_metrics if name[0].isupper()} == written_metrics


class _Template(yaml.SafeLoader):
    """Loader that reads a template without evaluating its functions."""


_Template.add_multi_constructor("!", lambda loader, _, node: f"{node.tag} {loader.name}")


def _alarms() -> set[str]:
    """Return the alarms of all templates. The alarms of several cache nodes count once."""
    names = set()
    for file in (ROOT / "template.yaml", *sorted((ROOT / "infra" / "aws").glob("*.yaml"))):
        template: Any = yaml.load(file.read_text(), _Template)  # noqa: S506 - a safe loader
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                names.add(re.sub(r"\d{3}$", "", name))
    return names


def test_every_alarm_has_a_section_in_the_operating_guide() -> None:
    """Each alarm has a section with instructions, and each section belongs to an alarm."""
    page = _page("operating.md").partition("\n## Alarms\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE)) == _alarms()
    for section in page.split("\n### ")[1:]:
        assert len(section.partition("\n")[2].split()) > 15, section


def test_every_option_of_the_command_line_is_documented() -> None:
    """The page about the command line has every option that selects a deployment."""
    page = _page("cli.md")
    options = {f"--{field.name.replace('_', '-')}" for field in fields(CliOptions)}
    assert {name for name in _first_cells(page, "Selecting a deployment") if name.startswith("--")} == options


def test_every_page_is_in_the_index() -> None:
    """`docs/README.md` links every page, and the README links `docs/README.md`."""
    links = set(re.findall(r"\]\(([\w-]+\.md)\)", _page("README.md")))
    assert links == {path.name for path in DOCS.glob("*.md")} - {"README.md"}
    assert "(docs/README.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_diagrams_are_valid_mermaid(page: Path) -> None:
    """Each Mermaid block begins with a diagram type, and its brackets match."""
    for block in re.findall(r"^```mermaid\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        assert re.match(r"(flowchart (LR|TD)|sequenceDiagram|stateDiagram-v2)\n", block)
        assert ";" not in block, "a semicolon ends a statement, even inside a text"
        without_texts = re.sub(r'"[^"]*"', "", block)
        for opening, closing in ("()", "[]", "{}"):
            assert without_texts.count(opening) == without_texts.count(closing), block


def test_only_listed_reasons_exclude_commands() -> None:
    """Each reason for not running commands is in the list, and occurs at most as often as the list allows."""
    reasons = [block.reason for page in PAGES for block in blocks(page) if block.reason is not None]
    assert set(reasons) <= REASONS.keys()
    for reason in set(reasons):
        assert reasons.count(reason) <= REASONS[reason], reason


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_in_a_block(page: Path) -> None:
    """A text that looks like a command is in a block of commands. The block runs or gives a reason for not running."""
    for block in blocks(page):
        if block.kind not in {"sh", "console"}:
            assert block.reason is None, f"{page.name}, line {block.line}: a reason without a command"
            assert not _COMMAND_LINE.search(block.body), f"{page.name}, line {block.line}: {block.body}"
        else:
            assert block.commands, f"{page.name}, line {block.line}"
