"""The options that commands share."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Final

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with stable field names.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.", dir_okay=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Make the change. Without --yes, only print a preview.")]


@dataclass(frozen=True, slots=True)
class CliOptions:
    """The options that name a deployment, and `--verbose`."""

    api_url: Annotated[str | None, typer.Option(help="URL of the API, including the stage.")] = None
    token: Annotated[
        str | None,
        typer.Option(help="Bearer token for the API. Prefer HYBRID_MEMORY_TOKEN: process lists show options."),
    ] = None
    api_key: Annotated[
        str | None, typer.Option(help="API Gateway key, if the API requires one. Prefer HYBRID_MEMORY_API_KEY.")
    ] = None
    endpoint_url: Annotated[str | None, typer.Option(help="URL of an AWS emulator.")] = None
    queue_url: Annotated[str | None, typer.Option(help="URL of the exchange queue.")] = None
    dlq_url: Annotated[str | None, typer.Option(help="URL of the dead-letter queue.")] = None
    redis_url: Annotated[str | None, typer.Option(help="URL of Redis, e.g. redis://localhost:6379/0.")] = None
    database_url: Annotated[str | None, typer.Option(help="URL of PostgreSQL, e.g. postgresql://user@host/name.")] = (
        None
    )
    state_dir: Annotated[Path | None, typer.Option(help="State directory of a running local stack, e.g. .local.")] = (
        None
    )
    verbose: Annotated[
        bool | None, typer.Option("--verbose", "-v", help="Print each address and its source.", show_default=False)
    ] = None

    def overridden_by(self, other: CliOptions) -> CliOptions:
        """Return these options, replaced by those that are set in `other`."""
        values = {name: getattr(other, name) for name in NAMES}
        return replace(self, **{name: value for name, value in values.items() if value is not None})


NAMES: Final = tuple(field.name for field in fields(CliOptions))
