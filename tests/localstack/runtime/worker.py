"""A function's sandbox: imports the handler from the artifact, then answers events, one JSON line each.

Started by `executor.py`, with the function's environment and its artifact as the first place to import from. Beside
that there is boto3, as in Lambda's own runtime. Ends with its standard input.
"""

import importlib
import json
import os
import sys
import time
import traceback
from typing import IO, Any


class Context:
    """What a handler is told of its invocation, under Lambda's own names."""

    def __init__(self, request_id: str, arn: str) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = arn
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline = time.monotonic() + float(os.environ["AWS_LAMBDA_FUNCTION_TIMEOUT"])

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still take."""
        return max(0, round((self._deadline - time.monotonic()) * 1000))


def told(error: BaseException) -> dict[str, Any]:
    """Return an exception as Lambda reports it."""
    return {
        "error": {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
    }


def say(answers: IO[str], content: dict[str, Any]) -> None:
    """Write an answer as one line."""
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def main() -> None:
    """Import, then answer until there is nothing more to come."""
    # What the function prints goes to the log; the answers have a way of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module), name)
    except BaseException as error:  # noqa: BLE001 - whatever it is, LocalStack is told
        say(answers, told(error))
        return
    say(answers, {"ready": True})
    for line in sys.stdin:
        invocation = json.loads(line)
        try:
            answer = {
                "answer": handler(json.loads(invocation["event"]), Context(invocation["request_id"], invocation["arn"]))
            }
        except Exception as error:  # noqa: BLE001 - a failed invocation is an answer, too
            answer = told(error)
        sys.stdout.flush()
        say(answers, answer)


if __name__ == "__main__":
    main()
