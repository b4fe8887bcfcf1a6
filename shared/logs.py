"""Structured logs for the whole project: what the layers log goes out in the function's own JSON."""

from __future__ import annotations

import logging
from typing import Final

from aws_lambda_powertools import Logger

from shared.request_ids import current_request_id
from shared.traceparent import traceparent


class _WithRequestId(logging.Filter):
    """Adds the request's id to each record as `correlation_id`, and its `trace_id` and `span_id` where it is traced."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        request_id = current_request_id()
        if request_id is not None and not hasattr(record, "correlation_id"):
            record.correlation_id = request_id
        if (written := traceparent.get()) is not None:
            _, record.trace_id, record.span_id, _ = written.split("-")
        return True


_WITH_REQUEST_ID: Final = _WithRequestId()


def function_logger() -> Logger:
    """Return the function's logger, and let every module of this project log through it, extra fields included.

    OpenTelemetry says there why it cannot export.
    """
    logger = Logger()
    for handler in logger.handlers:
        handler.addFilter(_WITH_REQUEST_ID)
    for name in ("shared", "functions", "opentelemetry"):
        parent = logging.getLogger(name)
        parent.handlers = list(logger.handlers)
        parent.setLevel(logger.log_level)
        # The Lambda runtime has a handler of its own at the root, which would say everything twice.
        parent.propagate = False
    return logger
