"""The recipes show the files in `examples/` unchanged, and the index lists every recipe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "docs" / "recipes"
PAGES = sorted(path for path in RECIPES.glob("*.md") if path.name != "README.md")
_SHOWN = re.compile(r"^\[(examples/[^\]]+)\]\(\.\./\.\./\1\):\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def _shown_files(page: Path) -> dict[str, str]:
    return dict(_SHOWN.findall(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_recipe_shows_its_files_unchanged(page: Path) -> None:
    """A block after a link to a file has the file's content."""
    for name, content in _shown_files(page).items():
        assert content == (ROOT / name).read_text(), f"{page.name} shows another version of {name}"


@pytest.mark.parametrize("name", ["ai-sdk", "assistant-ui", "nextjs", "vite"])
def test_the_recipe_of_an_app_shows_its_code(name: str) -> None:
    """The recipe shows all code of the app. Its lock file names no registry."""
    app = ROOT / "examples" / name
    code = [path for folder in ("app", "src") for path in (app / folder).rglob("*.ts*")]
    assert {str(path.relative_to(ROOT)) for path in code} <= _shown_files(RECIPES / f"{name}.md").keys()
    resolved = re.findall(r'"resolved": "(.+)"', (app / "package-lock.json").read_text())
    assert resolved == ["file:../../clients/react"]


def test_the_index_lists_every_recipe() -> None:
    """The index has one row for each recipe, and the documentation's index links the recipes."""
    rows = re.findall(r"^\| \[[^\]]+\]\(([\w-]+\.md)\) \| \S.+ \|$", (RECIPES / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == [page.name for page in PAGES]
    assert "(recipes/README.md)" in (ROOT / "docs" / "README.md").read_text()


def test_the_recipe_of_tools_shows_both_ways() -> None:
    """The recipe shows the module, and the package with its entry point."""
    shown = _shown_files(RECIPES / "your-own-tools.md")
    package = "examples/plugin-package"
    assert shown.keys() == {"examples/plugin.py", f"{package}/pyproject.toml", f"{package}/delivery_tools.py"}


def test_the_recipe_of_an_agent_shows_the_example() -> None:
    """The recipe shows the file that `tests/e2e/test_recipe_streaming.py` runs."""
    assert _shown_files(RECIPES / "your-own-agent.md").keys() == {"examples/fastapi-streaming/app.py"}


def test_the_recipe_of_langgraph_shows_the_example() -> None:
    """The recipe shows the file that the client's tests run in two processes."""
    assert _shown_files(RECIPES / "langgraph.md").keys() == {"examples/langgraph-memory/remember.py"}
