"""A model for Strands that needs no key."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from strands.models import Model
from strands.types.content import Messages
from strands.types.streaming import StreamEvent

from offline.script import Script, ToolCall


class OfflineModel(Model):
    """Returns the outputs of its script; see `Script`.

    Attributes:
        shown: The messages of the last request.
    """

    def __init__(self, *says: str | ToolCall | Exception) -> None:
        self._script = Script(says)
        self.shown: Messages = []

    def update_config(self, **_: Any) -> None:
        """Ignore the configuration."""

    def get_config(self) -> dict[str, Any]:
        """Return an empty configuration."""
        return {}

    def structured_output(self, *_: Any, **__: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Raise an error, because only texts are supported."""
        raise NotImplementedError

    async def stream(self, messages: Messages, *_: Any, **__: Any) -> AsyncIterable[StreamEvent]:
        """Answer."""
        self.shown = list(messages)
        said = self._script.next(len(self.shown))
        yield {"messageStart": {"role": "assistant"}}
        if isinstance(said, ToolCall):
            yield {"contentBlockStart": {"start": {"toolUse": {"name": said.name, "toolUseId": said.id}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(said.arguments)}}}}
        else:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": said}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if isinstance(said, ToolCall) else "end_turn"}}
