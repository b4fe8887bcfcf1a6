"""The files for contributors are valid: GitHub's files, .ci/run, .gitattributes, and the hooks of pre-commit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

_ROOT = Path(__file__).resolve().parents[2]
_BIN = Path(sys.executable).parent
_GITHUB = _ROOT / ".github"
_WORKFLOWS = sorted((_GITHUB / "workflows").glob("*.yml"))
_SCHEMAS = {
    "vendor.dependabot": [_GITHUB / "dependabot.yml"],
    "vendor.github-issue-config": [_GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.github-issue-forms": [
        path for path in (_GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"
    ],
    "vendor.github-workflows": _WORKFLOWS,
    "custom.github-workflows-require-timeout": _WORKFLOWS,
}
_RUN = _ROOT / ".ci" / "run"


def _tool(name: str, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [str(_BIN / name), *map(str, arguments)]
    return subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def _parts() -> list[str]:
    match = re.search(r'^PARTS="(.*)"$', _RUN.read_text(), re.MULTILINE)
    assert match
    return match[1].split()


@pytest.mark.parametrize("schema", _SCHEMAS)
def test_github_accepts_the_files(schema: str) -> None:
    """Each file of .github has the form that GitHub documents."""
    assert _SCHEMAS[schema]
    completed = _tool("check-jsonschema", "--builtin-schema", schema, *_SCHEMAS[schema])
    assert completed.returncode == 0, completed.stdout


def test_the_workflows_are_safe() -> None:
    """The static analysis of workflows, without its checks that ask GitHub, finds nothing."""
    files = [*_WORKFLOWS, _GITHUB / "dependabot.yml"]
    completed = _tool("zizmor", "--offline", "--pedantic", "--strict-collection", "--no-progress", *files)
    assert completed.returncode == 0, completed.stdout


def test_every_action_is_pinned_to_a_commit() -> None:
    """Each action is pinned to a commit, with its version as a comment. All workflows use the same commit."""
    uses = [line.strip(" -") for path in _WORKFLOWS for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [
        line for line in uses if not re.fullmatch(r"uses: [\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    ] == []
    assert len({line.split("@")[0] for line in uses}) == len(set(uses))


def test_the_workflow_calls_every_part() -> None:
    """The workflow calls each part of .ci/run, on the Python and Node versions that the project supports."""
    workflow = yaml.safe_load((_GITHUB / "workflows" / "ci.yml").read_text())
    called_parts = []
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        commands = [words for step in job["steps"] if (words := step.get("run", "").split())[:1] == [".ci/run"]]
        called_parts += [part for words in commands for part in words[1:] if part != '"$PART"']
        called_parts += matrix.get("part", [])
    assert sorted(called_parts) == sorted(_parts())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert workflow["jobs"]["browser"]["strategy"]["matrix"]["node"] == ["20", "24"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with .ci/run, and fake tools that record their arguments in the file `calls`."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(_RUN, tmp_path / ".ci" / "run")
    for tool in (".ci/smoke", "make", "apt-get", "chromium", "dockerd"):
        (tmp_path / tool).write_text(f'#!/bin/sh\necho "{tool} CI=$CI $*" >>calls\n[ "$1" != audit ]\n')
        (tmp_path / tool).chmod(0o755)
    return tmp_path


def _run(clone: Path, *parts: str) -> tuple[int, list[str]]:
    path = os.pathsep.join([str(clone), os.environ["PATH"]])
    ran = subprocess.run(
        ["bash", clone / ".ci" / "run", *parts], check=False, env={"PATH": path}, cwd="/", capture_output=True
    )
    calls = clone / "calls"
    return ran.returncode, calls.read_text().splitlines() if calls.exists() else []


def test_all_parts_run_until_one_fails(clone: Path) -> None:
    """Without arguments all parts run in their order, and a failure stops the run."""
    assert _run(clone) == (1, ["make CI=true lint", "make CI=true check-templates", "make CI=true audit"])
    make = (clone / "make").read_text()
    (clone / "make").write_text(make.replace("audit", "never"))
    code, calls = _run(clone)
    assert code == 0
    targets = ["lint", "check-templates", "audit", "test", "test-react", "test-page", "test-docs-site", "test-clients"]
    targets += ["test-packages", "test-localstack-core", "build BYTECODE=required PAGE=required"]
    targets += ["test-artifacts", "test-sam-local"]
    assert calls[3:] == [*(f"make CI=true {target}" for target in targets[:10]), ".ci/smoke CI=true "] + [
        f"make CI=true {target}" for target in targets[10:]
    ]


def test_only_named_parts_run(clone: Path) -> None:
    """Only the named parts run. If a name is unknown, no part runs."""
    assert _run(clone, "test", "lint") == (0, ["make CI=true test", "make CI=true lint"])
    (clone / "calls").unlink()
    assert _run(clone, "lint", "tests") == (2, [])
    assert subprocess.check_output([clone / ".ci" / "run", "help"], text=True).split() == _parts()


def test_the_map_names_existing_files() -> None:
    """Each path in the map of CONTRIBUTING.md exists."""
    page = (_ROOT / "CONTRIBUTING.md").read_text().partition("## Where things live\n\n```\n")[2].partition("```")[0]
    paths = [line.split()[0].removesuffix("…") for line in page.splitlines()]
    assert len(paths) > 20
    assert [path for path in paths if not (_ROOT / path).exists()] == []


def test_every_pattern_of_gitattributes_matches_a_file() -> None:
    """Each pattern of .gitattributes matches a file of the repository."""
    lines = [line.split() for line in (_ROOT / ".gitattributes").read_text().splitlines()]
    patterns = [words[0] for words in lines if words and words[0] not in {"#", "*"}]
    assert "CHANGELOG.md" in patterns
    assert [pattern for pattern in patterns if not _matches(pattern)] == []


def _matches(pattern: str) -> bool:
    folders = ["", "clients/page"]  # without a slash, a pattern holds in every folder
    return any(next((_ROOT / folder).glob(pattern), None) for folder in folders)


def test_the_hooks_call_the_projects_tools(tmp_path: Path) -> None:
    """The hooks of pre-commit correct a file with the project's own tools and settings, without the network."""
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        shutil.copy(_ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(_BIN.parent)
    prettier = tmp_path / "clients" / "react" / "node_modules" / ".bin" / "prettier"
    prettier.parent.mkdir(parents=True)
    prettier.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >prettier-arguments\n')
    prettier.chmod(0o755)
    (tmp_path / "clients" / "react" / "src.ts").write_text("const a = 1;\n")
    module = tmp_path / "module.py"
    module.write_text('"""Module."""\nimport sys\nimport os\nprint ( os.name,sys.path )\n')
    for arguments in (["init", "--quiet"], ["add", "module.py", "clients/react/src.ts", ".pre-commit-config.yaml"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    # A proxy without a server: each request to the network fails.
    environment = os.environ | {"PRE_COMMIT_HOME": str(tmp_path / "home"), "https_proxy": "http://127.0.0.1:9"}

    ran = _tool("pre-commit", "run", "--all-files", cwd=tmp_path, env=environment)
    assert ran.returncode == 1, ran.stdout
    assert "T201" in ran.stdout
    assert module.read_text().endswith("print(os.name, sys.path)\n")
    module.write_text('"""Module."""\n')
    subprocess.run(["git", "add", "module.py"], cwd=tmp_path, check=True)
    ran = _tool("pre-commit", "run", "--all-files", cwd=tmp_path, env=environment)
    assert ran.returncode == 0, ran.stdout
    arguments = (tmp_path / "prettier-arguments").read_text().split()
    assert arguments == ["--write", "--ignore-path", "clients/react/.prettierignore", "clients/react/src.ts"]
