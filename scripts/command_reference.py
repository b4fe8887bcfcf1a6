"""Generates the command reference, `docs/commands.md`, from the command line's help: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer.main
from typer.testing import CliRunner

from cli.main import app

FILE: Final = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
_HEAD: Final = """\
# The command line, command by command

<!-- Made by `make docs` from the commands' own help; do not change it by hand. -->

Which deployment a command is about, and what its exit codes mean, is in
[configuration](configuration.md#the-command-line). Options that name a deployment work with every command and are shown
once, at the root.
"""
_COLUMNS: Final = 100


def reference() -> str:
    """Return the reference as Markdown."""
    root: Any = typer.main.get_command(app)
    shared = {name for parameter in root.params for name in parameter.opts}
    parts = [_HEAD, _part((), shared=set())]
    parts += [_part(words, shared) for words in _leaves(root, ())]
    return "\n".join(parts)


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    children: dict[str, Any] = getattr(command, "commands", {})
    for name, child in children.items():
        yield from _leaves(child, (*words, name))
    if not children:
        yield words


def _part(words: tuple[str, ...], shared: set[str]) -> str:
    shown = CliRunner().invoke(app, [*words, "--help"], prog_name="hybrid-memory", terminal_width=_COLUMNS)
    lines = [line.rstrip() for line in _without(shown.output.splitlines(), shared)]
    return f"## `{' '.join(['hybrid-memory', *words])}`\n\n```text\n" + "\n".join(lines).strip() + "\n```\n"


def _without(lines: list[str], options: set[str]) -> Iterator[str]:
    """Remove these options, each with its continuation lines."""
    is_left_out = False
    for line in lines:
        words = line.split()
        if line.startswith("  -"):
            is_left_out = words[0] in options - {"--help"}
        elif not line.startswith("   "):
            is_left_out = False
        if not is_left_out:
            yield line


if __name__ == "__main__":
    FILE.write_text(reference())
