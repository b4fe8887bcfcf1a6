"""The version's source is pyproject.toml. All copies have the same version, and one command changes all of them."""

from __future__ import annotations

import asyncio
import json
import shutil
import tomllib
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import cast

import httpx
import pytest
from typer.testing import CliRunner

import hybrid_memory_client
import shared
from cli.api import create_client
from cli.main import app
from functions.agent.http.api import create_app
from functions.agent.operations import Operations
from hybrid_memory_client._connections import AsyncConnections, Connections
from scripts import version

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def _npm_versions(name: str) -> list[str]:
    manifest, lock = (json.loads((ROOT / name / f).read_text()) for f in ("package.json", "package-lock.json"))
    return [manifest["version"], lock["version"], lock["packages"][""]["version"]]


def test_every_version_is_the_same() -> None:
    """The packages, the API's description and the command line have the project's version."""
    description = json.loads((ROOT / "clients" / "typescript" / "openapi.json").read_text())
    api_version = create_app(cast("Operations", object())).version
    output = CliRunner().invoke(app, ["--version"]).stdout
    npm = {name: _npm_versions(f"clients/{name}") for name in ("page", "react", "typescript")}
    assert npm == {"page": [VERSION] * 3, "react": [VERSION] * 3, "typescript": [VERSION] * 3}
    assert {shared.__version__, hybrid_memory_client.__version__, metadata.version("hybrid-memory"), api_version} == {
        VERSION
    }
    assert (api_version, description["info"]["version"], output) == (VERSION, VERSION, f"hybrid-memory {VERSION}\n")


def test_the_command_finds_every_copy_of_the_version() -> None:
    """The command finds the version in each file as often as expected."""
    assert version.read_versions() == {name: [VERSION] * count for name, (_, count) in version.COPIES.items()}


def test_one_command_sets_the_version(tmp_path: Path) -> None:
    """The command changes all copies, and no version of a dependency."""
    for name in version.COPIES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    version.set_version("98.76.54", tmp_path)
    for name, (_, count) in version.COPIES.items():
        old, new = ((root / name).read_text() for root in (ROOT, tmp_path))
        changed_lines = [
            line for line, before in zip(new.splitlines(), old.splitlines(), strict=True) if line != before
        ]
        assert len(changed_lines) == count, name
        assert all("98.76.54" in line for line in changed_lines)


@pytest.mark.parametrize("text", ["0.2", "v0.2.0", "0.2.0rc1", "0.2.0-rc.1", "0.02.0", "", "0.2.0\n"])
def test_a_version_is_three_numbers(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command refuses versions of other forms, because Python and npm read them differently."""
    with pytest.raises(SystemExit):
        version.main([text])
    assert "give three numbers, such as 0.2.0" in capsys.readouterr().err


def test_requests_name_the_version() -> None:
    """The clients' requests have a User-Agent with the version. A caller's own HTTP client keeps its own User-Agent."""
    expected = f"hybrid-memory-client/{VERSION}"
    assert Connections(None, 1).current().headers["User-Agent"] == expected
    own_client = httpx.Client(headers={"User-Agent": "own"})
    assert Connections(own_client, 1).current().headers["User-Agent"] == "own"

    async def user_agent() -> str:
        connections = AsyncConnections(None, 1)
        try:
            return (await connections.current()).headers["User-Agent"]
        finally:
            await connections.aclose()

    assert asyncio.run(user_agent()) == expected

    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"openapi": "3.1.0", "info": {}, "paths": {}})

    with ExitStack() as stack:
        create_client(stack, "http://api/prod", transport=httpx.MockTransport(respond)).openapi()
    assert requests[0].headers["User-Agent"] == f"hybrid-memory/{VERSION}"
