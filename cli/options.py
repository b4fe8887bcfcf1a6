"""The options that name a deployment: taken before the command and after it alike, the latter winning."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, with stable field names.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")]


@dataclass(frozen=True, slots=True)
class Named:
    """What the command line names of a deployment."""

    endpoint_url: Annotated[str | None, typer.Option(help="AWS endpoint, where it is not AWS itself.")] = None
    queue_url: Annotated[str | None, typer.Option(help="The exchange queue.")] = None
    dlq_url: Annotated[str | None, typer.Option(help="Its dead-letter queue.")] = None
    redis_url: Annotated[str | None, typer.Option(help="Redis, e.g. redis://localhost:6379/0.")] = None
    database_url: Annotated[str | None, typer.Option(help="PostgreSQL, e.g. postgresql://user@host/name.")] = None
    state_dir: Annotated[Path | None, typer.Option(help="State directory of a running local stack.")] = None

    def overridden_by(self, other: Named) -> Named:
        """Return these, with what `other` names instead."""
        named = {name: getattr(other, name) for name in _NAMES}
        return replace(self, **{name: value for name, value in named.items() if value is not None})


_NAMES: Final = tuple(field.name for field in fields(Named))


def names_a_deployment(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options; it gets what they name, together with those before it, as its first argument."""

    @functools.wraps(command)
    def wrapper(ctx: typer.Context, **given: Any) -> None:
        own = Named(**{name: given.pop(name) for name in _NAMES})
        before = ctx.obj if isinstance(ctx.obj, Named) else Named()
        command(before.overridden_by(own), **given)

    hints = get_type_hints(Named, include_extras=True)
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    options = [inspect.Parameter(name, keyword, default=None, annotation=hints[name]) for name in _NAMES]
    parameters = [context, *(parameter.replace(kind=keyword) for parameter in own), *options]
    # What typer reads instead of the wrapper's own.
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper
