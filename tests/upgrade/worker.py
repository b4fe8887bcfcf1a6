"""Runs one function of a release: `python worker.py functions.agent.handler`, in the release's directory.

It reads an event per line from standard input and writes each result as a line to standard output. The tests use a
release only through its handler, as Lambda does. This file imports nothing of the tests, because the tests belong to
the other release.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


class Context:
    """The Lambda context of an invocation."""

    function_name = "f"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining milliseconds of the invocation."""
        return 25_000


def main() -> None:
    """Handle events until the input ends."""
    output, sys.stdout = sys.stdout, sys.stderr
    # Python searches this file's directory first; the release is in the current directory.
    sys.path[0] = str(Path.cwd())
    handler = importlib.import_module(sys.argv[1]).handler
    output.write("ready\n")
    output.flush()
    for line in sys.stdin:
        output.write(json.dumps(handler(json.loads(line), Context())) + "\n")
        output.flush()


if __name__ == "__main__":
    main()
