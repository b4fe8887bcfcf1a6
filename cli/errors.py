"""The exit codes, and the one place where an error becomes a sentence and a code."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from cli.output import complain, unreachable
from shared.errors import SettingsError, StoreUnavailable

FOUND_SOMETHING: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130  # what a shell says of a program that Ctrl-C ended


class Cli(TyperGroup):
    """The root group: turns what commands raise into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            complain(f"Error: {error}")
            raise typer.Exit(USAGE) from None
        except StoreUnavailable as error:
            complain(f"Error: {unreachable(error.layer, _reason(error))}")
            raise typer.Exit(UNREACHABLE) from None


def _reason(error: StoreUnavailable) -> str:
    return str(error).removeprefix(f"{error.layer} did not answer").removeprefix(": ") or "no answer"
