"""Loads a deployment's own agents and tools: modules that `AGENT__PLUGINS` names, and entry points of packages.

Each module has a function `register()`, which calls `registry.add_agent` and `registry.add_tool`.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Final

from functions.agent import registry
from shared.errors import SettingsError

ENTRY_POINT_GROUP: Final = "hybrid_memory.plugins"
_SWITCH: Final = "AGENT__ENTRY_POINTS=false ignores the entry points of all packages."


def load_plugins(modules: Sequence[str], *, use_entry_points: bool) -> None:
    """Import each plugin and call its `register()`.

    Args:
        modules: Modules by name. They register before the entry points.
        use_entry_points: Whether installed packages register themselves by entry points.

    Raises:
        SettingsError: A plugin cannot be imported or has no `register`, an agent or tool is invalid, or an agent names
            a tool that does not exist.
    """
    for name in modules:
        _register(f"AGENT__PLUGINS names {name!r}, ", partial(import_module, name), "")
    if use_entry_points:
        for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP)):
            if entry_point.value.partition(":")[0] not in modules:
                _register(_origin(entry_point), entry_point.load, f" {_SWITCH}")
    for agent in registry.AGENTS.values():
        if unknown := [tool for tool in agent.tools if tool not in registry.TOOLS]:
            raise SettingsError(
                f"AGENT__PLUGINS or an entry point: the agent {agent.name!r} has no such tool: {', '.join(unknown)}."
            )


def _register(origin: str, load: Callable[[], Any], hint: str) -> None:
    """Load a plugin and call its `register()`.

    Args:
        origin: The beginning of an error message.
        load: Returns the module. An entry point may return the function itself.
        hint: The end of an error message.

    Raises:
        SettingsError: The plugin cannot be used.
    """
    try:
        plugin = load()
        register = plugin.register if isinstance(plugin, ModuleType) else plugin
    except (Exception, SystemExit) as error:
        # A plugin may raise any exception. The function cannot run without the plugin, so the start fails and names it.
        raise SettingsError(f"{origin}which cannot be used: {type(error).__name__}: {error}.{hint}") from error
    if not callable(register) or inspect.iscoroutinefunction(register):
        raise SettingsError(f"{origin}whose register() has to be a plain function.{hint}")
    try:
        register()
    except (Exception, SystemExit) as error:
        raise SettingsError(f"{origin}whose register() failed: {type(error).__name__}: {error}.{hint}") from error


def _origin(entry_point: EntryPoint) -> str:
    package = entry_point.dist.name if entry_point.dist else "a package"
    return f"The entry point {entry_point.name!r} of {package} names {entry_point.value!r}, "
