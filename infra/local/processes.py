"""Starts child processes in their own sessions, and ends them with this process."""

import ctypes
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

from infra.local import LocalStackError
from infra.local.server_user import ServerUser

LOG_LIMIT = 10_000_000
OUR_PROGRAMS = {"postgres", "valkey-server"}
OUR_SCRIPTS = ("aws_emulator.py", "_worker.py")
PR_SET_CHILD_SUBREAPER = 36
PORTS = range(15_000, 32_000)

# The kernel sends the parent-death signal when the *thread* that forked ends. One thread that lives as long as the
# process therefore forks all children.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawn")


def spawn(
    program: list[str],
    log: Path,
    *,
    server_user: ServerUser | None = None,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a new session, with its output appended to `log`; it is killed when this process ends."""
    command = (server_user or ServerUser()).command(program, parent_pid=os.getpid())
    log.parent.mkdir(parents=True, exist_ok=True)
    too_long = log.exists() and log.stat().st_size > LOG_LIMIT

    def start() -> subprocess.Popen[bytes]:
        with log.open("wb" if too_long else "ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=cwd,
                start_new_session=True,
            )

    return _spawner.submit(start).result()


def is_free(port: int) -> bool:
    """Return whether a server can listen on 127.0.0.1:port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(*preferred: int | None) -> int:
    """Return the first free preferred port, otherwise another free port.

    Raises:
        LocalStackError: No free port was found.
    """
    # All candidates are below the range of client ports. Otherwise a client that keeps connecting to a stopped server
    # could get the server's port as its own client port and block it.
    others = random.sample(PORTS, 200)
    for port in [*preferred, *others]:
        if port and is_free(port):
            return port
    raise LocalStackError("No free port was found on 127.0.0.1; stop programs that use ports and try again.")


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Return whether `process` itself listens on the port."""
    try:
        connections = psutil.Process(process.pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def wait_until(
    is_ready: Callable[[], bool], process: subprocess.Popen[bytes], *, name: str, log: Path, seconds: float
) -> None:
    """Wait until `is_ready()` is true.

    Raises:
        LocalStackError: The process ended first, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not is_ready():
        if process.poll() is not None:
            raise LocalStackError(f"{name} ended while starting (exit code {process.returncode}); see {log}.")
        if time.monotonic() > deadline:
            raise LocalStackError(f"{name} did not answer within {seconds:.0f} s; see {log}.")
        time.sleep(0.02)


def reap(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until a child ends; return whether it did."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill_all(processes: Iterable[psutil.Process], seconds: float = 5) -> None:
    """SIGKILL the processes, including stopped ones, and wait until they are gone."""
    victims = list(processes)
    for victim in victims:
        with suppress(psutil.Error):
            victim.kill()
    deadline = time.monotonic() + seconds
    while any(_is_running(victim) for victim in victims) and time.monotonic() < deadline:
        time.sleep(0.01)
    reap_adopted(victim.pid for victim in victims)


def _is_running(process: psutil.Process) -> bool:
    """Return whether a process still runs. A dead process stays in the list until its parent reaps it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def adopt_orphans() -> None:
    """Become the parent of every orphaned descendant, because a container's init process may not reap orphans."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_adopted(pids: Iterable[int]) -> None:
    """Reap dead adopted processes; live ones are not touched."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def dead_children() -> list[int]:
    """List the dead children, adopted ones included, that are not reaped yet."""
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process().children() if not _is_running(child)]
    return []


def leftovers(directory: Path) -> list[psutil.Process]:
    """List the stack's own processes whose working directory is in `directory`."""
    own_processes = []
    for process in psutil.process_iter(["name", "cmdline"]):
        ours = process.info["name"] in OUR_PROGRAMS or any(
            argument.endswith(OUR_SCRIPTS) for argument in process.info["cmdline"] or []
        )
        with suppress(psutil.Error, OSError):
            if ours and process.pid != os.getpid() and Path(process.cwd()).is_relative_to(directory):
                own_processes.append(process)
    return own_processes


def working_in(directory: Path, name: str) -> list[psutil.Process]:
    """List the live processes called `name` whose working directory is `directory`."""
    matching = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            if (
                process.info["name"] == name
                and Path(process.cwd()) == directory
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                matching.append(process)
    return matching
