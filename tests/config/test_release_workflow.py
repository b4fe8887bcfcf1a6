"""The release workflow publishes nothing without a tag and an approval, and stores no secret."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import version

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / ".github" / "workflows" / "release.yml"
# YAML reads the key `on` as true.
WORKFLOW: dict[Any, Any] = yaml.safe_load(FILE.read_text())
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]


def test_only_a_tag_starts_a_release() -> None:
    """Only a pushed tag with a version starts the workflow."""
    assert WORKFLOW[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert WORKFLOW["permissions"] == {}


def test_only_approved_jobs_publish() -> None:
    """The jobs that publish need the attested build and an environment. No job can change the repository."""
    publishing = {
        name for name, job in JOBS.items() if "publish" in "".join(step.get("run", "") for step in job["steps"])
    }
    assert publishing == {"pypi", "npm"}
    for name, job in JOBS.items():
        assert job.get("environment") == (name if name in publishing else None)
        assert "id-token" not in job["permissions"] or name in {*publishing, "attest"}
        assert job["permissions"].get("contents", "read") == "read"
    assert [JOBS[name]["needs"] for name in ("attest", "pypi", "npm")] == ["build", "attest", "attest"]


def test_each_npm_package_is_published() -> None:
    """The matrix of the job `npm` has every npm package that is not private."""
    manifests = [json.loads(path.read_text()) for path in (ROOT / "clients").glob("*/package.json")]
    names = sorted(manifest["name"] for manifest in manifests if not manifest.get("private"))
    assert [f"@hybrid-memory/{name}" for name in JOBS["npm"]["strategy"]["matrix"]["package"]] == names


def test_no_secret_and_no_address_of_an_index_is_written() -> None:
    """The workflow uses no stored secret, and publishes to the indexes that the tools have as defaults."""
    text = FILE.read_text()
    assert not re.search(r"secrets\.|password|registry-url|repository-url|--index|https?://", text)
    assert "--trusted-publishing always" in text
    assert "--provenance" in text


def _run(folder: Path, *command: str, **environment: str) -> int:
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, check=False, capture_output=True
    ).returncode


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository at version 9.8.7, whose newest commit is on origin/main."""
    for name in [*version.COPIES, "scripts/__init__.py", "scripts/version.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    version.set_version("9.8.7", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n## [9.8.7] - 2026-01-01\n")
    assert _run(tmp_path, "git", "init", "--quiet") == 0
    _commit(tmp_path)
    assert _run(tmp_path, "git", "update-ref", "refs/remotes/origin/main", "HEAD") == 0
    return tmp_path


def _commit(repository: Path) -> None:
    options = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    assert _run(repository, "git", *options, "commit", "--quiet", "--allow-empty", "--message", "Change") == 0


def _accepts(repository: Path, tag: str) -> bool:
    """Return whether the first step of the workflow accepts a tag. It runs as GitHub runs it."""
    (script,) = [step["run"] for step in JOBS["build"]["steps"] if step.get("name", "").startswith("The tag")]
    return _run(repository, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, GITHUB_REF_NAME=tag) == 0


def test_a_tag_must_match_the_code(repository: Path) -> None:
    """The workflow accepts the tag of the code's version only."""
    assert _accepts(repository, "v9.8.7")
    assert not _accepts(repository, "v9.8.8")


def test_a_release_needs_a_section_in_the_changelog(repository: Path) -> None:
    """The workflow refuses a version without a section in the changelog."""
    (repository / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n## [9x8x7] - 2026-01-01\n")
    assert not _accepts(repository, "v9.8.7")


def test_a_release_is_on_main(repository: Path) -> None:
    """The workflow refuses a commit that is not on main."""
    _commit(repository)
    assert not _accepts(repository, "v9.8.7")
