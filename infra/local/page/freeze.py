"""Freezes a server for a while: `python freeze.py --pid N --seconds S`.

This process freezes the server and continues it, so that the freeze also ends when the supervisor crashes: this process
then reads the end of its standard input. It prints one line when the server is frozen.
"""

import argparse
import select
import signal
import sys
from contextlib import suppress

import psutil


def main() -> None:
    """Freeze the process and its descendants until the time is over or the standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    first = psutil.Process(arguments.pid)
    frozen = [first]
    try:
        # The parent first, so that it cannot fork a child after the children are listed.
        first.suspend()
        for child in first.children(recursive=True):
            frozen.append(child)
            with suppress(psutil.Error):
                child.suspend()
        print("frozen", flush=True)
        select.select([sys.stdin], [], [], arguments.seconds)
    finally:
        # psutil compares the processes' start times, so it never continues another process with the same id.
        for process in frozen:
            with suppress(psutil.Error):
                process.resume()


if __name__ == "__main__":
    main()
