"""`hybrid-memory prefs`: users' preferences."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it

from __future__ import annotations

from typing import Annotated

import typer

from cli import connect
from cli.arguments import UserId
from cli.command import INVALID_USAGE, command, group
from cli.deployment import Deployment
from cli.options import AsJson, Yes
from cli.output import (
    count_of,
    echo,
    endpoints_as_json,
    print_endpoints,
    print_json,
    print_preview_end,
    print_table,
    printable,
    warn,
)
from cli.pager import paged

app = group("Show and change a user's preferences.")


@app.command("get")
@command
def get_(
    deployment: Deployment,
    user: UserId,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A preference's name. The default is all preferences.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a user's preferences, or the value of one preference.

    \b
    Examples:
      hybrid-memory prefs get ada
      hybrid-memory prefs get ada tone
    """
    preferences = connect.api(deployment).read_preferences(user)
    if name is not None:
        if name not in preferences:
            warn(f"Error: {printable(user)} has no preference {printable(name)}.")
            raise typer.Exit(INVALID_USAGE)
        if not as_json:
            echo(printable(preferences[name]))
            return
        preferences = {name: preferences[name]}
    _print(deployment, user, preferences, as_json=as_json)


@app.command("set")
@command
def set_(
    deployment: Deployment,
    user: UserId,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Preferences to set.", show_default=False)
    ] = None,
    *,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Preference to remove. Can be repeated.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Set or remove some of a user's preferences. The others do not change.

    With --remove, the command only prints a preview unless --yes is given.

    \b
    Examples:
      hybrid-memory prefs set ada tone=brief preferred_language=Python
      hybrid-memory prefs set ada --remove tone --yes
    """
    requested: dict[str, str | None] = dict.fromkeys(remove or [])
    for change in changes or []:
        name, sign, value = change.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{printable(change)} is not of the form NAME=VALUE.")
        if name in requested:
            raise typer.BadParameter(f"{printable(name)} is named twice.")
        requested[name] = value
    if not requested:
        raise typer.BadParameter("give at least one NAME=VALUE or --remove NAME.")
    api = connect.api(deployment)
    if remove and not yes:
        current = api.read_preferences(user)
        preview = {name: value for name, value in {**current, **requested}.items() if value is not None}
        _print(deployment, user, preview, as_json=as_json, is_preview=True)
        return
    _print(deployment, user, api.merge_preferences(user, requested), as_json=as_json)


def _print(
    deployment: Deployment, user: str, preferences: dict[str, str], *, as_json: bool, is_preview: bool = False
) -> None:
    if as_json:
        answer = {"preview": is_preview, "user_id": user, "preferences": preferences}
        print_json({**answer, "sources": endpoints_as_json(deployment.used_endpoints)})
        return
    print_endpoints(deployment)
    with paged(deployment):
        if preferences:
            print_table(("name", "value"), sorted(preferences.items()))
        echo(f"{printable(user)} {'would have' if is_preview else 'has'} {count_of(len(preferences), 'preference')}.")
        if is_preview:
            print_preview_end()
