"""Structured logs: all modules log through the function's JSON logger."""

from __future__ import annotations

import logging
from typing import Final

from aws_lambda_powertools import Logger

from shared.request_ids import current_request_id
from shared.traceparent import traceparent


class _RequestIdFilter(logging.Filter):
    """Adds the request's id to each log record as `correlation_id`, and the current `trace_id` and `span_id`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Accept every record."""
        request_id = current_request_id()
        if request_id is not None and not hasattr(record, "correlation_id"):
            record.correlation_id = request_id
        if (context := traceparent.get()) is not None:
            _, record.trace_id, record.span_id, _ = context.split("-")
        return True


_REQUEST_ID_FILTER: Final = _RequestIdFilter()


def function_logger() -> Logger:
    """Return the function's logger, and let all modules of this project log through it, including extra fields.

    OpenTelemetry logs its export errors there, too.
    """
    logger = Logger()
    for handler in logger.handlers:
        handler.addFilter(_REQUEST_ID_FILTER)
    for name in ("shared", "functions", "opentelemetry"):
        parent = logging.getLogger(name)
        parent.handlers = list(logger.handlers)
        parent.setLevel(logger.log_level)
        # The Lambda runtime's own root handler would log every line twice.
        parent.propagate = False
    return logger
