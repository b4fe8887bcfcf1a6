"""Starts LocalStack on 127.0.0.1, with each function in a process instead of a container.

It runs with the Python of `.venv-localstack`. `tests/localstack/server.py` sets its environment variables.
"""

from functools import partial
from typing import Any

from executor import ProcessExecutor
from localstack.runtime.main import main
from localstack.services.lambda_.invocation import runtime_executor
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from plux import PluginFinder, PluginManager, PluginSpec
from twisted.internet import endpoints


class _ProcessExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc]  # LocalStack is not installed where mypy runs
    name = "process"

    def load(self, *_: Any, **__: Any) -> Any:
        return ProcessExecutor


class _Finder(PluginFinder):  # type: ignore[misc]  # LocalStack is not installed where mypy runs
    def find_plugins(self) -> list[PluginSpec]:
        return [PluginSpec(_ProcessExecutorPlugin.namespace, _ProcessExecutorPlugin.name, _ProcessExecutorPlugin)]


if __name__ == "__main__":
    # LocalStack finds its executor with this plugin manager.
    runtime_executor.EXECUTOR_PLUGIN_MANAGER = PluginManager(RuntimeExecutorPlugin.namespace, finder=_Finder())
    # Otherwise LocalStack would ignore GATEWAY_LISTEN and listen on every interface.
    endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")
    main()
