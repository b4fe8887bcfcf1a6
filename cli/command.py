"""The common parts of all commands: the options that name a deployment, and one sentence and an exit code per error."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, Final, get_type_hints
from urllib.parse import urlsplit

import typer

from cli.api import format_error, is_outage
from cli.deployment import Deployment
from cli.options import NAMES, CliOptions
from cli.output import printable, warn
from hybrid_memory_client import MemoryClientError
from shared.errors import SettingsError, StoreUnavailable

FOUND_SOMETHING: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130  # a shell's exit code for a program that Ctrl-C ended
SIGPIPE_EXIT: Final = 141  # a shell's exit code for a program whose reader closed the pipe, such as `head`

_LAYERS: Final = {
    "redis": ("Redis", "redis_url"),
    "postgres": ("PostgreSQL", "database_url"),
    "queue": ("The queue", "endpoint_url"),
}


def group(purpose: str) -> typer.Typer:
    """Return a group of commands."""
    # Rich markup would clutter pipes and logs.
    return typer.Typer(help=purpose, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a deployment. The function gets the deployment as its first argument.

    The root command has the same options, so that they may also precede the command's name. Options after the command's
    name take precedence.
    """

    @functools.wraps(function)
    def run(ctx: typer.Context, **arguments: Any) -> None:
        own = CliOptions(**{name: arguments.pop(name) for name in NAMES})
        ctx.obj = ctx.obj.overridden_by(own) if isinstance(ctx.obj, CliOptions) else own
        deployment = Deployment(ctx.obj)
        _be_quiet()
        try:
            with deployment.opened:
                function(deployment, **arguments)
        except SettingsError as error:
            raise _failed(str(error), USAGE, arguments) from None
        except MemoryClientError as error:
            text = printable(format_error(error, deployment.used["api_url"].url))
            raise _failed(text, UNREACHABLE if is_outage(error) else USAGE, arguments) from None
        except StoreUnavailable as error:
            raise _failed(sentence(error, deployment), UNREACHABLE, arguments) from None
        except KeyboardInterrupt:
            warn("Stopped.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The pipe is closed. Standard output is redirected, because Python would otherwise report an error when it
            # exits and flushes the output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(SIGPIPE_EXIT) from None

    hints = get_type_hints(CliOptions, include_extras=True)
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[name])
            for name in NAMES
        ),
    ]
    # typer reads the signature from here instead of from the wrapper.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _failed(text: str, code: int, arguments: dict[str, Any]) -> typer.Exit:
    """Print why a command failed, as JSON if the command prints JSON, and return the exit."""
    warn(json.dumps({"error": text}, ensure_ascii=False) if arguments.get("as_json") else f"Error: {text}")
    return typer.Exit(code)


def sentence(error: StoreUnavailable, deployment: Deployment) -> str:
    """Return one sentence about a layer that did not respond or refused the request."""
    name, endpoint_name = _LAYERS.get(error.layer, (error.layer, ""))
    endpoint = deployment.used.get(endpoint_name)
    host = urlsplit(endpoint.url).netloc.rpartition("@")[2] if endpoint else ""
    at = f" at {host}" if host else ""
    reason = str(error).removeprefix(f"{error.layer} did not answer").removeprefix(": ")
    # A layer that responds describes its own state, such as a refusal or a timeout.
    state = "cannot be reached" if error.state == StoreUnavailable.state else error.state
    return f"{name} {state}{at}{f' ({printable(reason)})' if reason else ''}."


def _be_quiet() -> None:
    """Keep log records and tracebacks of the stores off the terminal: each error is printed as one sentence."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
