"""The context that Lambda gives to a handler."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The context of an invocation.

    Attributes:
        client_context: What the caller of a direct invocation sends beside the event.
        remaining_milliseconds: The time until Lambda would end the invocation.
    """

    aws_request_id: str = "request-1"
    function_name: str = "f"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:f"
    client_context: object = None
    remaining_milliseconds: int = 15_000

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining milliseconds of the invocation."""
        return self.remaining_milliseconds
