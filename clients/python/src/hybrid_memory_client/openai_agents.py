"""The OpenAI Agents SDK's `Session`: `hybrid-memory-client[openai-agents]`."""

from __future__ import annotations

import json
from typing import Any, cast

from agents import SessionSettings, TResponseInputItem
from agents.memory import SessionABC
from agents.memory.session_settings import coerce_session_settings, resolve_session_limit

from hybrid_memory_client._async_client import AsyncMemoryClient
from hybrid_memory_client._async_journal import AsyncJournal
from hybrid_memory_client._items import OnRefused, items_from_objects, validate_item
from hybrid_memory_client._texts import ExchangeTexts, ToolStep

__all__ = ["HybridMemorySession"]
_FRAMEWORK = "openai_agents"


class HybridMemorySession(SessionABC):
    """A session whose items are stored in a thread, including tool calls, reasoning and ids.

    Items are stored when `add_items` returns. After an interruption, such as an approval or the end of the process,
    another process can continue the run. One exchange contains a turn, from the user's message to the answer. Its texts
    are the messages of the user and the assistant, which other readers of the thread see. Exchanges of other programs
    are returned as messages.

    Items are removed only when their thread is deleted. `pop_item` therefore stores a retraction that names the newest
    item: this class no longer returns the item, but its text stays visible to other readers. Concurrent callers each
    get a different item. `clear_session` deletes the thread.

    Methods raise the client's errors: `HistoryDegraded` if a layer does not respond and items may be missing, `NotKept`
    if no store accepted the items, `CannotBeKept` for values that cannot be stored.

    Args:
        session_id: The thread.
        client: A client of the deployment.
        user_id: The thread's owner.
        session_settings: The SDK's settings, as an object or a dictionary. They may limit the number of returned items.
        allow_degraded: Continue even if items may be missing; `degraded` then names the layers.
        on_refused: Returns a replacement for an item that cannot be stored; None skips the item.
    """

    def __init__(
        self,
        session_id: str,
        client: AsyncMemoryClient,
        *,
        user_id: str | None = None,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        allow_degraded: bool = False,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._on_refused = on_refused
        self.session_id = session_id
        self.session_settings = (
            SessionSettings() if session_settings is None else coerce_session_settings(session_settings)
        )
        self._journal = AsyncJournal(
            client, _FRAMEWORK, session_id, user_id, _to_messages, allow_degraded=allow_degraded
        )

    @property
    def degraded(self) -> tuple[str, ...]:
        """The layers that did not respond to the last reading."""
        return self._journal.degraded

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the newest `limit` items, oldest first; all if the limit is None."""
        resolved_limit = resolve_session_limit(limit, self.session_settings)
        return cast("list[TResponseInputItem]", await self._journal.read(resolved_limit))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Store items: in the exchange of their turn, or in several exchanges if they are too large for one."""
        await self._journal.append(items_from_objects(items, _to_item, self._on_refused))

    async def pop_item(self) -> TResponseInputItem | None:
        """Retract the newest item and return it; None if there is none."""
        return cast("TResponseInputItem | None", await self._journal.retract())

    async def clear_session(self) -> None:
        """Delete the thread."""
        await self._journal.clear()


def _to_item(object_: Any) -> tuple[Any, ExchangeTexts]:
    item = validate_item(object_)
    steps = () if (step := _to_step(item)) is None else (step,)
    if item.get("role") == "user":
        return item, ExchangeTexts(user=_text(item.get("content")), is_prompt=True)
    if item.get("role") == "assistant":
        return item, ExchangeTexts(assistant=_text(item.get("content")))
    return item, ExchangeTexts(steps=steps)


def _to_step(item: dict[str, Any]) -> ToolStep | None:
    kind, call_id = str(item.get("type") or ""), str(item.get("call_id") or item.get("id") or "")
    if kind.endswith("_call"):
        return ToolStep("tool_call", call_id, str(item.get("name") or kind), _text(item.get("arguments")))
    if kind.endswith(("_call_output", "_call_result")):
        output = item.get("output")
        output_text = _text(output) or ("" if output is None else json.dumps(output, ensure_ascii=False, default=str))
        return ToolStep("tool_result", call_id, text=output_text)
    return None


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _to_messages(texts: ExchangeTexts) -> list[Any]:
    sides = (("user", texts.user), ("assistant", texts.assistant))
    return [{"role": role, "content": text} for role, text in sides if text]
