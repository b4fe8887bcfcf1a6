"""A model for the OpenAI Agents SDK that needs no key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from agents import Model, ModelResponse, Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from offline.script import Script, ToolCall


class OfflineModel(Model):
    """Returns the outputs of its script; see `Script`.

    Attributes:
        shown: The input of the last request.
    """

    def __init__(self, *outputs: str | ToolCall | Exception) -> None:
        self._script = Script(outputs)
        self.shown: list[Any] = []

    async def get_response(self, system_instructions: str | None, input: Any, *_: Any, **__: Any) -> ModelResponse:  # noqa: A002 - the SDK's name
        """Answer."""
        self.shown = [input] if isinstance(input, str) else list(input)
        output = self._script.next(len(self.shown))
        return ModelResponse(output=[_output(output)], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        """Raise an error, because streaming is not supported."""
        raise NotImplementedError


def _output(output: str | ToolCall) -> ResponseFunctionToolCall | ResponseOutputMessage:
    if isinstance(output, ToolCall):
        arguments = json.dumps(output.arguments)
        return ResponseFunctionToolCall(type="function_call", name=output.name, arguments=arguments, call_id=output.id)
    text = ResponseOutputText(text=output, type="output_text", annotations=[])
    return ResponseOutputMessage(
        id=f"msg_{uuid4().hex}", type="message", role="assistant", status="completed", content=[text]
    )
