"""Arguments for ids, validated before a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from shared.ids import path_id_error


def _check(value: str) -> str:
    if error := path_id_error(value):
        raise typer.BadParameter(f"an id {error}")
    return value


def _check_all(values: list[str]) -> list[str]:
    return [_check(value) for value in values]


def check_optional(value: str | None) -> str | None:
    """Return the id unchanged if it is valid or absent."""
    return None if value is None else _check(value)


ThreadId = Annotated[str, typer.Argument(metavar="THREAD", help="The thread's id.", callback=_check)]
ThreadIds = Annotated[
    list[str], typer.Argument(metavar="THREAD...", help="The threads' ids.", callback=_check_all, show_default=False)
]
UserId = Annotated[str, typer.Argument(metavar="USER", help="The user's id.", callback=_check)]
OptionalThreadId = Annotated[str | None, typer.Option("--thread", help="The thread's id.", callback=check_optional)]
OptionalUserId = Annotated[str | None, typer.Option("--user", help="The user's id.", callback=check_optional)]
