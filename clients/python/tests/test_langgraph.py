"""LangGraph graphs with preferences as their store and a thread as their message history."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import BaseStore, GetOp, Op, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from hybrid_memory_client import CannotBeKept, HistoryDegraded, MemoryClient, NotKept
from hybrid_memory_client.langgraph import PreferencesStore, ThreadMessageHistory

VALUES: list[dict[str, Any]] = [
    {"value": "brief"},
    {"value": ""},
    {"value": '{"value": "x"}'},
    {"value": "{not json"},
    {"value": '{"a": 1}'},
    {"value": 5},
    {"value": None},
    {},
    {"theme": "dark", "sizes": [1, 2.5], "nested": {"ü": "🎉"}},
]


def test_values_are_returned_unchanged(client: MemoryClient, user_id: str) -> None:
    """The store returns the same values as the framework's own store."""
    store, framework_store = PreferencesStore(client), InMemoryStore()
    namespace = ("preferences", user_id)
    for each in (store, framework_store):
        for number, value in enumerate(VALUES):
            each.put(namespace, f"key{number}", value)
    for number, value in enumerate(VALUES):
        for each in (store, framework_store):
            item = each.get(namespace, f"key{number}")
            assert item is not None
            assert (item.value, item.key, item.namespace) == (value, f"key{number}", namespace)
    for options in ({}, {"limit": 3}, {"limit": 3, "offset": 7}, {"filter": {"value": "brief"}}):
        results = [
            {item.key: item.value for item in each.search(namespace, **options)} for each in (store, framework_store)
        ]
        assert results[0] == results[1], options
    for each in (store, framework_store):
        each.delete(namespace, "key0")
        each.delete(namespace, "nothing")
        assert each.get(namespace, "key0") is None
        assert each.get(namespace, "nothing") is None


def test_other_clients_see_a_preference(client: MemoryClient, user_id: str) -> None:
    """A preference from the store is visible to other clients, and vice versa."""
    store, namespace = PreferencesStore(client), ("preferences", user_id)
    store.put(namespace, "tone", {"value": "brief"})
    assert client.read_preferences(user_id) == {"tone": "brief"}
    client.merge_preferences(user_id, {"language": "Python"})
    item = store.get(namespace, "language")
    assert item is not None
    assert item.value == {"value": "Python"}
    assert "tone: brief" in client.invoking(user_id=user_id).context


def test_filters(client: MemoryClient, user_id: str) -> None:
    """The store supports all filters that the framework documents."""
    store, namespace = PreferencesStore(client), ("preferences", user_id)
    for number in range(4):
        store.put(namespace, f"k{number}", {"score": number})
    for filters, keys in (
        ({"score": {"$gt": 1}}, ["k2", "k3"]),
        ({"score": {"$gte": 1, "$lt": 3}}, ["k1", "k2"]),
        ({"score": {"$lte": 0}}, ["k0"]),
        ({"score": {"$ne": 0}}, ["k1", "k2", "k3"]),
        ({"score": {"$eq": 3}}, ["k3"]),
        ({"other": 1}, []),
        ({"other": {"$ne": 1}}, ["k0", "k1", "k2", "k3"]),
        ({"score": [1]}, []),
    ):
        assert [item.key for item in store.search(namespace, filter=filters)] == keys
    with pytest.raises(ValueError, match="Unsupported operator"):
        store.search(namespace, filter={"score": {"$in": [1]}})


def test_filters_of_texts_and_nested_values(client: MemoryClient, user_id: str) -> None:
    """Filters have the same results as in the framework's own store.

    There is one difference: if a text that is not a number is compared with a number, the framework's own store fails,
    and this store finds no match.
    """
    store, framework_store, namespace = PreferencesStore(client), InMemoryStore(), ("preferences", user_id)
    values: dict[str, dict[str, Any]] = {
        "a": {"value": "10"},
        "b": {"at": {"x": 1, "y": [1, {"z": 2}]}},
        "c": {"value": "3"},
    }
    for key, value in values.items():
        store.put(namespace, key, value)
        framework_store.put(namespace, key, value)
    for filters in ({"at": {"x": 1}}, {"at": {"y": [1, {"z": {"$lt": 3}}]}}, {"at": {"x": 2}}, {"value": {"$ne": "3"}}):
        assert [i.key for i in store.search(namespace, filter=filters)] == [
            i.key for i in framework_store.search(namespace, filter=filters)
        ]
    assert [item.key for item in store.search(namespace, filter={"value": {"$gt": 3}})] == ["a"]
    store.put(namespace, "d", {"value": "brief"})
    assert [item.key for item in store.search(namespace, filter={"value": {"$gt": 3}})] == ["a"]


