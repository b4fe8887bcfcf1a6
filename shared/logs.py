"""Structured logs for the whole project: what the layers log goes out in the function's own JSON."""

from __future__ import annotations

import logging

from aws_lambda_powertools import Logger


def function_logger() -> Logger:
    """Return the function's logger, and let every module of this project log through it, extra fields included."""
    logger = Logger()
    for name in ("shared", "functions"):
        parent = logging.getLogger(name)
        parent.handlers = list(logger.handlers)
        parent.setLevel(logging.INFO)
        # The Lambda runtime has a handler of its own at the root, which would say everything twice.
        parent.propagate = False
    return logger
