"""`make run`: starts the stack, restarts servers that die, and stops everything on a signal."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from functions.agent.agents.model_name import OFFLINE
from infra.local import PROJECT_ROOT, LocalStackError
from infra.local.announcement import announce
from infra.local.console import Console
from infra.local.environment import read_settings
from infra.local.function_logs import LogFollower
from infra.local.page.server import LocalPage
from infra.local.processes import adopt_orphans, dead_children, reap_adopted
from infra.local.stack import Stack

WATCH_SECONDS = 0.1
REAP_SECONDS = 2
MAX_FAILED_RESTARTS = 10
RESTART_PAUSE_SECONDS = 0.5


class _StopRequested(BaseException):
    """A signal requested the stop during the start."""


class Supervisor:
    """Runs one stack in the foreground until a signal stops it."""

    def __init__(self, state_dir: Path, console: Console) -> None:
        self._state_dir = state_dir
        self.echo = console.echo
        self._console = console
        self._phase = "starting"
        self._stop_requested = threading.Event()

    def run(self) -> int:
        """Start the stack, watch it, stop it.

        Returns:
            The exit code: 0 after a requested stop, 1 after a failure.
        """
        self._listen()
        adopt_orphans()
        try:
            settings = self._read_settings()
            stack = Stack(self._state_dir, settings, self._console)
            stack.page = LocalPage(stack, preferred=stack.preferred_page_ports)
            return self._run(stack, settings)
        except _StopRequested:
            return 0
        except LocalStackError as error:
            self.echo(str(error), error=True)
        except Exception as error:  # noqa: BLE001 - one sentence for the user, the traceback in a file
            self.echo(self._unexpected(error), error=True)
        return 1

    def _run(self, stack: Stack, settings: Mapping[str, str]) -> int:
        logs = LogFollower(stack.emulator.function_log, self.echo)
        try:
            stack.start()
            self._phase = "running"
            self._announce(stack, settings)
            logs.start()
            self._watch(stack)
        finally:
            self._phase = "stopping"
            if stack.state.has_lock:
                self.echo("Stopping ...")
            stack.stop()
            logs.stop()
            reap_adopted(dead_children())
        self.echo("Stopped.")
        return 0

    def _watch(self, stack: Stack) -> None:
        failures = 0
        reaped_at = time.monotonic()
        while not self._stop_requested.wait(WATCH_SECONDS):
            if time.monotonic() - reaped_at > REAP_SECONDS:
                reap_adopted(set(dead_children()) - stack.pids())
                reaped_at = time.monotonic()
            for name, server in stack.servers.items():
                # A frozen server is not restarted, because it may continue. A killed server is restarted.
                if server.is_running() or self._stop_requested.is_set():
                    continue
                started = time.monotonic()
                self.echo(f"{server.name} has died; starting it again.")
                try:
                    stack.restart_server(name)
                except LocalStackError as error:
                    failures += 1
                    if failures >= MAX_FAILED_RESTARTS:
                        raise
                    self.echo(f"{error} Trying again.", error=True)
                    server.kill()
                    self._stop_requested.wait(RESTART_PAUSE_SECONDS)
                else:
                    failures = 0
                    self.echo(f"{server.name} is back ({time.monotonic() - started:.1f} s).")

    def _read_settings(self) -> dict[str, str]:
        """Return the settings for the functions.

        Raises:
            LocalStackError: A value is invalid; the message names the variable.
        """
        # These imports are here, because they take a while and `--help` does not need them.
        from functions.agent.agents.model_name import validate_model  # noqa: PLC0415
        from functions.agent.agents.plugins import load_plugins  # noqa: PLC0415
        from functions.derive.derivers import create_deriver  # noqa: PLC0415
        from shared.embeddings import create_embedder  # noqa: PLC0415
        from shared.errors import SettingsError  # noqa: PLC0415
        from shared.settings import (  # noqa: PLC0415
            AgentSettings,
            DeriveSettings,
            MemorySettings,
            SearchSettings,
            load,
            validate_environment,
        )

        settings = read_settings(PROJECT_ROOT, os.environ)
        os.environ.update(settings)
        try:
            validate_environment()
            agent = load(AgentSettings)
            validate_model(agent.model)
            create_embedder(load(SearchSettings))  # only for its checks
            create_deriver(load(MemorySettings), load(DeriveSettings))  # the same
            load_plugins(agent.plugin_modules, use_entry_points=agent.entry_points)
        except SettingsError as error:
            raise LocalStackError(str(error)) from error
        return settings

    def _listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup, SIGHUP is ignored, and the supervisor must not change that.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._phase == "starting":
            self._phase = "stopping"
            raise _StopRequested
        self._stop_requested.set()  # further signals are ignored: the stop takes a limited time and loses no exchange

    def _unexpected(self, error: Exception) -> str:
        log = self._state_dir / "supervisor.log"
        try:
            log.write_text(traceback.format_exc())
        except OSError:
            return f"The local stack failed: {error!r}."
        return f"The local stack failed: {error!r}; see {log}."

    def _announce(self, stack: Stack, settings: Mapping[str, str]) -> None:
        deployment = stack.deployment
        if deployment is None:
            return
        self.echo(
            announce(
                deployment.api_url,
                page_url=stack.page.url if stack.page is not None else f"{deployment.api_url}/",
                model=settings.get("AGENT__MODEL") or OFFLINE,
                needs_token=settings.get("AUTH__MODE") == "jwt",
                ports={name: server.port for name, server in stack.servers.items()},
                stack_file=stack.state.stack_file,
                valkey_pid=stack.valkey.pid,
            )
        )
