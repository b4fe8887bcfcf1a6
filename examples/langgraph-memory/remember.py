"""LangGraph: a graph that remembers the conversation and the user's preferences in the next process."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import BaseStore

from hybrid_memory_client import MemoryClient
from hybrid_memory_client.langgraph import PreferencesStore, ThreadMessageHistory


def call_model(messages: Sequence[BaseMessage], preferences: Sequence[str]) -> AIMessage:
    """Answer without a key. Replace it with your model, e.g. `init_chat_model("openai:gpt-5").invoke(…)`."""
    return AIMessage(f"Your first message was {messages[0].text!r}. You prefer {', '.join(preferences) or 'nothing'}.")


def answer(state: MessagesState, config: RunnableConfig, *, store: BaseStore) -> dict[str, list[AIMessage]]:
    user = ("preferences", config["configurable"]["user_id"])
    prompt = state["messages"][-1].text
    if prompt.startswith("I prefer "):
        store.put(user, "style", {"value": prompt.removeprefix("I prefer ").rstrip(".")})
    return {"messages": [call_model(state["messages"], [item.value["value"] for item in store.search(user)])]}


user_id, thread_id, prompt = sys.argv[1:]
with MemoryClient(os.environ["HYBRID_MEMORY_URL"]) as memory:
    history = ThreadMessageHistory(memory, thread_id, user_id=user_id)
    graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile(store=PreferencesStore(memory))
    earlier = history.messages
    messages: Any = [*earlier, HumanMessage(prompt)]
    result = graph.invoke({"messages": messages}, {"configurable": {"user_id": user_id}})
    history.add_messages(result["messages"][len(earlier) :])
    print(result["messages"][-1].text)
