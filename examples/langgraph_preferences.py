"""LangGraph: the user's preferences as the graph's store, and a thread as its message history."""

import os
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import BaseStore

from hybrid_memory_client import MemoryClient
from hybrid_memory_client.langgraph import PreferencesStore, ThreadMessageHistory


def answer(state: MessagesState, *, store: BaseStore) -> dict[str, list[AIMessage]]:
    tone = store.get(("preferences", "ada"), "tone")
    return {"messages": [AIMessage(f"Shown {len(state['messages'])}, in a {tone and tone.value['value']} tone.")]}


with MemoryClient(os.environ["HYBRID_MEMORY_URL"]) as memory:
    store, history = PreferencesStore(memory), ThreadMessageHistory(memory, "example-langgraph", user_id="ada")
    store.put(("preferences", "ada"), "tone", {"value": "brief"})
    graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile(store=store)
    messages: Any = [*history.messages, HumanMessage("My name is Ada.")]
    history.add_messages(graph.invoke({"messages": messages})["messages"][len(messages) - 1 :])
    print(history.messages[-1].text)
