"""`python -m infra.local run --state-dir .local`: the command behind `make run`."""

import argparse
import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from infra.local.announcement import shown_path
from infra.local.console import Console
from infra.local.environment import ignore_user_configuration
from infra.local.launch import PR_SET_PDEATHSIG


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description="The embedded local stack.")
    commands = parser.add_subparsers(required=True, dest="command")
    run = commands.add_parser("run", help="start the stack, follow the functions' logs, stop on Ctrl-C")
    run.add_argument("--state-dir", type=Path, default=Path(".local"), help="where the data lies (.local)")
    run.add_argument("--with-parent", action="store_true", help="stop when the calling process ends")
    arguments = parser.parse_args()
    if arguments.with_parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    ignore_user_configuration()
    # Until the supervisor handles signals there is nothing to stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    console = Console()
    console.echo(f"Starting the local stack in {shown_path(arguments.state_dir)}:")
    with console.step("Libraries"):
        from infra.local.supervisor import Supervisor  # noqa: PLC0415 - importing the libraries takes a moment

    code = Supervisor(arguments.state_dir, console).run()
    with suppress(OSError):
        sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
