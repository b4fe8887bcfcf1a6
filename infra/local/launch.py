"""The launcher: changes the user, arranges that the process ends with its parent, and execs a server with the same pid.

It runs as a separate script (`python -I -S launch.py ...`) and imports only the standard library. Between fork and
exec, a process with threads may only make async-signal-safe calls. A new interpreter has no such limit.
"""

import argparse
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWUSER = 0x10000000
EXIT_CANNOT_BECOME = 76
EXIT_CANNOT_WRITE = 77


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def enter_user_namespace(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """Become `uid` in a new user namespace. Outside of it the user is unchanged, so the files keep their owner."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _check(libc.unshare(CLONE_NEWUSER))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {outer_uid} 1"), ("gid_map", f"{gid} {outer_gid} 1")):
        # The kernel accepts a map only in a single write.
        handle = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)


def change_user(libc: ctypes.CDLL, uid: int, gid: int, *, keep_access: bool) -> None:
    """Become `uid` permanently. With `keep_access`, the process can still read and write all files, like root."""
    if keep_access:
        _check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if not keep_access:
        return
    bit = 1 << CAP_DAC_OVERRIDE
    data = (_CapData * 2)(_CapData(bit, bit, bit), _CapData(0, 0, 0))
    _check(libc.capset(ctypes.byref(_CapHeader(LINUX_CAPABILITY_VERSION_3, 0)), data))
    # Only ambient capabilities survive the exec of an ordinary program by an ordinary user.
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))


def end_with_parent(libc: ctypes.CDLL, parent: int) -> None:
    """Request a SIGKILL when the parent ends. Call this last, because a change of user clears the request."""
    _check(libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))
    if os.getppid() != parent:
        os._exit(EXIT_CANNOT_BECOME)  # the parent ended before the call


def main() -> None:
    """Parse the arguments, change the user and exec the program; exits with 76 or 77 if that is impossible."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("--as", dest="kind", choices=["same", "namespace", "capable", "user"], default="same")
    parser.add_argument("--uid", type=int, default=0)
    parser.add_argument("--gid", type=int, default=0)
    parser.add_argument("--must-write", default="")
    parser.add_argument("program", nargs="+")
    arguments = parser.parse_args()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if arguments.kind == "namespace":
            enter_user_namespace(libc, arguments.uid, arguments.gid)
        elif arguments.kind != "same":
            change_user(libc, arguments.uid, arguments.gid, keep_access=arguments.kind == "capable")
        if arguments.parent and sys.platform == "linux":
            end_with_parent(libc, arguments.parent)
    except OSError as error:
        sys.stderr.write(f"launch: cannot become {arguments.kind} {arguments.uid}: {error}\n")
        os._exit(EXIT_CANNOT_BECOME)
    if arguments.must_write and not os.access(arguments.must_write, os.W_OK | os.X_OK, effective_ids=True):
        os._exit(EXIT_CANNOT_WRITE)
    os.execv(arguments.program[0], arguments.program)  # noqa: S606 - exec is the purpose of a launcher


if __name__ == "__main__":
    main()
