"""A function's execution environment. It imports the handler from the artifact, then answers events as JSON lines.

`executor.py` starts this process with the function's environment. The import path begins with the artifact, followed by
boto3, as in Lambda's own runtime. The process ends when its standard input closes.
"""

import importlib
import json
import os
import sys
import time
import traceback
from typing import IO, Any


class Context:
    """The Lambda context of an invocation."""

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
        """Return the remaining milliseconds of the invocation."""
        return max(0, round((self._deadline - time.monotonic()) * 1000))


def error_response(error: BaseException) -> dict[str, Any]:
    """Return an exception in Lambda's format."""
    return {
        "error": {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
    }


def write_result(results: IO[str], content: dict[str, Any]) -> None:
    """Write a result as one line."""
    results.write(json.dumps(content) + "\n")
    results.flush()


def main() -> None:
    """Import the handler, then answer events until the input ends."""
    # The function's output goes to the log. Results use a separate stream.
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module), name)
    except BaseException as error:  # noqa: BLE001 - every error is reported to LocalStack
        write_result(results, error_response(error))
        return
    write_result(results, {"ready": True})
    for line in sys.stdin:
        invocation = json.loads(line)
        try:
            answer = {
                "answer": handler(json.loads(invocation["event"]), Context(invocation["request_id"], invocation["arn"]))
            }
        except Exception as error:  # noqa: BLE001 - a failed invocation is a result, too
            answer = error_response(error)
        sys.stdout.flush()
        write_result(results, answer)


if __name__ == "__main__":
    main()
