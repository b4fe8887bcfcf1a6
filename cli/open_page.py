"""`hybrid-memory open`: the deployment's page in the browser."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from cli.command import command
from cli.deployment import Deployment
from cli.options import AsJson
from cli.output import echo, endpoints_as_json, is_terminal, print_endpoints, print_json


@command
def open_(
    deployment: Deployment,
    *,
    is_printed: Annotated[bool, typer.Option("--print", help="Only print the URL.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open the deployment's page in the browser.

    Without a browser, with --print, and if the output is not a terminal, the command only prints the page's URL.

    \b
    Examples:
      hybrid-memory open
      hybrid-memory open --print
      hybrid-memory open --json | jq -r .url
    """
    # The page's own URLs are relative to the stage, so the slash matters.
    url = f"{deployment.require_endpoint('api_url').url.rstrip('/')}/"
    is_opened = is_terminal() and not is_printed and not as_json and webbrowser.open(url)
    if as_json:
        print_json({"url": url, "sources": endpoints_as_json(deployment.used_endpoints)})
        return
    print_endpoints(deployment)
    echo(f"Opened {url}" if is_opened else url)
