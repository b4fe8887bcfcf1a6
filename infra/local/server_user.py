"""The user that runs PostgreSQL.

PostgreSQL refuses root, so root needs another user that can read root's directories.
"""

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.local import LocalStackError

LAUNCHER = Path(__file__).with_name("launch.py")
PROBE_SECONDS = 20


@dataclass(frozen=True)
class ServerUser:
    """A user that runs a server.

    `kind` is `same` (the current user), `namespace` (another user inside a user namespace, the current one outside),
    `capable` (another user that keeps root's access to files) or `user` (another user without additional rights).
    """

    kind: str = "same"
    uid: int = 0
    gid: int = 0

    @property
    def owner(self) -> int:
        """The uid that must own the server's files. It is not the uid inside a user namespace."""
        return os.geteuid() if self.kind in {"same", "namespace"} else self.uid

    def command(self, program: list[str], *, parent_pid: int = 0, must_write: Path | None = None) -> list[str]:
        """Return a command line that runs `program` as this user.

        The kernel kills the program when the process `parent_pid` ends. With `must_write`, the program does not start
        if the user cannot write to that directory.
        """
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(parent_pid), "--as", self.kind]
        launcher += ["--uid", str(self.uid), "--gid", str(self.gid)]
        if must_write is not None:
            launcher += ["--must-write", str(must_write)]
        return [*launcher, "--", *program]


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _candidates(directory: Path) -> list[ServerUser]:
    """List the users to try, best first."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return [ServerUser()]
    # initdb looks its user up by name, so the user must exist. Any existing user is possible.
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    others.sort(key=lambda entry: entry.pw_name != "nobody")
    if not others:
        return []
    other = others[0]
    server_users = []
    if sys.platform == "linux":
        server_users.append(ServerUser("namespace", other.pw_uid, other.pw_gid))
    if os.geteuid() == 0:
        users = [other]
        directory_owner = directory.parent.stat().st_uid
        if directory_owner != 0 and _has_name(directory_owner):
            users.insert(0, pwd.getpwuid(directory_owner))  # a clone owned by an ordinary user
        kinds = ["capable", "user"] if sys.platform == "linux" else ["user"]
        server_users += [ServerUser(kind, user.pw_uid, user.pw_gid) for user in users for kind in kinds]
    return server_users


def _change_owner(directory: Path, server_user: ServerUser) -> None:
    """Make the user the owner of the directory and of all files in it."""
    for path in [directory, *directory.rglob("*")]:
        if path.lstat().st_uid != server_user.owner:
            os.chown(path, server_user.owner, -1, follow_symlinks=False)


def find_server_user(directory: Path, program: Path) -> ServerUser:
    """Find a user that may run `program` and write to `directory`, and make it the directory's owner.

    Returns:
        The first user that works.

    Raises:
        LocalStackError: No user works on this machine.
    """
    for server_user in _candidates(directory):
        try:
            _change_owner(directory, server_user)
            probe = subprocess.run(
                server_user.command([str(program), "--version"], must_write=directory),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if probe.returncode == 0:
            return server_user
    raise LocalStackError(
        f"PostgreSQL refuses to run as root and no other user may enter {directory}: "
        "run make as an ordinary user, or move the clone to a directory that others may enter."
    )
