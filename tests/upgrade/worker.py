"""A function of one release in a process of its own: `python worker.py functions.agent.handler`, run in its directory.

It takes an event a line on standard input and answers each with a line on standard output, so that a release is driven
as Lambda does: by its handler alone. It imports nothing of the tests, because they are of the other release.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


class Context:
    """What Lambda tells a function of an invocation."""

    function_name = "f"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still take."""
        return 25_000


def main() -> None:
    """Answer until there is nothing more to answer."""
    answers, sys.stdout = sys.stdout, sys.stderr
    # The directory of this file is where Python looks first; the release is what it is run in.
    sys.path[0] = str(Path.cwd())
    handler = importlib.import_module(sys.argv[1]).handler
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(handler(json.loads(line), Context())) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
