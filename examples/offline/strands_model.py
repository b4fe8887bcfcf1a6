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

    def __init__(self, *outputs: str | ToolCall | Exception) -> None:
        self._script = Script(outputs)
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
        output = self._script.next(len(self.shown))
        yield {"messageStart": {"role": "assistant"}}
        if isinstance(output, ToolCall):
            yield {"contentBlockStart": {"start": {"toolUse": {"name": output.name, "toolUseId": output.id}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(output.arguments)}}}}
        else:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": output}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if isinstance(output, ToolCall) else "end_turn"}}
