"""The common parts of all commands: the deployment's options, error messages, and exit codes."""

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
from cli.help import CommandGroup
from cli.options import NAMES, CliOptions
from cli.output import printable, warn
from hybrid_memory_client import MemoryClientError
from shared.errors import SettingsError, StoreUnavailable

PROBLEM_FOUND: Final = 1
INVALID_USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130  # a shell's exit code for a program that Ctrl-C ended
SIGPIPE_EXIT: Final = 141  # a shell's exit code for a program whose reader closed the pipe, such as `head`

_LAYERS: Final = {
    "redis": ("Redis", "redis_url"),
    "postgres": ("PostgreSQL", "database_url"),
    "queue": ("The queue", "endpoint_url"),
}


def group(purpose: str) -> CommandGroup:
    """Return a group of commands."""
    return CommandGroup(help=purpose)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that has the deployment's options, and passes the deployment as the first argument.

    The root command has the same options, so that they can also precede the command's name. Options after the command's
    name take precedence.
    """

    @functools.wraps(function)
    def run(ctx: typer.Context, **arguments: Any) -> None:
        options = CliOptions(**{name: arguments.pop(name) for name in NAMES})
        ctx.obj = ctx.obj.overridden_by(options) if isinstance(ctx.obj, CliOptions) else options
        deployment = Deployment(ctx.obj)
        _discard_logs()
        try:
            with deployment.exit_stack:
                function(deployment, **arguments)
        except SettingsError as error:
            raise _print_error(str(error), INVALID_USAGE, arguments) from None
        except MemoryClientError as error:
            text = printable(format_error(error, deployment.used_endpoints["api_url"].url))
            raise _print_error(text, UNREACHABLE if is_outage(error) else INVALID_USAGE, arguments) from None
        except StoreUnavailable as error:
            raise _print_error(format_store_error(error, deployment), UNREACHABLE, arguments) from None
        except KeyboardInterrupt:
            warn("Stopped.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The pipe is closed. Standard output is redirected, because Python would otherwise report an error when it
            # exits and flushes the output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(SIGPIPE_EXIT) from None

    hints = get_type_hints(CliOptions, include_extras=True)
    own_parameters = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own_parameters),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[name])
            for name in NAMES
        ),
    ]
    # typer reads the signature from here instead of from the wrapper.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _print_error(text: str, code: int, arguments: dict[str, Any]) -> typer.Exit:
    """Print an error, as JSON if the command prints JSON, and return the exception that ends the command."""
    warn(json.dumps({"error": text}, ensure_ascii=False) if arguments.get("as_json") else f"Error: {text}")
    return typer.Exit(code)


def format_store_error(error: StoreUnavailable, deployment: Deployment) -> str:
    """Return a message for a store that did not respond or refused the request."""
    name, endpoint_name = _LAYERS.get(error.layer, (error.layer, ""))
    endpoint = deployment.used_endpoints.get(endpoint_name)
    host = urlsplit(endpoint.url).netloc.rpartition("@")[2] if endpoint else ""
    location = f" at {host}" if host else ""
    reason = str(error).removeprefix(f"{error.layer} did not answer").removeprefix(": ")
    # The error of a store that responds has its own state, such as a refusal or a timeout.
    state = "cannot be reached" if error.state == StoreUnavailable.state else error.state
    return f"{name} {state}{location}{f' ({printable(reason)})' if reason else ''}."


def _discard_logs() -> None:
    """Discard the stores' log records: the command prints each error itself."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
