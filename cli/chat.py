"""`hybrid-memory chat`: a conversation with the deployment's agent."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from rich.console import Console

from cli import connect
from cli.api import format_error
from cli.arguments import OptionalThreadId, OptionalUserId
from cli.command import command
from cli.deployment import Deployment
from cli.options import AsJson
from cli.output import (
    console,
    echo,
    endpoints_as_json,
    is_terminal,
    print_endpoints,
    print_json,
    printable,
    styled,
    warn,
)
from hybrid_memory_client import MemoryClient, MemoryClientError, RunResult
from hybrid_memory_client.models import MemoryReport
from shared.errors import SettingsError

_PROMPT: Final = "> "
_NAMES: Final = {"redis": "Redis", "postgres": "PostgreSQL", "queue": "the queue"}
_STORED: Final = {
    "queue": "stored in the queue",
    "postgres": "stored in PostgreSQL",
    "redis": "stored in Redis' outbox",
    "none": "NOT stored",
}


@command
def chat(
    deployment: Deployment,
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help="The message. Without it, the command reads the input.")
    ] = None,
    *,
    thread: OptionalThreadId = None,
    user: OptionalUserId = None,
    agent: Annotated[str | None, typer.Option(help="The agent's name. The default is the deployment's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Talk to the deployment's agent, which remembers the thread and the user.

    On a terminal, the command asks for one message after another until Ctrl-D. The arrow keys bring back earlier
    messages. Ctrl-C stops waiting for an answer. With PROMPT, or if the input is not a terminal, the command sends one
    message and prints the answer. Each answer is followed by the layer that the memory came from. Without --thread,
    the thread is new; the command prints its id to standard error at the end.

    \b
    Examples:
      hybrid-memory chat
      hybrid-memory chat "What do you know about me?" --thread demo --user ada
      hybrid-memory chat --thread demo < question.txt
      hybrid-memory chat "Hello" --json | jq -r .response
    """
    is_conversation = prompt is None and sys.stdin.isatty()
    if is_conversation and as_json:
        raise typer.BadParameter("--json needs PROMPT or a piped input.")
    turn = _Turn(connect.api(deployment), thread or f"chat-{uuid4().hex[:12]}", user, agent)
    text = None if is_conversation else prompt if prompt is not None else _read_input()
    print_endpoints(deployment)
    if text is None:
        _converse(turn)
    else:
        result = turn.run(text)
        if as_json:
            print_json({**_as_json(result), "sources": endpoints_as_json(deployment.used_endpoints)})
            return
        _print(result)
    if thread is None and turn.count:
        warn(styled(f"Continue with: hybrid-memory chat --thread {turn.thread_id}", "quiet", sys.stderr))


class _Turn:
    """Runs turns of one thread.

    Attributes:
        count: The number of answers.
    """

    def __init__(self, api: MemoryClient, thread_id: str, user_id: str | None, agent: str | None) -> None:
        self.thread_id = thread_id
        self.count = 0
        self._api = api
        self._user_id = user_id
        self._agent = agent

    @property
    def url(self) -> str:
        """The API's URL."""
        return self._api.base_url

    def run(self, prompt: str) -> RunResult:
        """Return the agent's answer.

        Raises:
            MemoryClientError: The API did not respond, or refused.
        """
        # Only a terminal shows that the command is waiting.
        waiting = Console(stderr=True).status("") if is_terminal() and sys.stderr.isatty() else nullcontext()
        with waiting:
            result = self._api.run(prompt, agent_name=self._agent, thread_id=self.thread_id, user_id=self._user_id)
        self.count += 1
        return result


def _read_input() -> str:
    """Return the whole input.

    Raises:
        SettingsError: It is empty, or not UTF-8.
    """
    try:
        text = sys.stdin.buffer.read().decode().strip("\r\n")
    except UnicodeDecodeError as error:
        raise SettingsError(f"The input is not UTF-8: byte {error.start + 1} is invalid.") from None
    if not text:
        raise SettingsError("There is no message: give PROMPT, or pipe a text into the command.")
    return text


def _converse(turn: _Turn) -> None:
    """Ask for messages and print the answers until Ctrl-D."""
    from cli.line_editor import history  # noqa: PLC0415 - only a conversation needs it

    warn(styled("Ctrl-D ends the conversation.", "quiet", sys.stderr))
    with history():
        while True:
            try:
                text = input(_PROMPT)
            except EOFError:
                echo()
                return
            except KeyboardInterrupt:
                echo()
                continue
            if text.strip():
                _answer(turn, text)


def _answer(turn: _Turn, text: str) -> None:
    try:
        _print(turn.run(text))
    except MemoryClientError as error:
        warn(f"Error: {printable(format_error(error, turn.url))}")
    except KeyboardInterrupt:
        warn("Stopped waiting. The agent may still answer and store the turn.")


def _print(result: RunResult) -> None:
    if not is_terminal():
        echo(printable(result.response))
        warn(format_badge(result.memory))
        return
    from rich.markdown import Markdown  # noqa: PLC0415 - the parser is imported only for an answer on a terminal

    # The address of a link is printed, because the link's text could show a different address.
    console().print(Markdown(printable(result.response), hyperlinks=False))
    is_bad = result.memory.durability == "none" or bool(result.memory.degraded)
    warn(styled(format_badge(result.memory), "warning" if is_bad else "quiet", sys.stderr))


def format_badge(memory: MemoryReport) -> str:
    """Return where the memory of a turn came from, and where the turn is stored."""
    parts = ["no memory yet" if memory.source == "none" else f"memory from {_NAMES[memory.source]}"]
    parts += [f"{_NAMES.get(layer, layer)} did not respond" for layer in memory.degraded]
    return f"({', '.join([*parts, _STORED[memory.durability]])})"


def _as_json(result: RunResult) -> dict[str, Any]:
    memory = result.memory
    return {
        "response": result.response,
        "thread_id": result.thread_id,
        "exchange_id": result.exchange_id and str(result.exchange_id),
        "memory": {
            "source": memory.source,
            "degraded": list(memory.degraded),
            "durability": memory.durability,
            "cached": memory.cached,
            "context_tokens": memory.context_tokens,
            "omitted_exchanges": memory.omitted_exchanges,
        },
    }
