"""An agent and an asynchronous tool. The package's entry point registers them."""

from __future__ import annotations

import asyncio

from functions.agent.registry import AgentDefinition, add_agent, add_tool
from functions.agent.tools import ToolContext


async def delivery_time(context: ToolContext, city: str) -> str:
    """Return the delivery time to a city.

    Args:
        context: The run.
        city: The name of a city.
    """
    del context
    await asyncio.sleep(0)  # a real tool would await a carrier's HTTP API here
    return f"A parcel to {city} takes two days."


def register() -> None:
    """Add the agent and the tool. The function calls this once, when it starts."""
    add_tool(delivery_time)
    add_agent(AgentDefinition("courier", instructions="You answer questions about parcels.", tools=("delivery_time",)))