def test_a_batch(client: MemoryClient, user_id: str) -> None:
    """Reads precede writes, and the last write of a key wins, as in the framework's own store."""
    namespace = ("preferences", user_id)
    ops: list[Op] = [
        PutOp(namespace, "a", {"value": "1"}),
        GetOp(namespace, "a"),
        PutOp(namespace, "a", {"value": "2"}),
        PutOp(namespace, "b", {"value": "3"}),
        SearchOp(namespace),
    ]
    for store in (PreferencesStore(client), InMemoryStore()):
        assert store.batch(ops)[:4] == [None, None, None, None]
        item = asyncio.run(store.aget(namespace, "a"))
        assert item is not None
        assert item.value == {"value": "2"}
        assert len(store.search(namespace)) == 2


def test_a_node_uses_the_store(client: MemoryClient, user_id: str) -> None:
    """A node gets the store and uses it."""

    def answer(state: MessagesState, *, store: BaseStore) -> dict[str, list[BaseMessage]]:
        tone = store.get(("preferences", user_id), "tone")
        store.put(("preferences", user_id), "seen", {"count": len(state["messages"])})
        return {"messages": [AIMessage(str(tone and tone.value["value"]))]}

    client.merge_preferences(user_id, {"tone": "brief"})
    graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile(store=PreferencesStore(client))
    after = graph.invoke({"messages": [HumanMessage("Hello")]})
    assert after["messages"][-1].text == "brief"
    assert client.read_preferences(user_id)["seen"] == '{"count":1}'


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": object()}, {"a": (1, 2)}, {"a": {1: 2}}])
def test_a_value_that_json_changes_is_refused(client: MemoryClient, user_id: str, value: dict[str, Any]) -> None:
    """A value that JSON would change is refused, and nothing of its batch is stored."""
    store, namespace = PreferencesStore(client), ("preferences", user_id)
    with pytest.raises(CannotBeKept):
        store.batch([PutOp(namespace, "good", {"value": "x"}), PutOp(namespace, "bad", value)])
    assert store.search(namespace) == []


def test_unsupported_requests_are_refused(client: MemoryClient, user_id: str) -> None:
    """Unsupported requests raise an error instead of returning nothing."""
    store = PreferencesStore(client)
    with pytest.raises(CannotBeKept, match="preferences"):
        store.put(("memories", user_id), "a", {"value": "x"})
    with pytest.raises(NotImplementedError, match="meaning"):
        store.search(("preferences", user_id), query="tone")
    with pytest.raises(NotImplementedError, match="user by user"):
        store.search(("preferences",))
    with pytest.raises(NotImplementedError, match="users"):
        store.list_namespaces()


def test_a_thread_as_history(client: MemoryClient, thread_id: str) -> None:
    """A new process reads every message, including tool calls; other readers get the texts."""
    messages: list[BaseMessage] = [
        SystemMessage("Be kind."),
        HumanMessage([{"type": "text", "text": "How is"}, {"type": "text", "text": " the weather?"}], id="h1"),
        AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Köln"}, "id": "c1", "type": "tool_call"}]),
        ToolMessage("Sun 🎉", tool_call_id="c1", artifact={"raw": [1, 2]}),
        AIMessage("Sunny.", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
    ]
    history = ThreadMessageHistory(client, thread_id)
    assert history.messages == []
    history.add_messages(messages)
    asyncio.run(history.aadd_messages([HumanMessage("Thank you.")]))
    client.invoked("My name is Ada.", "Hello, Ada.", thread_id=thread_id)
    stored = ThreadMessageHistory(client, thread_id).messages
    assert stored == [*messages, HumanMessage("Thank you."), HumanMessage("My name is Ada."), AIMessage("Hello, Ada.")]
    assert ThreadMessageHistory(client, thread_id, limit=2).messages == stored[-2:]
    assert [each.content for each in client.iter_messages(thread_id)][:2] == ["How is the weather?", "Sunny."]
    history.clear()
    assert history.messages == []


def test_an_outage_is_not_an_empty_history(outage: MemoryClient) -> None:
    """During an outage, reading and writing raise an error. A message that JSON would change is refused."""
    history = ThreadMessageHistory(outage, "t")
    with pytest.raises(HistoryDegraded):
        assert history.messages
    with pytest.raises(NotKept):
        history.add_messages([HumanMessage("Hello")])
    with pytest.raises(CannotBeKept):
        history.add_messages([ToolMessage("x", tool_call_id="c", artifact=object())])
    assert len(ThreadMessageHistory(outage, "t", allow_degraded=True).messages) == 2
