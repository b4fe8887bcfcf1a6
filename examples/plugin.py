"""A deployment's own agent and two tools: set `AGENT__PLUGINS=examples.plugin` and send `"agent_name": "clerk"`."""

from __future__ import annotations

import asyncio

from functions.agent.registry import AgentDefinition, add_agent, add_tool
from functions.agent.tools import ToolContext


def opening_hours(context: ToolContext, day: str = "today") -> str:
    """Return the opening hours of the shop.

    Args:
        context: The run, with its user and a search of the user's messages.
        day: A day of the week.
    """
    return f"The shop is open from 9 to 17 on {day}, also for {context.user_id or 'you'}."


async def stock(context: ToolContext, article: str) -> str:
    """Return the stock of an article.

    Args:
        context: The run.
        article: The article's name.
    """
    del context
    await asyncio.sleep(0)  # a real tool would await an HTTP request here
    return f"There are 3 of {article}."


def register() -> None:
    """Add the agent and the tools. The function calls this once, when it starts."""
    add_tool(opening_hours)
    add_tool(stock)
    add_agent(AgentDefinition("clerk", instructions="You are a clerk.", tools=("opening_hours", "stock")))
