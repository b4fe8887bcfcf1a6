"""A LangGraph store for preferences, and a message history: `hybrid-memory-client[langgraph]`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolCall,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
)
from langgraph.store.base import BaseStore, GetOp, Item, Op, PutOp, Result, SearchItem, SearchOp

from hybrid_memory_client._items import OnRefused, items_from_objects
from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._sync_journal import Journal
from hybrid_memory_client._texts import ExchangeTexts, ToolStep
from hybrid_memory_client._validation import json_error
from hybrid_memory_client.errors import CannotBeKept

__all__ = ["PreferencesStore", "ThreadMessageHistory"]
_FRAMEWORK: Final = "langgraph"
_VALUE: Final = "value"
# The memory does not report when a preference was set.
_UNKNOWN_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EQUALITY_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {"$eq": eq, "$ne": ne}
_ORDER_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}


class PreferencesStore(BaseStore):
    """Users' preferences as a LangGraph store. A user's namespace is `("preferences", user_id)`.

    `{"value": "brief"}` is the preference `brief`, which other clients see as plain text. Any other JSON object is
    stored as JSON text. Both are returned as they were put. The items' times are unknown, so they are 1970.

    Unsupported requests raise an error. Any other namespace, and any value that is not JSON, raises `CannotBeKept`. A
    list of namespaces, a semantic search and a search over all users raise `NotImplementedError`. If neither PostgreSQL
    nor Redis responds, reading raises `Unavailable` instead of returning an empty store.

    Args:
        client: A client of the deployment.
        root: The part of the namespace before the user's id.
    """

    __slots__ = ("_client", "_root")

    def __init__(self, client: MemoryClient, *, root: Sequence[str] = ("preferences",)) -> None:
        self._client = client
        self._root = tuple(root)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Execute operations. All reads precede all writes, as in the framework's own stores."""
        operations = list(ops)
        users = [self._user(op.namespace) for op in operations if isinstance(op, GetOp)]
        users += [self._searched_user(op) for op in operations if isinstance(op, SearchOp)]
        changes = self._changes(operations)
        preferences = {user: self._client.read_preferences(user) for user in dict.fromkeys(users)}
        results = [self._result(op, preferences) for op in operations]
        for user, changed in changes.items():
            self._client.merge_preferences(user, changed)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Execute operations in a worker thread."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _user(self, namespace: tuple[str, ...]) -> str:
        if namespace[:-1] != self._root or not namespace:
            raise CannotBeKept(f"the namespace must be {(*self._root, 'user_id')}, not {namespace}")
        return namespace[-1]

    def _searched_user(self, op: SearchOp) -> str:
        if op.query is not None:
            raise NotImplementedError("preferences cannot be searched by meaning: omit the query")
        if op.namespace_prefix == self._root or len(op.namespace_prefix) <= len(self._root):
            raise NotImplementedError(
                f"preferences are searched user by user: use the namespace {(*self._root, 'user_id')}"
            )
        return self._user(op.namespace_prefix)

    def _changes(self, ops: Sequence[Op]) -> dict[str, dict[str, str | None]]:
        changes: dict[str, dict[str, str | None]] = {}
        for op in ops:
            if isinstance(op, PutOp):
                text = None if op.value is None else _to_text(op.value)
                changes.setdefault(self._user(op.namespace), {})[op.key] = text
        return changes

    def _result(self, op: Op, preferences: Mapping[str, Mapping[str, str]]) -> Result:
        if isinstance(op, PutOp):
            return None
        if isinstance(op, GetOp):
            text = preferences[self._user(op.namespace)].get(op.key)
            return None if text is None else Item(**_item_fields(op.namespace, op.key, text))
        if isinstance(op, SearchOp):
            items = [
                SearchItem(**_item_fields(op.namespace_prefix, key, text))
                for key, text in sorted(preferences[self._searched_user(op)].items())
            ]
            matching = [item for item in items if _matches(item.value, op.filter or {})]
            return matching[op.offset : op.offset + op.limit]
        raise NotImplementedError("the memory does not list its users")


