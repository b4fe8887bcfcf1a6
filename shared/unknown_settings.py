"""Finds unknown variables with a setting's prefix, e.g. misspelt names, which would otherwise have no effect."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

from shared.errors import SettingsError

_FILE: Final = ".env"


def unknown_settings(prefix: str, known: Collection[str]) -> list[str]:
    """Return a message for each unknown variable with `prefix`, in the environment and in `.env`.

    Args:
        prefix: The settings' prefix, such as `REDIS__`.
        known: The settings' names in capital letters.

    Raises:
        SettingsError: `.env` cannot be read.
    """
    in_file = list(_bindings())
    # pydantic-settings ignores case.
    names = {name.upper() for name in (*os.environ, *(each.key for each in in_file if each.key))}
    unknown = sorted(name for name in names if name.startswith(prefix) and name not in known)
    errors = [_format_error(prefix, name.removeprefix(prefix), sorted(known)) for name in unknown]
    # A line without a value or an assignment sets nothing.
    lines = [each.original for each in in_file if each.value is None and prefix in each.original.string.upper()]
    return errors + [f"{_FILE} has no value for a setting: line {line.line} should be NAME=value." for line in lines]


def _bindings() -> Iterator[Binding]:
    """Return the assignments in `.env`, without its comments.

    Raises:
        SettingsError: The file cannot be read.
    """
    try:
        text = Path(_FILE).read_text("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        return iter(())
    except UnicodeDecodeError:
        raise SettingsError(f"{_FILE} cannot be read: it is not text in UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"{_FILE} cannot be read: {error.strerror}.") from None
    return (each for each in parse_stream(StringIO(text)) if each.key or each.error)


def _format_error(prefix: str, name: str, known_names: Sequence[str]) -> str:
    # Names are compared without the prefix, which would make all names similar. The message is ASCII, because a
    # terminal prints it.
    from difflib import get_close_matches  # noqa: PLC0415 - only an unknown setting needs it

    similar = get_close_matches(name, [each.removeprefix(prefix) for each in known_names], n=1)
    printable = f"{prefix}{name}".encode("ascii", "backslashreplace").decode("ascii")
    hint = f"did you mean {prefix}{similar[0]}?" if similar else f"the settings are {', '.join(known_names)}."
    return f"{printable} is an unknown setting: {hint}"
