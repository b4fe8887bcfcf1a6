"""Help texts whose options and commands are grouped by purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

OPTIONS: Final = "Options"
OUTPUT: Final = "Output"
DEPLOYMENT: Final = "Deployment"
CONVERSATIONS: Final = "Conversations and users"
OPERATIONS: Final = "Operations"
_COMMANDS: Final = "Commands"
# The order of the sections in every help text.
_HEADINGS: Final = (OPTIONS, OUTPUT, DEPLOYMENT, CONVERSATIONS, OPERATIONS, _COMMANDS)
_LONGEST: Final = 200
_Rows = list[tuple[str, str]]


def _write_sections(formatter: Any, default: str, rows: Iterable[tuple[str | None, tuple[str, str]]]) -> None:
    """Write each row under its group's heading."""
    sections: dict[str, _Rows] = {heading: [] for heading in _HEADINGS}
    for heading, row in rows:
        sections[heading or default].append(row)
    for heading, section in sections.items():
        if section:
            with formatter.section(heading):
                formatter.write_dl(section)


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    arguments: _Rows = []
    options: list[tuple[str | None, tuple[str, str]]] = []
    for parameter in command.get_params(ctx):
        if row := parameter.get_help_record(ctx):
            if parameter.param_type_name == "argument":
                arguments.append(row)
            else:
                options.append((getattr(parameter, "rich_help_panel", None), row))
    if arguments:
        with formatter.section("Arguments"):
            formatter.write_dl(arguments)
    _write_sections(formatter, OPTIONS, options)


class GroupedCommand(TyperCommand):
    """A command whose help groups the options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, by group."""
        _write_options(self, ctx, formatter)


class GroupedCommands(TyperGroup):
    """A group of commands whose help groups the options and the commands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options and the commands, by group."""
        _write_options(self, ctx, formatter)
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = (
            (getattr(child, "rich_help_panel", None), (name, child.get_short_help_str(_LONGEST)))
            for name, child in commands
            if child is not None and not child.hidden
        )
        _write_sections(formatter, _COMMANDS, rows)


class CommandGroup(typer.Typer):
    """A typer application whose commands have grouped options."""

    def __init__(self, **settings: Any) -> None:
        # Rich markup would clutter pipes and logs.
        super().__init__(
            cls=GroupedCommands, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, **settings
        )

    def command(self, *names: Any, **settings: Any) -> Callable[[Any], Any]:
        """Return a decorator that adds a command."""
        return super().command(*names, **{"cls": GroupedCommand, **settings})
