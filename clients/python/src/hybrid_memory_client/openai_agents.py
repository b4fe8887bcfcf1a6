"""The OpenAI Agents SDK's `Session`: `hybrid-memory-client[openai-agents]`."""

from __future__ import annotations

import json
from typing import Any, cast

from agents import SessionSettings, TResponseInputItem
from agents.memory import SessionABC

from hybrid_memory_client._async_client import AsyncMemoryClient
from hybrid_memory_client._async_journal import AsyncJournal
from hybrid_memory_client._items import OnRefused, checked, pairs
from hybrid_memory_client._texts import Step, Texts

__all__ = ["HybridMemorySession"]
_KIND = "openai_agents"


class HybridMemorySession(SessionABC):
    """A session whose items lie in a thread of the memory, tool calls, reasoning and ids included.

    Items are stored when `add_items` returns, so that a run that is interrupted, by an approval or by the end of its
    process, goes on elsewhere. One exchange holds a turn, from the user's message to the answer; its texts are the
    user's and the assistant's messages: that is what other readers of the thread see. What others have written to the
    thread comes as messages.

    Nothing is removed from a thread but by deleting it. So `pop_item` stores that the newest item, which it names, is
    taken back: this class does not return it any more, while its text stays for other readers. Of several callers at
    once, each gets an item of its own. `clear_session` deletes the thread.

    Methods raise the client's errors: `HistoryDegraded` when a layer does not answer and items may be missing,
    `NotKept` when no store took them, `CannotBeKept` for what JSON or the memory cannot hold.

    Args:
        session_id: The thread.
        client: Of the deployment.
        user_id: Who the thread belongs to.
        session_settings: With a limit of the items to return.
        allow_degraded: Go on without what may be missing; `degraded` then names the layers.
        on_refused: Returns what is to be kept instead of an item that cannot be; None leaves it out.
    """

    def __init__(
        self,
        session_id: str,
        client: AsyncMemoryClient,
        *,
        user_id: str | None = None,
        session_settings: SessionSettings | None = None,
        allow_degraded: bool = False,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._on_refused = on_refused
        self.session_id = session_id
        self.session_settings = session_settings
        self._journal = AsyncJournal(client, _KIND, session_id, user_id, _messages, allow_degraded=allow_degraded)

    @property
    def degraded(self) -> tuple[str, ...]:
        """The layers that did not answer the last reading."""
        return self._journal.degraded

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the newest `limit` items, oldest first; all without a limit."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        return cast("list[TResponseInputItem]", await self._journal.read(limit))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Store items: in the exchange of their turn, or in several when they are too large for one."""
        await self._journal.append(pairs(items, _pair, self._on_refused))

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the newest item back and return it; None if there is none."""
        return cast("TResponseInputItem | None", await self._journal.retract())

    async def clear_session(self) -> None:
        """Delete the thread."""
        await self._journal.clear()


def _pair(given: Any) -> tuple[Any, Texts]:
    item = checked(given)
    steps = () if (step := _step(item)) is None else (step,)
    if item.get("role") == "user":
        return item, Texts(user=_text(item.get("content")), is_prompt=True)
    if item.get("role") == "assistant":
        return item, Texts(assistant=_text(item.get("content")))
    return item, Texts(steps=steps)


def _step(item: dict[str, Any]) -> Step | None:
    kind, named = str(item.get("type") or ""), str(item.get("call_id") or item.get("id") or "")
    if kind.endswith("_call"):
        return Step("tool_call", named, str(item.get("name") or kind), _text(item.get("arguments")))
    if kind.endswith(("_call_output", "_call_result")):
        output = item.get("output")
        shown = _text(output) or ("" if output is None else json.dumps(output, ensure_ascii=False, default=str))
        return Step("tool_result", named, text=shown)
    return None


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _messages(texts: Texts) -> list[Any]:
    sides = (("user", texts.user), ("assistant", texts.assistant))
    return [{"role": role, "content": text} for role, text in sides if text]
