"""What the offline models say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ToolCall:
    """A call that a model makes instead of answering."""

    name: str
    arguments: dict[str, object] = field(default_factory=dict)
    id: str = "call_1"


class Script:
    """Says what it was given, one thing a turn; then how many messages it was shown.

    Args:
        says: Texts, tool calls, and exceptions to be raised.
    """

    def __init__(self, says: Sequence[str | ToolCall | Exception]) -> None:
        self._says = list(says)

    def next(self, shown: int) -> str | ToolCall:
        """Return what is to be said to somebody who shows so many messages."""
        if not self._says:
            return f"I was shown {shown} messages."
        said = self._says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said
