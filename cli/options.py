"""The options that commands share."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.help import DEPLOYMENT, OUTPUT

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with stable field names.", rich_help_panel=OUTPUT)]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.", dir_okay=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Make the change. Without --yes, only print a preview.")]


def _address(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel=DEPLOYMENT)


@dataclass(frozen=True, slots=True)
class CliOptions:
    """The options that name a deployment, `--no-pager` and `--verbose`."""

    api_url: Annotated[str | None, _address("URL of the API, including the stage.")] = None
    token: Annotated[
        str | None,
        _address("Bearer token for the API. Prefer HYBRID_MEMORY_TOKEN: process lists show options."),
    ] = None
    api_key: Annotated[
        str | None, _address("API Gateway key, if the API requires one. Prefer HYBRID_MEMORY_API_KEY.")
    ] = None
    endpoint_url: Annotated[str | None, _address("URL of an AWS emulator.")] = None
    queue_url: Annotated[str | None, _address("URL of the exchange queue.")] = None
    dlq_url: Annotated[str | None, _address("URL of the dead-letter queue.")] = None
    redis_url: Annotated[str | None, _address("URL of Redis, e.g. redis://localhost:6379/0.")] = None
    database_url: Annotated[str | None, _address("URL of PostgreSQL, e.g. postgresql://user@host/name.")] = None
    state_dir: Annotated[Path | None, _address("State directory of a running local stack, e.g. .local.")] = None
    no_pager: Annotated[
        bool | None,
        typer.Option(
            "--no-pager", help="Print long output without a pager.", show_default=False, rich_help_panel=OUTPUT
        ),
    ] = None
    verbose: Annotated[
        bool | None,
        typer.Option(
            "--verbose",
            "-v",
            help="Print exact times, and each address with its source.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None

    def overridden_by(self, other: CliOptions) -> CliOptions:
        """Return these options, replaced by those that are set in `other`."""
        values = {name: getattr(other, name) for name in NAMES}
        return replace(self, **{name: value for name, value in values.items() if value is not None})


NAMES: Final = tuple(field.name for field in fields(CliOptions))
