"""Calls registered tools for the agent library, on the event loop or in a thread. The model always gets text."""

import asyncio
import functools
import inspect
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic_ai import RunContext, Tool

from functions.agent.agents.loop_search import EventLoopSearch
from functions.agent.registry import TOOLS
from functions.agent.registry import Tool as Function
from functions.agent.tools import ToolContext

_logger = logging.getLogger(__name__)


def to_library_tool(name: str) -> Tool[ToolContext]:
    """Return a registered tool as the library's tool."""
    function = TOOLS[name]

    @functools.wraps(function)
    async def call(context: RunContext[ToolContext], /, **arguments: Any) -> str:
        return await _call(name, function, context.deps, arguments)

    # The tool's own signature, except that the first parameter is the library's context.
    first = next(iter(inspect.signature(function).parameters))
    call.__annotations__ = {**function.__annotations__, first: RunContext[ToolContext], "return": str}
    return Tool(call, takes_ctx=True, name=name)


async def _call(name: str, function: Function, context: ToolContext, arguments: Mapping[str, Any]) -> str:
    """Return a tool's result. If the tool fails, return one sentence, so that the model can continue."""
    search = EventLoopSearch(context.search)

    def in_thread() -> tuple[object, BaseException | None]:
        # Errors are returned as values, because a future cannot carry every exception, e.g. StopIteration.
        try:
            return function(replace(context, search=search), **arguments), None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - logged below
            return None, error

    try:
        if inspect.iscoroutinefunction(function):
            return _text(await function(context, **arguments))
        result, error = await asyncio.to_thread(in_thread)
        if error is not None:
            return _failed(name, error)
        return _text(await result if inspect.isawaitable(result) else result)
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return _failed(name, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - logged
        return _failed(name, error)
    finally:
        search.has_run_ended = True


def _text(result: object) -> str:
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    # A request to a model cannot contain a lone surrogate.
    return text.encode("utf-8", "replace").decode()


def _failed(name: str, error: BaseException) -> str:
    # The result omits the exception's text, which may contain data that the user must not read.
    _logger.error("the tool %s failed", name, exc_info=error)
    return f"The tool {name} failed: {type(error).__name__}."
