"""`hybrid-memory openapi`: the API's own description."""

# ruff: noqa: D301 - \b is typer's mark for lines that are to stay as they are

from __future__ import annotations

import json

from cli import connect
from cli.command import command
from cli.deployment import Deployment
from cli.options import AsJson, Output
from cli.output import complain, say
from shared.errors import SettingsError


@command
def openapi(deployment: Deployment, *, output: Output = None, as_json: AsJson = False) -> None:
    """Print the deployment's OpenAPI description, which is JSON with and without --json.

    \b
    Examples:
      hybrid-memory openapi --output openapi.json
      hybrid-memory openapi | jq '.paths | keys'
    """
    del as_json
    text = json.dumps(connect.api(deployment).get("openapi.json"), indent=2)
    if output is None:
        say(text)
        return
    try:
        output.write_text(f"{text}\n")
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}.") from None
    complain(f"Wrote {output}.")
