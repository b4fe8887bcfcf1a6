"""The outputs of the offline models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ToolCall:
    """A tool call as a model's output."""

    name: str
    arguments: dict[str, object] = field(default_factory=dict)
    id: str = "call_1"


class Script:
    """Returns one output for each request to the model, and after the last output a text.

    The text contains the number of messages in the request.

    Args:
        outputs: The outputs: texts, tool calls, or exceptions to raise.
    """

    def __init__(self, outputs: Sequence[str | ToolCall | Exception]) -> None:
        self._outputs = list(outputs)

    def next(self, shown: int) -> str | ToolCall:
        """Return the next output for a request with this number of messages."""
        if not self._outputs:
            return f"I was shown {shown} messages."
        output = self._outputs.pop(0)
        if isinstance(output, Exception):
            raise output
        return output
