"""The embedded stack: its servers, their start order, and the deployment."""

import os
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from infra.local import PROJECT_ROOT, LocalStackError
from infra.local.console import Console
from infra.local.deploy import Deployer, Deployment
from infra.local.environment import REGION, USUAL_PAGE_PORT, USUAL_PORTS, read_settings
from infra.local.processes import kill_all, leftovers
from infra.local.servers import PostgresServer, ValkeyServer
from infra.local.servers.child import ChildServer
from infra.local.servers.emulator import EmulatorServer
from infra.local.state_directory import StateDirectory

if TYPE_CHECKING:
    from infra.local.page.server import LocalPage

WARM_UP_SECONDS = 30
WARM_UP_SECONDS_AFTER_RESTART = 3
DRAIN_SECONDS = 5
MAX_EXIT_SECONDS = 3
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Stack:
    """PostgreSQL, Valkey and the emulator with the template deployed, in one state directory."""

    def __init__(
        self, state_dir: Path, settings: Mapping[str, str] | None = None, console: Console | None = None
    ) -> None:
        self.state = StateDirectory(state_dir)
        self._settings = dict(read_settings(PROJECT_ROOT, os.environ) if settings is None else settings)
        self._console = console or Console(output=StringIO())
        saved_info = self.state.load()
        self._api_id = str(saved_info["api_id"])
        # A server tries its usual port first, and then the port of the last run.
        preferred_ports = {name: (port, saved_info.get(name)) for name, port in USUAL_PORTS.items()}
        self.preferred_page_ports = (USUAL_PAGE_PORT, saved_info.get("page"))
        path = self.state.path
        self.postgres = PostgresServer(path / "postgres", preferred=preferred_ports["postgres"])
        self.valkey = ValkeyServer(path / "valkey", preferred=preferred_ports["valkey"])
        self.emulator = EmulatorServer(path / "emulator", self._settings, preferred=preferred_ports["emulator"])
        self._deployer: Deployer | None = None
        self.deployment: Deployment | None = None
        self.page: LocalPage | None = None

    @property
    def servers(self) -> dict[str, ChildServer]:
        """The servers by their names in `stack.json`, in the order of their start."""
        return {"postgres": self.postgres, "valkey": self.valkey, "emulator": self.emulator}

    def pids(self) -> set[int]:
        """The process ids of the servers that were started and not stopped."""
        return {server.pid for server in self.servers.values() if server.was_started()}

    def start(self) -> None:
        """Start the servers, migrate, deploy, and call the functions once. Then publish `stack.json`.

        Raises:
            LocalStackError: A step failed; the message names it. `stop` cleans up.
        """
        self.state.acquire()
        self._clear_crashed()
        self.emulator.function_log.write_bytes(b"")
        with self._console.step("PostgreSQL"):
            self.postgres.start()
            self._migrate()
        with self._console.step("Redis (Valkey)"):
            self.valkey.start()
        with self._console.step("AWS emulator"):
            self.emulator.start()
        with self._console.step("Functions"):
            self._deploy()
            self._warm_up()
        ports = {name: server.port for name, server in self.servers.items()}
        if self.page is not None:
            self.page.start()
            ports["page"] = self.page.port
        self.state.save({"api_id": self._api_id, **ports})
        self.publish()

    def restart_server(self, name: str) -> None:
        """Restart a server that has died. After a restart of the emulator, deploy the template again.

        Raises:
            LocalStackError: The server does not start.
        """
        self.servers[name].start()
        if name == "emulator":
            self._deploy()
            with suppress(LocalStackError):
                self._warm_up(WARM_UP_SECONDS_AFTER_RESTART)
        self.publish()

    def publish(self) -> None:
        """Write `stack.json` with the current state."""
        deployment = self._deployed()
        page_url = {} if self.page is None else {"page_url": self.page.url}
        self.state.publish(
            {
                **page_url,
                "api_url": deployment.api_url,
                "endpoint_url": self.emulator.url,
                "region": REGION,
                "queue_url": deployment.queue_url,
                "dlq_url": deployment.dlq_url,
                "agent_function": deployment.agent_function,
                "sync_function": deployment.sync_function,
                "derive_function": deployment.derive_function,
                "derive_queue_url": deployment.derive_queue_url,
                "derive_dlq_url": deployment.derive_dlq_url,
                "redis_url": self.valkey.url,
                "database_url": self.postgres.url,
                "pids": {name: server.pid for name, server in self.servers.items()} | {"supervisor": os.getpid()},
            }
        )

    def stop(self) -> None:
        """Wait until the exchange queue is drained, then stop every server. May be called at any time."""
        if not self.state.has_lock:
            return
        with ExitStack() as steps:  # It runs the steps in reverse order, and all of them even if one fails.
            steps.callback(self.state.release)
            steps.callback(lambda: kill_all(leftovers(self.state.path)))
            for server in self.servers.values():
                steps.callback(server.stop)
            self.state.withdraw()
            if self.page is not None:
                self.page.stop()  # ends a break, which would disturb the drain
            if self.deployment is not None and self.emulator.is_running():
                self._drain(self.deployment)

    def _clear_crashed(self) -> None:
        """Wait until the servers of a killed supervisor have ended, and kill those that remain."""
        self.state.withdraw()
        deadline = time.monotonic() + MAX_EXIT_SECONDS
        while (remains := leftovers(self.state.path)) and time.monotonic() < deadline:
            time.sleep(0.05)
        kill_all(remains)

    def _migrate(self) -> None:
        log = self.state.path / "migrations.log"
        try:
            from infra.migrations import upgrade  # noqa: PLC0415 - importing Alembic takes long

            upgrade(self.postgres.url)
        except Exception as error:
            log.write_text(traceback.format_exc())
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise LocalStackError(f"The database migrations failed: {reason}; see {log}.") from error

    def _deploy(self) -> None:
        if self._deployer is None:
            self._deployer = Deployer(self.emulator.url, self._settings, self._api_id)
        self.deployment = self._deployer.deploy(redis_port=self.valkey.port, database_url=self.postgres.url)

    def _warm_up(self, seconds: float = WARM_UP_SECONDS) -> None:
        url = f"{self._deployed().api_url}/health"
        try:
            with _DIRECT.open(url, timeout=seconds):
                return
        except urllib.error.HTTPError as error:
            reason = error.read(500).decode(errors="replace").strip()
        except OSError as error:
            reason = str(error)
        raise LocalStackError(
            f"The agent function does not answer {url}: {reason}; see {self.emulator.function_log} "
            f"and {self.emulator.log}."
        )

    def _drain(self, deployment: Deployment) -> None:
        """Wait until every accepted exchange is in PostgreSQL, because the emulator's queue is only in memory."""
        queued: int | None = None
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._deployer is not None and time.monotonic() < deadline:
            with suppress(BotoCoreError, ClientError):
                queued = self._deployer.queue_depth(deployment.queue_url)
                if queued == 0:
                    return
            time.sleep(0.1)
        count = "Exchanges" if queued is None else f"{queued} exchange(s)"
        self._console.echo(
            f"{count} may still be in the queue. The queue ends with the emulator, so what PostgreSQL lacks is lost."
        )

    def _deployed(self) -> Deployment:
        if self.deployment is None:
            raise LocalStackError("The template is not deployed yet.")
        return self.deployment

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
