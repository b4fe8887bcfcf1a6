"""The command line `hybrid-memory`: its root command and all groups of commands."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import (
    chat,
    dlq,
    doctor,
    import_conversations,
    memories,
    migrate,
    open_page,
    openapi,
    prefs,
    queue,
    search,
    smoke,
    tail,
    threads,
    users,
    verify,
)
from cli.command import PROBLEM_FOUND, command
from cli.deployment import Deployment
from cli.help import CONVERSATIONS, OPERATIONS, CommandGroup
from cli.output import echo, warn
from shared import __version__


class _CommandLine(CommandGroup):
    """The command line. If its output cannot be written, e.g. on a full disk, it prints an error, no traceback."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for name in ("stdout", "stderr"):
            # A shell can close both of these streams.
            if getattr(sys, name) is None:
                setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - open until the process ends
        try:
            return super().__call__(*args, **kwargs)
        except OSError as error:
            sentence = f"{error.filename or 'The output'} cannot be written: {error.strerror}."
            warn(json.dumps({"error": sentence}) if "--json" in sys.argv else f"Error: {sentence}")
            # Otherwise the interpreter would flush the output at its exit and report the error again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(PROBLEM_FOUND)


app = _CommandLine(
    name="hybrid-memory",
    epilog="Exit codes: 0 success, 1 a problem was found, 2 invalid usage, 3 a server did not respond.",
)


def _print_version(is_requested: bool) -> None:  # noqa: FBT001 - typer's signature of a callback
    if is_requested:
        echo(f"hybrid-memory {__version__}")
        raise typer.Exit


@app.callback()
@command
def root(
    _deployment: Deployment,
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Manage conversations and users of a hybrid memory, and operate its queues and stores.

    Each address (API, queues, Redis, PostgreSQL) is taken from the first of these sources that contains it:

    \b
      1. an option
      2. the local stack that --state-dir names
      3. an environment variable, or the file .env: HYBRID_MEMORY_API_URL,
         SYNC__QUEUE_URL, SYNC__DLQ_URL, REDIS__*, DATABASE__URL, AWS_ENDPOINT_URL
      4. a running local stack: .local/stack.json in this directory or above it

    The options below can also follow a command.

    \b
    Examples:
      hybrid-memory chat
      hybrid-memory threads list --user ada
      hybrid-memory doctor
      hybrid-memory queue status --watch
      hybrid-memory dlq list
      hybrid-memory --state-dir .local verify
    """  # noqa: D301 - \b tells typer not to rewrap the lines below it


app.command("chat", rich_help_panel=CONVERSATIONS)(chat.chat)
app.command("tail", rich_help_panel=CONVERSATIONS)(tail.tail)
app.command("search", rich_help_panel=CONVERSATIONS)(search.search)
app.command("open", rich_help_panel=CONVERSATIONS)(open_page.open_)
app.command("import", rich_help_panel=CONVERSATIONS)(import_conversations.import_)
app.add_typer(threads.app, name="threads", rich_help_panel=CONVERSATIONS)
app.add_typer(users.app, name="users", rich_help_panel=CONVERSATIONS)
app.add_typer(prefs.app, name="prefs", rich_help_panel=CONVERSATIONS)
app.add_typer(memories.app, name="memories", rich_help_panel=CONVERSATIONS)
app.add_typer(dlq.app, name="dlq", rich_help_panel=OPERATIONS)
app.add_typer(queue.app, name="queue", rich_help_panel=OPERATIONS)
app.add_typer(migrate.app, name="migrate", rich_help_panel=OPERATIONS)
app.command("doctor", rich_help_panel=OPERATIONS)(doctor.doctor)
app.command("smoke", rich_help_panel=OPERATIONS)(smoke.smoke)
app.command("verify", rich_help_panel=OPERATIONS)(verify.verify)
app.command("openapi", rich_help_panel=OPERATIONS)(openapi.openapi)