class ThreadMessageHistory(BaseChatMessageHistory):
    """A thread as LangChain's message history, including tool calls, for the nodes of a graph.

    Each turn is one exchange. Its texts are the messages of the user and the model. `clear` deletes the thread. Reading
    raises `HistoryDegraded` if a layer does not respond and messages may be missing.

    Args:
        client: A client of the deployment.
        thread_id: The thread.
        user_id: The thread's owner.
        limit: How many of the newest messages are read; all if None.
        allow_degraded: Continue even if messages may be missing.
        on_refused: Returns a replacement for a message that cannot be stored; None skips the message.
    """

    def __init__(
        self,
        client: MemoryClient,
        thread_id: str,
        *,
        user_id: str | None = None,
        limit: int | None = None,
        allow_degraded: bool = False,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._limit = limit
        self._on_refused = on_refused
        self._journal = Journal(client, _FRAMEWORK, thread_id, user_id, _to_messages, allow_degraded=allow_degraded)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override] # a property where the base class has a field
        """The thread's messages, oldest first."""
        return messages_from_dict(self._journal.read(self._limit))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store messages: in the exchange of their turn, or in several exchanges if they are too large for one.

        Raises:
            CannotBeKept: JSON would change a message.
            NotKept: No store accepted the messages.
        """
        self._journal.append(items_from_objects(messages, _to_item, self._on_refused))

    def clear(self) -> None:
        """Delete the thread."""
        self._journal.clear()


def _to_text(value: Mapping[str, Any]) -> str:
    if error := json_error(value):
        raise CannotBeKept(f"a preference's value is not JSON that the memory can store: {error}")
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if json.loads(text) != value:
        raise CannotBeKept("JSON would change a preference's value: it has no tuples, and its keys are texts")
    text_value = value.get(_VALUE)
    is_plain = len(value) == 1 and isinstance(text_value, str) and _to_value(text_value) == value
    return text_value if is_plain and isinstance(text_value, str) else text


def _to_value(text: str) -> dict[str, Any]:
    if text.startswith("{"):
        try:
            preferences = json.loads(text)
        except ValueError:
            return {_VALUE: text}
        if isinstance(preferences, dict):
            return preferences
    return {_VALUE: text}


def _item_fields(namespace: tuple[str, ...], key: str, text: str) -> dict[str, Any]:
    times = {"created_at": _UNKNOWN_TIME, "updated_at": _UNKNOWN_TIME}
    return {"namespace": namespace, "key": key, "value": _to_value(text), **times}


def _matches(value: Any, conditions: Any) -> bool:
    """Return whether a value meets the conditions, as in the framework's own store.

    A value that is not a number is neither greater nor less than any number.
    """
    if isinstance(conditions, dict):
        if any(key.startswith("$") for key in conditions):
            return all(_compare(operator, value, other) for operator, other in conditions.items())
        return isinstance(value, dict) and all(_matches(value.get(key), other) for key, other in conditions.items())
    if isinstance(conditions, (list, tuple)):
        return isinstance(value, list) and len(value) == len(conditions) and all(map(_matches, value, conditions))
    return bool(value == conditions)


def _compare(operator: str, value: Any, other: Any) -> bool:
    if operator in _EQUALITY_OPERATORS:
        return _EQUALITY_OPERATORS[operator](value, other)
    if operator not in _ORDER_OPERATORS:
        raise ValueError(f"Unsupported operator: {operator}")
    try:
        return _ORDER_OPERATORS[operator](float(value), float(other))
    except (TypeError, ValueError):
        return False


def _to_item(message: BaseMessage) -> tuple[Any, ExchangeTexts]:
    (item,) = messages_to_dict([message])
    if messages_to_dict(messages_from_dict([item])) != [item]:
        raise CannotBeKept("JSON would change a message")
    return item, _to_texts(message)


def _to_texts(message: BaseMessage) -> ExchangeTexts:
    if isinstance(message, HumanMessage):
        return ExchangeTexts(user=str(message.text), is_prompt=True)
    if isinstance(message, AIMessage):
        return ExchangeTexts(assistant=str(message.text), steps=tuple(map(_call_step, message.tool_calls)))
    if isinstance(message, ToolMessage):
        return ExchangeTexts(
            steps=(ToolStep("tool_result", message.tool_call_id, message.name or "", str(message.text)),)
        )
    return ExchangeTexts()


def _call_step(call: ToolCall) -> ToolStep:
    arguments = json.dumps(call["args"], ensure_ascii=False, default=str)
    return ToolStep("tool_call", call["id"] or "", call["name"], arguments)


def _to_messages(texts: ExchangeTexts) -> list[Any]:
    messages: list[BaseMessage] = []
    if texts.user:
        messages.append(HumanMessage(texts.user))
    if texts.assistant:
        messages.append(AIMessage(texts.assistant))
    return messages_to_dict(messages)
