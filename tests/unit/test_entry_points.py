"""An installed package registers its agents and tools by an entry point, without a setting."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from functions.agent import registry
from functions.agent.agents.plugins import load_plugins
from functions.agent.agents.runner import AgentRunner
from shared.errors import SettingsError
from shared.settings import AgentSettings, load
from tests.support.searches import no_search

pytestmark = pytest.mark.usefixtures("restored_registry")
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples" / "plugin-package"
Install = Callable[..., None]
_TOOL = """\
from functions.agent.registry import add_tool
calls = []
async def parcel(context):
    "Return the parcel."
    return "on its way"
def register():
    calls.append("register")
    add_tool(parcel)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package with one module and one entry point."""
    monkeypatch.syspath_prepend(tmp_path)
    modules: list[str] = []

    def install(name: str, code: str, value: str = "", group: str = "hybrid_memory.plugins") -> None:
        (tmp_path / f"{name}.py").write_text(code)
        metadata = tmp_path / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\nmain = {value or name}\n")
        modules.append(name)

    yield install
    for name in modules:
        sys.modules.pop(name, None)


def _start(**settings: object) -> None:
    AgentRunner(AgentSettings.model_validate({"model": "offline", **settings}), no_search)


@pytest.mark.parametrize("value", ["shop", "shop:register"])
def test_an_entry_point_registers_a_tool(install: Install, value: str) -> None:
    """An entry point names a module with `register`, or the function itself."""
    install("shop", _TOOL, value)
    _start()
    assert "parcel" in registry.TOOLS


def test_a_setting_turns_entry_points_off(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """`AGENT__ENTRY_POINTS=false` imports no entry point, and modules of `AGENT__PLUGINS` still register."""
    install("shop", _TOOL)
    install("broken", "raise ValueError")
    monkeypatch.setenv("AGENT__ENTRY_POINTS", "false")
    settings = load(AgentSettings)
    load_plugins(settings.plugin_modules, use_entry_points=settings.entry_points)
    assert "parcel" not in registry.TOOLS
    _start(plugins="shop", entry_points=False)
    assert "parcel" in registry.TOOLS
    assert "broken" not in sys.modules


def test_a_module_registers_once(install: Install) -> None:
    """A module that both the setting and an entry point name registers once."""
    install("shop", _TOOL)
    _start(plugins="shop")
    assert sys.modules["shop"].calls == ["register"]


def test_entry_points_of_other_groups_are_ignored(install: Install) -> None:
    """An entry point of another group is not loaded."""
    install("shop", "raise ValueError", group="pytest12")
    _start()
    assert "shop" not in sys.modules


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        (
            "import no_such_module",
            "shop",
            "which cannot be used: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("raise SystemExit(3)", "shop", "which cannot be used: SystemExit: 3"),
        ("x = 1", "shop", "which cannot be used: AttributeError: module 'shop' has no attribute 'register'"),
        ("x = 1", "shop:y", "which cannot be used: AttributeError: module 'shop' has no attribute 'y'"),
        ("x = 1", "shop:x", "whose register() has to be a plain function"),
        ("x = 1", "a shop!", "which cannot be used: "),
        ("async def register(): pass", "shop", "whose register() has to be a plain function"),
        ("def register(): 1 / 0", "shop", "whose register() failed: ZeroDivisionError: division by zero"),
    ],
)
def test_an_invalid_entry_point_stops_the_start(install: Install, code: str, value: str, expected: str) -> None:
    """The message names the entry point, its package and its value, and how to turn entry points off."""
    install("shop", code, value)
    with pytest.raises(SettingsError) as caught:
        _start()
    message = str(caught.value)
    assert message.startswith(f"The entry point 'main' of shop names {value!r}, {expected}")
    assert message.endswith(". AGENT__ENTRY_POINTS=false ignores the entry points of all packages.")


def test_an_agent_with_an_unknown_tool_stops_the_start(install: Install) -> None:
    """The message names the agent and the tool."""
    agent = "from functions.agent.registry import *\ndef register(): add_agent(AgentDefinition('clerk', '', ('none',)))"
    install("shop", agent)
    with pytest.raises(SettingsError, match=r"an entry point: the agent 'clerk' has no such tool: none\.$"):
        _start()


_PROGRAM = """\
import asyncio
from functions.agent.agents import offline
from functions.agent.agents.runner import AgentRunner
from shared.settings import AgentSettings
runner = AgentRunner(AgentSettings(model="offline"), lambda *_, **__: [])
offline._TOOL_ARGUMENTS = {"delivery_time": lambda _: {"city": "Bern"}}
run = runner.run(agent_name="courier", tools=[], instructions="", prompt="?", thread_id=None, user_id=None)
print(asyncio.run(run))
"""


def test_the_packages_wheel_registers_itself(tmp_path: Path) -> None:
    """After the wheel of the recipe's package is installed, its agent runs and calls its asynchronous tool."""
    build = ["-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run([sys.executable, *build], cwd=PACKAGE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    uv = Path(sys.executable).parent / "uv"
    target = tmp_path / "installed"
    subprocess.run([uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--target", target, wheel], check=True)
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "A parcel to Bern takes two days." in process.stdout
