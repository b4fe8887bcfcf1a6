"""`hybrid-memory openapi`: the API's OpenAPI description."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

import json

from cli import connect
from cli.command import command
from cli.deployment import Deployment
from cli.options import AsJson, Output
from cli.output import echo, endpoints_as_json, print_json, warn
from cli.pager import paged
from shared.errors import SettingsError


@command
def openapi(deployment: Deployment, *, output: Output = None, as_json: AsJson = False) -> None:
    """Print the API's OpenAPI description as JSON.

    With --output and --json, the command writes the description to the file and prints a summary as JSON.

    \b
    Examples:
      hybrid-memory openapi --output openapi.json
      hybrid-memory openapi | jq '.paths | keys'
    """
    description = connect.api(deployment).openapi()
    text = json.dumps(description, indent=2)
    if output is None:
        with paged(deployment):
            echo(text)
        return
    try:
        output.write_text(f"{text}\n")
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}.") from None
    if as_json:
        summary = {"title": description["info"].get("title"), "version": description["info"].get("version")}
        print_json(
            {
                **summary,
                "paths": len(description["paths"]),
                "output": str(output),
                "sources": endpoints_as_json(deployment.used_endpoints),
            }
        )
    else:
        warn(f"Wrote {output}.")
