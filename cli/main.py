"""The root of `hybrid-memory`: every group of commands is added here."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from cli import dlq, queue, verify
from cli.errors import Cli
from cli.options import Named, names_a_deployment

app = typer.Typer(
    cls=Cli,
    name="hybrid-memory",
    help="Operate a hybrid memory: its queues, and its two layers.",
    epilog="Exit codes: 0 fine, 1 found something, 2 usage, 3 a layer cannot be reached.",
    no_args_is_help=True,
    # Plain help: it is read in pipes and logs as well.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(dlq.app, name="dlq")
app.add_typer(queue.app, name="queue")
app.command("verify")(verify.verify)


@app.callback()
def root(
    ctx: typer.Context,
) -> None:
    pass
