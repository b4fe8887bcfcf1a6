"""Loads a deployment's own agents and tools: modules that `AGENT__PLUGINS` names.

Each module has a function `register()`, which calls `registry.add_agent` and `registry.add_tool`.
"""

import inspect
from collections.abc import Sequence
from importlib import import_module

from functions.agent import registry
from shared.errors import SettingsError


def load_plugins(modules: Sequence[str]) -> None:
    """Import each module and call its `register()`.

    Raises:
        SettingsError: A module cannot be imported or has no `register`, an agent or tool is invalid, or an agent names
            a tool that does not exist.
    """
    for name in modules:
        try:
            register = import_module(name).register
        except (Exception, SystemExit) as error:
            # A plugin may raise any exception. The function cannot run without the plugin, so the start fails and names
            # it.
            message = f"AGENT__PLUGINS names {name!r}, which cannot be used: {type(error).__name__}: {error}."
            raise SettingsError(message) from error
        if inspect.iscoroutinefunction(register):
            raise SettingsError(f"AGENT__PLUGINS names {name!r}, whose register() has to be a plain function.")
        try:
            register()
        except (Exception, SystemExit) as error:
            message = f"AGENT__PLUGINS names {name!r}, whose register() failed: {type(error).__name__}: {error}."
            raise SettingsError(message) from error
    for agent in registry.AGENTS.values():
        if unknown := [tool for tool in agent.tools if tool not in registry.TOOLS]:
            raise SettingsError(f"AGENT__PLUGINS: the agent {agent.name!r} has no such tool: {', '.join(unknown)}.")
