"""The text of `make run` when the stack runs: what runs where, three things to try, and how to stop it."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from functions.agent.agents.model_name import OFFLINE
from infra.local.environment import USUAL_PORTS

_NAMES = {"postgres": "PostgreSQL", "valkey": "Redis (Valkey)", "emulator": "AWS emulator"}


def announce(
    api_url: str,
    *,
    page_url: str,
    model: str,
    needs_token: bool,
    ports: Mapping[str, int],
    stack_file: Path,
    valkey_pid: int,
) -> str:
    """Return the text, for a terminal of 80 columns. It contains no password; that is in `stack.json`.

    Args:
        api_url: The API's URL.
        page_url: The URL of the local page, with the token of its local controls in the fragment.
        model: The value of `AGENT__MODEL`.
        needs_token: Whether requests need a bearer token.
        ports: The port of each server, by its name in `stack.json`.
        stack_file: The path of `stack.json`.
        valkey_pid: Valkey's process id.
    """
    rows = [("Page", page_url), ("API", api_url), ("Model", _describe_model(model))]
    if needs_token:
        rows.append(("Sign-in", "requests need a token in HYBRID_MEMORY_TOKEN (AUTH__MODE=jwt)"))
    rows += [(_NAMES[name], _describe_port(port, USUAL_PORTS[name])) for name, port in ports.items()]
    rows.append(("All addresses", shown_path(stack_file)))
    running = "\n".join(f"  {name:<16}{text}" for name, text in rows)
    token = ' -H "Authorization: Bearer $HYBRID_MEMORY_TOKEN"' if needs_token else ""
    return f"""
What runs:
{running}

Three things to try:
  1. Open the page, and tell the agent something about you.
  2. Talk to it in another terminal (Ctrl-D ends the chat), or use curl:
     {_chat_command(stack_file.parent)}
     API={api_url}
     curl -s $API/run{token} -d '{{"prompt": "What is my name?", "thread_id": "demo"}}'
  3. Break it: use "Break it and see" on the page, or kill Valkey, and ask
     again. The answer comes from PostgreSQL.
     kill -9 {valkey_pid}

Ctrl-C stops everything and keeps the data. The functions' logs follow.
"""


def shown_path(path: Path) -> str:
    """Return a path, relative to the working directory if it is below it, quoted for a shell."""
    absolute, directory = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100 - `resolve` would follow links
    short_path = absolute.relative_to(directory) if absolute.is_relative_to(directory) else absolute
    return shlex.quote(os.fspath(short_path))


def _chat_command(state_dir: Path) -> str:
    command = f"{shown_path(Path(sys.executable).with_name('hybrid-memory'))} chat --thread demo"
    # The command line finds this directory itself.
    return command if shown_path(state_dir) == ".local" else f"{command} --state-dir {shown_path(state_dir)}"


def _describe_model(model: str) -> str:
    if model == OFFLINE:
        return "offline, a built-in demo without a key (AGENT__MODEL chooses)"
    return f"{model} (AGENT__MODEL)"


def _describe_port(port: int, usual: int) -> str:
    return f"127.0.0.1:{port}, the usual port" if port == usual else f"127.0.0.1:{port}, because {usual} is taken"
