"""What a caller can ask of the agent function, without HTTP: the routes and the direct invocation share it."""

from __future__ import annotations

from typing import Any

from functions.agent.runner import AgentRunner
from functions.agent.schemas import InvokedRequest, InvokingRequest, RunRequest
from shared.errors import StoreUnavailable
from shared.memory.context import join_parts
from shared.memory.providers import ThreadMemoryProvider, UserPreferencesProvider
from shared.memory.threads import Threads
from shared.memory.turn import Memory
from shared.memory.users import Users
from shared.models import Thread, format_time


class Operations:
    """The use cases behind the API."""

    def __init__(self, memory: Memory, runner: AgentRunner) -> None:
        self._memory = memory
        self._runner = runner
        self.threads = Threads(memory)
        self.users = Users(memory)

    async def run(self, request: RunRequest) -> dict[str, Any]:
        """Run a turn: recall, enhance the instructions, run the agent, keep the exchange.

        Raises:
            UnknownAgentError: No such agent.
            UnknownToolError: No such tool.
            AgentRunError: The model failed; nothing was kept.
            AgentTimeoutError: The model gave no answer in time; nothing was kept.
        """
        self._runner.check(request.agent_name, request.tools)
        turn = self._memory.turn(request.thread_id, request.user_id)
        thread, preferences = ThreadMemoryProvider(turn), UserPreferencesProvider(turn)
        instructions = join_parts(request.instructions, await thread.invoking(), await preferences.invoking())
        response = await self._runner.run(
            agent_name=request.agent_name,
            tools=request.tools,
            instructions=instructions,
            prompt=request.prompt,
            thread_id=request.thread_id,
            user_id=request.user_id,
        )
        receipt = await thread.invoked(request.prompt, response, request.document_ids)
        await preferences.invoked(request.prompt, response)
        recall = turn.recall()
        return {
            "response": response,
            "thread_id": request.thread_id,
            "exchange_id": str(receipt.exchange_id) if receipt.exchange_id else None,
            "memory": {
                "source": recall.source,
                "degraded": list(dict.fromkeys(recall.degraded + receipt.degraded)),
                "durability": receipt.durability,
                "cached": receipt.cached,
            },
        }

    async def invoking(self, request: InvokingRequest) -> dict[str, Any]:
        """Return what the memory holds for a turn."""
        recall = self._memory.turn(request.thread_id, request.user_id).recall()
        return {
            "context": recall.context,
            "messages": [message.to_json() for message in recall.messages],
            "preferences": recall.preferences,
            "source": recall.source,
            "degraded": recall.degraded,
        }

    async def invoked(self, request: InvokedRequest) -> dict[str, Any]:
        """Keep an exchange."""
        receipt = self._memory.turn(request.thread_id, request.user_id).keep(
            request.user_message, request.assistant_message, request.document_ids, request.exchange_id
        )
        return {
            "exchange_id": str(receipt.exchange_id) if receipt.exchange_id else None,
            "durability": receipt.durability,
            "cached": receipt.cached,
        }

    def health(self) -> dict[str, str]:
        """Ask every layer, and return `status` and each layer's `ok` or `unavailable`."""
        layers: dict[str, str] = {}
        for name, store in (
            ("redis", self._memory.cache),
            ("postgres", self._memory.archive),
            ("queue", self._memory.queue),
        ):
            try:
                store.ping()
            except StoreUnavailable:
                layers[name] = "unavailable"
            else:
                layers[name] = "ok"
        is_well = all(state == "ok" for state in layers.values())
        return {"status": "ok" if is_well else "degraded", **layers}


def thread_json(thread: Thread) -> dict[str, Any]:
    """Return a thread as the API shows it."""
    shown: dict[str, Any] = {
        "thread_id": thread.thread_id,
        "user_id": thread.user_id,
        "title": thread.title,
        "created_at": format_time(thread.created_at),
        "updated_at": format_time(thread.updated_at),
        "message_count": thread.message_count,
    }
    if thread.document_ids is not None:
        shown["document_ids"] = list(thread.document_ids)
    return shown
