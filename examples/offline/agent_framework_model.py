"""A chat client for Microsoft Agent Framework that needs no key."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from agent_framework import BaseChatClient, ChatResponse, Content, FunctionInvocationLayer, Message

from offline.script import Script, ToolCall


class OfflineChatClient(FunctionInvocationLayer, BaseChatClient):
    """Returns the outputs of its script; see `Script`.

    Attributes:
        shown: The messages of the last request.
        instructions: The instructions of the last request.
    """

    def __init__(self, *outputs: str | ToolCall | Exception) -> None:
        super().__init__()
        self._script = Script(outputs)
        self.shown: list[Message] = []
        self.instructions = ""

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **_: Any
    ) -> Awaitable[ChatResponse]:
        if stream:
            raise NotImplementedError("nothing here streams")
        self.shown = list(messages)
        self.instructions = str(options.get("instructions") or "")
        return self._answer()

    async def _answer(self) -> ChatResponse:
        output = self._script.next(len(self.shown))
        if isinstance(output, ToolCall):
            content = Content.from_function_call(output.id, output.name, arguments=output.arguments)
            return ChatResponse(messages=[Message("assistant", [content])])
        return ChatResponse(messages=[Message("assistant", [output])])
