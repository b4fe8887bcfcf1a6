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
class Identity:
    """A user that runs a server.

    `kind` is `same` (the current user), `namespace` (another user inside a user namespace, the current one outside),
    `capable` (another user that keeps root's access to files) or `user` (another user without additional rights).
    """

    kind: str = "same"
    uid: int = 0
    gid: int = 0

    @property
    def owner(self) -> int:
        """The uid that must own the server's files, as seen from outside a namespace."""
        return os.geteuid() if self.kind in {"same", "namespace"} else self.uid

    def command(self, program: list[str], *, parent: int = 0, must_write: Path | None = None) -> list[str]:
        """Return a command line that runs `program` as this user. The program is killed when process `parent` ends."""
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(parent), "--as", self.kind]
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


def _candidates(directory: Path) -> list[Identity]:
    """List the identities to try, best first."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return [Identity()]
    # initdb looks its user up by name, so the user must exist; any existing user will do.
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    others.sort(key=lambda entry: entry.pw_name != "nobody")
    if not others:
        return []
    other = others[0]
    identities = []
    if sys.platform == "linux":
        identities.append(Identity("namespace", other.pw_uid, other.pw_gid))
    if os.geteuid() == 0:
        users = [other]
        outside = directory.parent.stat().st_uid
        if outside != 0 and _has_name(outside):
            users.insert(0, pwd.getpwuid(outside))  # a clone owned by an ordinary user
        kinds = ["capable", "user"] if sys.platform == "linux" else ["user"]
        identities += [Identity(kind, user.pw_uid, user.pw_gid) for user in users for kind in kinds]
    return identities


def _change_owner(directory: Path, identity: Identity) -> None:
    """Make the identity's user the owner of the directory and all files in it."""
    for path in [directory, *directory.rglob("*")]:
        if path.lstat().st_uid != identity.owner:
            os.chown(path, identity.owner, -1, follow_symlinks=False)


def unprivileged_identity(directory: Path, program: Path) -> Identity:
    """Find a user that may run `program` and write to `directory`, and make it the directory's owner.

    Returns:
        The first identity that works.

    Raises:
        LocalStackError: None works on this machine.
    """
    for identity in _candidates(directory):
        try:
            _change_owner(directory, identity)
            probe = subprocess.run(
                identity.command([str(program), "--version"], must_write=directory),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if probe.returncode == 0:
            return identity
    raise LocalStackError(
        f"PostgreSQL refuses to run as root and no other user may enter {directory}: "
        "run make as an ordinary user, or move the clone to a directory that others may enter."
    )
